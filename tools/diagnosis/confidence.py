"""How sure a diagnosis is, as a calibrated probability that its category is right.

A logistic regression over what the ranking shows (`calibrate.py` fits it to labelled failures), then a monotone map
from what it claims to what was kept on failures that nobody had seen (`first_looks.py` fits that).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

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


#: Fitted by `python -m tools.diagnosis.calibrate` to 353 labelled failures in three variants each. That several
#: sources say the same added nothing: they copy each other. On failures that nobody had seen this claims too much
#: (0.55 where 0.25 was right, 0.92 where 0.65 was), hence the map.
INTERCEPT = 0.98
WEIGHTS = Features(score=2.87, margin=0.72, vague=-1.86)
#: The map's scale and shift of the log-odds, written by `python -m tools.diagnosis.first_looks`.
CALIBRATION = Path(__file__).with_name("calibration.json")
_MAP = json.loads(CALIBRATION.read_text(encoding="utf-8"))


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


def calibrated(claimed: float, scale: float = _MAP["scale"], shift: float = _MAP["shift"]) -> float:
    """What a claimed probability is worth: Platt's line through its log-odds. 0 and 1 stay what they are."""
    if not 0 < claimed < 1:
        return claimed
    odds = math.log(claimed / (1 - claimed))
    return round(1 / (1 + math.exp(-(scale * odds + shift))), 3)
