"""What happened before: finished incidents as `retrieve` finds them, and how much each counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from core.incident import Similar

if TYPE_CHECKING:
    from knowledge.index import Index

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
#: Endings from which nothing can be learnt about the failure.
NOTHING_LEARNT = frozenset({"muted", "refused", "closed"})
#: Platforms change: an incident counts half of its fading part after this many days, never less than the floor.
HALF_LIFE_DAYS = 180.0
AGE_FLOOR = 0.85
#: How much of what still lacks to certainty an exact match takes away (noisy-or with the dense similarity).
KEY_WEIGHT: dict[str, float] = {"fingerprint": 0.7, "failure_class": 0.3, "job": 0.15}
MAX_CAUSE = 600
MAX_EVIDENCE = 1_200


class IncidentMemory(BaseModel):
    """One finished incident, redacted. Times are ISO 8601; `job` is the job's id or name, as the caller searches.

    `verified` says that a later good run proved the outcome, rather than somebody's word.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    title: str = Field(max_length=500)
    root_cause: str = ""
    #: The decisive lines.
    evidence: str = ""
    fingerprint: str = ""
    failure_class: str = ""
    category: str = "unknown"
    job: str = ""
    action: str | None = None
    outcome: str | None = None
    verified: bool = False
    finished_at: str | None = None
    #: What a reviewer said, or a post-mortem's lesson.
    note: str = ""

    def meaning(self) -> str:
        """What is embedded: what failed and why. The job and the ending are found by keys and weights."""
        named = self.failure_class and self.title.endswith(
            self.failure_class
        )  # `job: class`, as we title our own
        parts = [
            "" if named else self.title[:200],
            self.failure_class.replace("_", " "),
            self.root_cause[:MAX_CAUSE],
            self.note[:300],
            self.evidence[:MAX_EVIDENCE],
        ]
        return "\n".join(part for part in parts if part)

    def text(self) -> str:
        """What is shown, bounded to about 2,000 characters."""
        parts = [
            self.title[:200],
            f"Class {self.failure_class}." if self.failure_class else "",
            self.root_cause[:MAX_CAUSE],
            f"Ended as {self.outcome} after {self.action}." if self.outcome and self.action else "",
            self.note[:300],
            self.evidence[:MAX_EVIDENCE],
        ]
        return "\n".join(part for part in parts if part)


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


class Memory:
    """Finds runbooks and past incidents, and remembers finished ones; off the event loop.

    Args:
        index: The vector store.
        load_incident: Reads one finished incident from where incidents are kept. Raises: NotFound.
    """

    def __init__(self, index: Index, load_incident: Callable[[str], Awaitable[IncidentMemory]]) -> None:
        self._index = index
        self._load_incident = load_incident

    async def search(self, query: str, *, keys: Mapping[str, str], limit: int = 5) -> list[Similar]:
        """The best matches for a query and exact keys (`fingerprint`, `failure_class`, `job`), best first.

        Raises:
            KnowledgeUnavailable: The vector store can't be opened or read.
        """
        return await asyncio.to_thread(self._index.search, query, keys=keys, limit=limit)

    async def remember(self, incident_id: str) -> None:
        """Put one finished incident into what `search` finds. Idempotent.

        Raises:
            NotFound: No such incident.
            KnowledgeUnavailable: The vector store can't be opened or written.
        """
        memory = await self._load_incident(incident_id)
        await asyncio.to_thread(self._index.put, [memory])
