"""How sure a diagnosis is, as a calibrated probability that its category is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from tools.diagnosis.ranking import Candidate


@dataclass(frozen=True)
class Features:
    """What the probability is computed from; each 0..1."""

    #: How much the rule that recognised the class proves by itself.
    proves: float
    #: How likely the block it stands in is the primary failure, as the reader says.
    weight: float
    #: The distance to the best class of another category that is not explained away.
    margin: float
    #: Whether a second source says the same.
    agreement: float
    #: Whether the class only names a symptom, or nothing.
    vague: float


#: Fitted by `python -m tools.diagnosis.calibrate`; see there for the data and the method.
INTERCEPT = -2.0
WEIGHTS = Features(proves=3.0, weight=1.0, margin=1.5, agreement=0.4, vague=-1.5)


def features(best: Candidate, others: Sequence[Candidate]) -> Features:
    """The features of a ranking."""
    rivals = [
        c.score
        for c in others
        if not c.explained_by and c.failure_class.category is not best.failure_class.category
    ]
    rival = max(rivals, default=0.0)
    margin = (best.score - rival) / best.score if best.score > 0 else 0.0
    return Features(
        proves=best.best.proves,
        weight=min(1.0, best.best.unit.weight),
        margin=max(0.0, min(1.0, margin)),
        agreement=1.0 if len(best.sources) > 1 else 0.0,
        vague=1.0 if best.failure_class.symptom or best.failure_class.category == "unknown" else 0.0,
    )


def probability(found: Features, intercept: float = INTERCEPT, weights: Features = WEIGHTS) -> float:
    """The logistic of the weighted features, rounded to what it is worth."""
    total = intercept + sum(w * x for w, x in zip(astuple(weights), astuple(found), strict=True))
    return round(1 / (1 + math.exp(-total)), 3)
