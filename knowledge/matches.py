"""From what the vector store found to what is shown: one of those that say the same, incidents and pages mixed."""

from __future__ import annotations

from collections.abc import Iterable

from core.incident import Similar
from knowledge.nearest import Candidate
from knowledge.pages import MAX_TEXT


def same(candidate: Candidate) -> str:
    """What incidents that say the same have in common; imported ones have no fingerprint."""
    return str(candidate.facts["fingerprint"] or candidate.text)


def distinct(found: Iterable[tuple[float, Candidate]]) -> list[tuple[float, Candidate]]:
    """The best of those with one fingerprint or one text, best first as they came."""
    seen: set[str] = set()
    kept = []
    for score, candidate in found:
        marks = {str(candidate.facts["fingerprint"]), candidate.text} - {""}
        if not marks & seen:
            kept.append((score, candidate))
        seen |= marks
    return kept


def shown(score: float, candidate: Candidate) -> Similar:
    """One incident as people see it; `score` 0..1."""
    facts = candidate.facts
    return Similar(
        id=candidate.id,
        kind="incident",
        title=facts["title"],
        text=candidate.text[:MAX_TEXT],
        score=round(score, 4),
        outcome=facts["outcome"] or None,
        action=facts["action"] or None,
    )


def mixed(incidents: list[Similar], pages: list[Similar], limit: int) -> list[Similar]:
    """The best of both, at least one of each kind where there is one and room for two."""
    ranked = sorted([*incidents, *pages], key=lambda match: (-match.score, match.kind, match.id))
    chosen = ranked[:limit]
    for kind in (incidents, pages):
        if kind and limit > 1 and kind[0] not in chosen:
            chosen[-1] = kind[0]
    return chosen
