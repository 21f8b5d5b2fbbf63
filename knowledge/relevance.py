"""How well a document fits, and how much a past incident counts: by its outcome, by proof, by age."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

#: How much an ended incident counts as an example, by its outcome; what was verified counts most.
OUTCOME_WEIGHT: dict[str, float] = {
    "resolved": 1.0,
    "resolved_elsewhere": 0.97,
    "terminated": 0.95,
    "closed": 0.95,
    "notified": 0.93,
    "escalated": 0.9,
    "taken_over": 0.9,
    "observed": 0.88,
    "rejected": 0.8,
}
OTHER_OUTCOME_WEIGHT = 0.88
#: What was resolved by somebody's word alone.
UNVERIFIED_WEIGHT = 0.95
#: Platforms change: an incident counts half of its fading part after this many days, never less than the floor.
HALF_LIFE_DAYS = 180.0
AGE_FLOOR = 0.85
#: How much of what still lacks to certainty an exact match takes away (noisy-or with the dense similarity).
KEY_WEIGHT: dict[str, float] = {"fingerprint": 0.7, "failure_class": 0.3, "job": 0.15}


def relevance(similarity: float, keys: Mapping[str, str], facts: Mapping[str, str]) -> float:
    """How well a document fits, 0..1: `1 - (1 - cosine) * product(1 - KEY_WEIGHT[k])` over the keys that match."""
    missing = 1.0 - min(1.0, max(0.0, similarity))
    for key, weight in KEY_WEIGHT.items():
        if keys.get(key) and facts.get(key) == keys[key]:
            missing *= 1.0 - weight
    return 1.0 - missing


def standing(outcome: str | None, verified: bool, finished_at: str | None, now: datetime) -> float:
    """How much a past incident counts, 0..1: the weight of its outcome times its age's."""
    weight = OUTCOME_WEIGHT.get(outcome or "", OTHER_OUTCOME_WEIGHT)
    if outcome == "resolved" and not verified:
        weight = UNVERIFIED_WEIGHT
    return weight * (AGE_FLOOR + (1.0 - AGE_FLOOR) * 0.5 ** (_age_days(finished_at, now) / HALF_LIFE_DAYS))


def _age_days(finished_at: str | None, now: datetime) -> float:
    """Days since, a half-life where the time is not known."""
    try:
        then = datetime.fromisoformat(finished_at) if finished_at else None
    except ValueError:
        then = None
    if then is None:
        return HALF_LIFE_DAYS
    if then.tzinfo is None:
        then = then.replace(tzinfo=now.tzinfo)
    return max(0.0, (now - then).total_seconds() / 86_400)
