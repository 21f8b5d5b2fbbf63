"""Fits the weights of `confidence.py` to labelled failures: `python -m tools.diagnosis.calibrate FOLDER...`.

Each folder holds `labels.jsonl` (a line a case: `id` and the acceptable `category` names) and a folder a case as
`pitstop diagnose` reads it. A catalogue that was written knowing its cases is nearly always right on them, and a
confidence fitted to that would always say so; the world, however, has failures that no class names and logs
that are cut. So each case is diagnosed in three ways: as it is; with its log cut to the last lines; and with the
class that recognised it taken out of the catalogue, as if nobody had thought of it yet. Half of the cases, chosen
by a hash of their names, fit a logistic regression (Newton's method, a small ridge); the other half are for the
reliability table that is printed: how often the category was right where so much confidence was claimed.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from knowledge.catalogue import UNKNOWN, Catalogue, load_catalogue
from tools.diagnosis.case import Case, TaskCase, case_of_texts
from tools.diagnosis.confidence import Features, features, probability
from tools.diagnosis.engine import Engine
from tools.diagnosis.files import case_of_path

#: What one case counts as it is, cut, and of a class unknown so far: a guess at what is met in practice.
AS_IT_IS, CUT, UNSEEN = 1.0, 0.5, 0.25
_TAIL = 30
_RIDGE = 0.5
_BINS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 1.01)


@dataclass(frozen=True)
class Sample:
    """One diagnosis of one case: what it was judged by, whether its category is right, what it counts."""

    case: str
    features: Features
    right: bool
    weight: float

    @property
    def fits(self) -> bool:
        """Whether the case is in the half that the weights are fitted to."""
        return hashlib.sha256(self.case.encode()).digest()[0] % 2 == 0


def samples(folders: Sequence[Path], catalogue: Catalogue) -> Iterator[Sample]:
    """Every case of the folders, diagnosed in the three ways; what stays unknown claims nothing and is left out."""
    engine = Engine(catalogue)
    for folder in folders:
        for label in map(json.loads, (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()):
            case = case_of_path(folder / label["id"]).case
            named = engine.diagnose(case).failure_class
            ways = [(engine, case, AS_IT_IS), (engine, _cut(case), CUT)]
            if named != UNKNOWN:
                ways.append((Engine(_without(catalogue, named)), case, UNSEEN))
            for by, what, weight in ways:
                judged = by.judge(what)
                if judged is not None:
                    best, others = judged
                    right = best.failure_class.category in label["category"]
                    yield Sample(label["id"], features(best, others), right, weight)


def _cut(case: Case) -> Case:
    """The case with only the last lines of each source."""
    texts = {r.source: "\n".join(line.text for line in r.tail[-_TAIL:]) for r in case.readings}
    cut = case_of_texts({name: text for name, text in texts.items() if text})
    return replace(cut, tasks=[replace(task, termination=_termination(case)) for task in cut.tasks])


def _termination(case: Case) -> Sequence[str]:
    return next((task.termination for task in case.tasks), TaskCase().termination)


def _without(catalogue: Catalogue, name: str) -> Catalogue:
    """The catalogue with one class recognising nothing."""
    found = catalogue.classes[name].model_copy(update={"recognise": []})
    return replace(catalogue, classes={**catalogue.classes, name: found})


def fit(data: Sequence[Sample]) -> tuple[float, Features]:
    """Intercept and weights of a weighted logistic regression."""
    rows = np.array([[1.0, *astuple(sample.features)] for sample in data])
    right = np.array([float(sample.right) for sample in data])
    counts = np.array([sample.weight for sample in data])
    weights = np.zeros(rows.shape[1])
    ridge = np.diag([0.0] + [_RIDGE] * (rows.shape[1] - 1))
    for _ in range(50):
        p = 1 / (1 + np.exp(-rows @ weights))
        slope = rows.T @ (counts * (right - p)) - ridge @ weights
        curve = (rows * (counts * p * (1 - p))[:, None]).T @ rows + ridge
        weights = weights + np.linalg.solve(curve, slope)
    rounded = [round(float(w), 2) for w in weights]
    return rounded[0], Features(*rounded[1:])


def reliability(
    data: Sequence[Sample], intercept: float, weights: Features
) -> list[tuple[str, int, float, float]]:
    """For each range of confidence: the range, cases, mean confidence, and the share that was right."""
    table = []
    for low, high in pairwise(_BINS):
        inside = [s for s in data if low <= probability(s.features, intercept, weights) < high]
        total = sum(s.weight for s in inside)
        if total:
            said = sum(s.weight * probability(s.features, intercept, weights) for s in inside) / total
            was = sum(s.weight * s.right for s in inside) / total
            table.append((f"{low:.2f}-{min(high, 1.0):.2f}", len(inside), said, was))
    return table


def brier(data: Sequence[Sample], intercept: float, weights: Features) -> float:
    """The mean squared distance between confidence and outcome; 0 is perfect."""
    total = sum(s.weight for s in data)
    return sum(s.weight * (probability(s.features, intercept, weights) - s.right) ** 2 for s in data) / total


def main(folders: Sequence[str]) -> None:
    """Fit, and print the weights and what they are worth on the other half."""
    data = list(samples([Path(folder) for folder in folders], load_catalogue()))
    fitting, held = [s for s in data if s.fits], [s for s in data if not s.fits]
    intercept, weights = fit(fitting)
    out = [f"{len(fitting)} diagnoses fitted, {len(held)} held out", f"INTERCEPT = {intercept}"]
    out.append(
        f"WEIGHTS = Features({', '.join(f'{f.name}={getattr(weights, f.name)}' for f in fields(weights))})"
    )
    out.append(
        f"Brier score: fitted {brier(fitting, intercept, weights):.3f}, held out {brier(held, intercept, weights):.3f}"
    )
    out.append("held out:  confidence   cases   said   was right")
    for name, count, said, was in reliability(held, intercept, weights):
        out.append(f"           {name:11} {count:6} {said:6.2f} {was:8.2f}")
    sys.stdout.write("\n".join(out) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
