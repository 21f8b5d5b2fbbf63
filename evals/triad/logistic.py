"""Fitting and judging small logistic models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tools.triad.weights import Band, Logistic

#: Features that never speak for a claim or an answer; the others never speak against it.
NEGATIVE = frozenset(
    ("far", "unknown_names", "unknown_numbers", "unknown_identifiers", "any_unknown", "loose_names", "loose_numbers",
     "apart", "negation", "opposite", "evasive")
)  # fmt: skip


def fit(
    names: Sequence[str],
    rows: np.ndarray,
    good: np.ndarray,
    weight: np.ndarray,
    *,
    ridge: float,
    signed: bool = True,
) -> Logistic:
    """Logistic regression of (n, k) rows; weights signed by meaning, drawn to 0 on standardized features."""
    from scipy.optimize import minimize

    mean, spread = np.average(rows, axis=0, weights=weight), rows.std(axis=0) + 1e-6
    scaled, side, share = (rows - mean) / spread, np.where(good, 1.0, -1.0), weight / weight.sum()

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = side * (scaled @ beta[:-1] + beta[-1])
        slope = share * side / (1 + np.exp(np.minimum(margin, 500)))
        value = float((share * np.logaddexp(0, -margin)).sum() + ridge * (beta[:-1] ** 2).sum())
        return value, np.append(-slope @ scaled + 2 * ridge * beta[:-1], -slope.sum())

    bounds = [
        ((None, 0.0) if name in NEGATIVE else (0.0, None)) if signed else (None, None) for name in names
    ]
    beta = minimize(
        loss, np.zeros(len(names) + 1), jac=True, bounds=[*bounds, (None, None)], method="L-BFGS-B"
    ).x
    weights = beta[:-1] / spread
    return Logistic(
        tuple(names), tuple(round(float(w), 4) for w in weights), round(float(beta[-1] - weights @ mean), 4)
    )


def probabilities(model: Logistic, rows: np.ndarray) -> np.ndarray:
    """The chances of (n, k) rows."""
    return 1 / (1 + np.exp(-(rows @ np.array(model.weights) + model.bias)))


def auroc(good: np.ndarray, values: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The chance that a good one has a larger value than a bad one."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(good, values, sample_weight=weight))


def shares(good: np.ndarray, rate: float) -> np.ndarray:
    """Weights under which the good ones make up `rate` of all."""
    return np.where(good, rate / good.sum(), (1 - rate) / (~good).sum())


def curve(good: np.ndarray, chances: np.ndarray, weight: np.ndarray) -> list[Band]:
    """The reliability curve: tenths of the scores with the share that was good."""
    bands = []
    for low in np.arange(0, 1, 0.1):
        inside = (chances >= low) & (chances < low + 0.1 + (low > 0.85))
        if inside.any():
            mean, share = (np.average(x[inside], weights=weight[inside]) for x in (chances, good))
            bands.append(
                Band(round(float(low), 1), round(float(mean), 3), round(float(share), 3), int(inside.sum()))
            )
    return bands
