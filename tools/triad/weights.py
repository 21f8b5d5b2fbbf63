"""The fitted numbers of the triad: `weights.json`, written by `python -m evals.triad.fit`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("weights.json")


@dataclass(frozen=True)
class Logistic:
    """A logistic model: `1 / (1 + exp(-(bias + sum(weight * feature))))`."""

    features: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float

    def logit(self, values: Sequence[float]) -> float:
        """The log odds of one row of features, given in the order of `features`."""
        return self.bias + sum(weight * value for weight, value in zip(self.weights, values, strict=True))

    def probability(self, values: Sequence[float]) -> float:
        """The chance, 0..1."""
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, self.logit(values)))))


@dataclass(frozen=True)
class Weights:
    """The four models, with cosines or without: a claim, a whole answer, its relevance, a context's relevance."""

    claim: Logistic
    answer: Logistic
    relevance: Logistic
    context: Logistic


@dataclass(frozen=True)
class Band:
    """Answers whose score lies from `low` to a tenth above: their mean score, the share that was good, how many."""

    low: float
    mean: float
    good: float
    n: int


def reliability(kind: str) -> dict[str, list[Band]]:
    """The reliability curve of faithfulness, where it was fitted (`fit`) and on data `held_back`."""
    curves: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["curves"][kind]
    return {name: [Band(**band) for band in bands] for name, bands in curves.items()}


@cache
def load(kind: str) -> Weights:
    """`text/...` (any question) or `failure/...` (why something failed), and what is known beside the words.

    That is `lexical` (nothing), `dense` (cosines of sentences), or for texts `pieces` (vectors of word pieces too).
    """
    models: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["models"][kind]
    return Weights(
        **{
            name: Logistic(tuple(model["weights"]), tuple(model["weights"].values()), model["bias"])
            for name, model in models.items()
        }
    )
