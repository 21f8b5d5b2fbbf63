"""Ranks the classes that a case's units speak for: causes before symptoms, the finer name before the coarser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from core.incident import Category
from knowledge.catalogue import FailureClass
from tools.diagnosis.matcher import Hit, Matcher
from tools.diagnosis.unit import Unit

#: How strong a class must be, against another one, to explain it away (`beats` in the catalogue).
_EXPLAINS_IN_BLOCK = 0.45
_EXPLAINS = 0.6
_EXPLAINS_SYMPTOM = 0.3
#: The same against a symptom of no category ("the called notebook failed").
_EXPLAINS_EMPTY = 0.2
_QUIET = ("WARN", "INFO", "DEBUG", "TRACE")
#: A class recognised by less than this names a kind of exception, and explains no symptom.
_NAMES_A_CAUSE = 0.5
#: What each further source that says the same adds to a score.
_AGREEMENT = 0.03


@dataclass
class Candidate:
    """A class with everything that speaks for it, the strongest first."""

    failure_class: FailureClass
    hits: list[Hit] = field(default_factory=list)
    #: The class that explains this one away, if any.
    explained_by: str = ""

    @property
    def best(self) -> Hit:
        return self.hits[0]

    @property
    def sources(self) -> set[str]:
        """The independent sources that say so: parts of one file count once."""
        return {hit.unit.source for hit in self.hits if not hit.unit.recovered}

    @property
    def score(self) -> float:
        return self.best.score + _AGREEMENT * min(3, max(0, len(self.sources) - 1))


def rank(units: Iterable[Unit], matcher: Matcher) -> list[Candidate]:
    """The candidates, the likeliest cause first; those explained away by another come last."""
    found: dict[str, Candidate] = {}
    for unit in units:
        for hit in matcher.hits(unit):
            name = hit.failure_class.name
            found.setdefault(name, Candidate(hit.failure_class)).hits.append(hit)
    candidates = list(found.values())
    for candidate in candidates:
        candidate.hits.sort(key=_preferred, reverse=True)
    for candidate in candidates:
        candidate.explained_by = _explanation(candidate, candidates)
    return sorted(candidates, key=lambda c: (not c.explained_by, c.score), reverse=True)


def _preferred(hit: Hit) -> tuple[float, int, int]:
    """Of equal hits the decisive exception of a chain, then the later line."""
    return (round(hit.score, 3), hit.unit.decisive, hit.unit.line_start)


def _explanation(candidate: Candidate, others: Sequence[Candidate]) -> str:
    """The name of the strongest class that explains this one away, or nothing."""
    strongest = ""
    best = 0.0
    for other in others:
        if other is candidate or other.score <= best:
            continue
        if other.score >= _threshold(candidate, other) * candidate.score:
            strongest, best = other.failure_class.name, other.score
    return strongest


def _threshold(candidate: Candidate, other: Candidate) -> float:
    """How much of the candidate's score `other` needs to explain it; infinite when it can't."""
    symptom = candidate.failure_class.symptom
    if candidate.failure_class.name in other.failure_class.beats:
        if symptom:
            return _EXPLAINS_EMPTY if _empty(candidate) and _said_aloud(other) else _EXPLAINS_SYMPTOM
        return _EXPLAINS_IN_BLOCK if _share_block(candidate, other) else _EXPLAINS
    if symptom and not other.failure_class.symptom and other.best.proves >= _NAMES_A_CAUSE:
        return _EXPLAINS_EMPTY if _empty(candidate) and _said_aloud(other) else _EXPLAINS
    return float("inf")


def _empty(candidate: Candidate) -> bool:
    """Whether the class says only that something failed, so that nearly any cause is a better answer."""
    return candidate.failure_class.symptom and candidate.failure_class.category is Category.UNKNOWN


def _said_aloud(candidate: Candidate) -> bool:
    """Whether the class was met outside warnings and what recovered."""
    block = candidate.best.unit.block
    return block is None or not (block.recovered or block.level in _QUIET)


def _share_block(one: Candidate, other: Candidate) -> bool:
    blocks = {id(hit.unit.block) for hit in one.hits if hit.unit.block is not None}
    return any(id(hit.unit.block) in blocks for hit in other.hits if hit.unit.block is not None)
