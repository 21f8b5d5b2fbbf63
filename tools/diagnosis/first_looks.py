"""Maps what the engine claims to what it kept: `python -m tools.diagnosis.first_looks` fits `calibration.json` again.

`first_looks.json` holds the outcomes of diagnoses of failures that nobody had seen when the catalogue was written:
sets of labelled failures that another author made, each diagnosed once, before any of its misses was looked at. A
row is the set, the confidence that `confidence.py` computed, and whether the category was the label's. The map is
Platt's: a straight line through the log-odds (J. Platt, "Probabilistic outputs for support vector machines", 1999),
so it is monotone and has only two numbers to fit. The set made last is left out of the fit, and the table that is
printed is about it; a look of no confidence at all (nothing recognised) is no claim and is left out too.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from tools.diagnosis.confidence import CALIBRATION, calibrated

_FIRST_LOOKS = Path(__file__).with_name("first_looks.json")
_BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 1.01)
#: A little of the identity, so that a handful of looks can't turn the line around.
_RIDGE = 0.5


@dataclass(frozen=True)
class Look:
    """One first look: the set it belongs to, the confidence (0..1) before the map, whether the category was right."""

    set: int
    claimed: float
    right: bool


def load(path: Path = _FIRST_LOOKS) -> list[Look]:
    """The first looks that made a claim. Raises OSError, ValueError."""
    rows = json.loads(path.read_text(encoding="utf-8"))["looks"]
    return [Look(int(s), float(claimed), bool(right)) for s, claimed, right in rows]


def fit(looks: Sequence[Look]) -> tuple[float, float]:
    """Scale and shift of the log-odds that make the outcomes likeliest (Newton's method, a small ridge)."""
    odds = np.array([math.log(look.claimed / (1 - look.claimed)) for look in looks])
    right = np.array([float(look.right) for look in looks])
    rows = np.stack([odds, np.ones_like(odds)], axis=1)
    identity = np.array([1.0, 0.0])
    weights = identity.copy()
    for _ in range(50):
        p = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (right - p) - _RIDGE * (weights - identity)
        curve = (rows * (p * (1 - p))[:, None]).T @ rows + _RIDGE * np.eye(2)
        weights = weights + np.linalg.solve(curve, slope)
    return round(float(weights[0]), 3), round(float(weights[1]), 3)


def brier(looks: Sequence[Look], scale: float, shift: float) -> float:
    """The mean squared distance between confidence and outcome; 0 is perfect."""
    return sum((calibrated(look.claimed, scale, shift) - look.right) ** 2 for look in looks) / len(looks)


def reliability(looks: Sequence[Look], scale: float, shift: float) -> list[tuple[str, int, float, float]]:
    """For each range of confidence: the range, looks, mean confidence, and the share that was right."""
    table = []
    for low, high in pairwise(_BINS):
        inside = [
            (p, look.right) for look in looks if low <= (p := calibrated(look.claimed, scale, shift)) < high
        ]
        if inside:
            said, was = (sum(column) / len(inside) for column in zip(*inside, strict=True))
            table.append((f"{low:.2f}-{min(high, 1.0):.2f}", len(inside), said, was))
    return table


def main() -> None:
    """Fit on all sets but the last, write the numbers, and print what they are worth on the last."""
    looks = load()
    last = max(look.set for look in looks)
    fitting, held = [x for x in looks if x.set != last], [x for x in looks if x.set == last]
    scale, shift = fit(fitting)
    CALIBRATION.write_text(json.dumps({"scale": scale, "shift": shift}) + "\n", encoding="utf-8")
    out = [f"{len(fitting)} first looks fitted, {len(held)} held out: scale {scale}, shift {shift}"]
    for name, part in (("fitted", fitting), ("held out", held)):
        before, after = brier(part, 1.0, 0.0), brier(part, scale, shift)
        out.append(f"Brier score, {name}: {before:.3f} before the map, {after:.3f} after")
    out.append("held out:  confidence   looks   said   was right")
    for name, count, said, was in reliability(held, scale, shift):
        out.append(f"           {name:11} {count:6} {said:6.2f} {was:8.2f}")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
