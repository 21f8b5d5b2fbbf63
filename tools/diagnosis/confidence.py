"""How sure a diagnosis is, as a calibrated probability that its category is right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from core.incident import Category
from tools.diagnosis.ranking import Candidate


@dataclass(frozen=True)
class Features:
    """What the probability is computed from; each 0..1."""

    #: How much the rule that recognised the class proves, times how likely its block is the primary failure.
    score: float
    #: The distance to the best class of another category that is not explained away.
    margin: float
    #: Whether the class only names a symptom, or nothing.
    vague: float


#: Fitted by `python -m tools.diagnosis.calibrate` to 353 labelled failures in three variants each. On the half that
#: was held out the Brier score is 0.03; where 0.98 is said 0.99 was right, at 0.93 0.85, at 0.60 0.53. That several
#: sources say the same added nothing: they copy each other.
INTERCEPT = 0.98
WEIGHTS = Features(score=2.87, margin=0.72, vague=-1.86)


def features(best: Candidate, others: Sequence[Candidate]) -> Features:
    """The features of a ranking."""
    rivals = [
        c.score
        for c in others
        if not c.explained_by and c.failure_class.category is not best.failure_class.category
    ]
    rival = max(rivals, default=0.0)
    margin = (best.score - rival) / best.score if best.score > 0 else 0.0
    vague = best.failure_class.symptom or best.failure_class.category is Category.UNKNOWN
    return Features(min(1.0, best.best.score), max(0.0, min(1.0, margin)), float(vague))


def probability(found: Features, intercept: float = INTERCEPT, weights: Features = WEIGHTS) -> float:
    """The logistic of the weighted features, rounded to what it is worth."""
    total = intercept + sum(w * x for w, x in zip(astuple(weights), astuple(found), strict=True))
    return round(1 / (1 + math.exp(-total)), 3)
