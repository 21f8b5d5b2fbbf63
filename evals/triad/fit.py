"""Fits `tools/triad/weights.json` and draws its reliability curve: `python -m evals.triad.fit [--check]`.

The data were made for this: `passages.txt` holds 36 passages with questions, faithful answers (+) and unfaithful ones
(-) written by hand; `model_answers.jsonl` holds sentences that a language model of 135 million parameters wrote about
the same passages, labelled by hand; `corrupt.py` makes more by rule. No public benchmark was used, so that one can be
used to judge the result. Two thirds of the passages fit the weights; the others are held back for the report.

A claim's weights keep the sign that the feature's meaning gives (an unknown number never speaks for a claim) and are
drawn towards a prior that trusts copied words, since on real summaries copying is the strongest sign of faithfulness
(Durmus et al. 2020), while half of the written answers here are paraphrases made to be hard.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evals.triad.corrupt import faithful, unfaithful
from knowledge.embeddings import MiniLM
from tools.triad import relevance, support
from tools.triad.score import features_of_claims, features_of_context
from tools.triad.weights import FILE, Logistic
from tools.triad.words import sentences

HERE = Path(__file__).parent
SEED = 7
#: How much each kind of answer counts, whatever its number; good and bad ones then count the same in sum.
KINDS = {
    "written good": 1.5, "written bad": 1.5, "model good": 5, "model bad": 6, "copied": 1.5, "joined": 0.5,
    "shortened": 1, "from nowhere": 1, "half from nowhere": 1, "spliced": 1.5, "strange name": 1,
    "name of the passage": 1, "strange number": 1, "number of the passage": 0.7, "opposite": 0.3, "denial": 0.3,
}  # fmt: skip
NEGATIVE = frozenset(
    ("far", "unknown_names", "unknown_numbers", "unknown_identifiers", "any_unknown", "loose_names", "loose_numbers",
     "apart", "negation", "opposite", "evasive")
)  # fmt: skip
PRIOR = {
    "bigrams": 0.4, "trigrams_copied": 0.3, "density": 0.4, "best_window": 0.3, "cosine": 0.3, "far": -0.3,
    "unknown_names": -0.3, "unknown_numbers": -0.3, "apart": -0.3,
}  # fmt: skip


@dataclass
class Passage:
    number: int
    question: str
    text: str
    good: list[str]
    bad: list[str]

    @property
    def held_back(self) -> bool:
        return self.number % 3 == 2


@dataclass(frozen=True)
class Labelled:
    """One claim about one passage."""

    passage: int
    text: str
    good: bool
    kind: str


def read_passages() -> list[Passage]:
    """The passages with their written answers."""
    found = []
    for block in (HERE / "passages.txt").read_text(encoding="utf-8").split("\n# "):
        passage = Passage(len(found), "", "", [], [])
        for line in block.splitlines():
            mark, _, text = line.partition(" ")
            match mark:
                case "Q:":
                    passage.question = text
                case "P:":
                    passage.text = text
                case "+":
                    passage.good.append(text)
                case "-":
                    passage.bad.append(text)
        found.append(passage)
    return found


def read_claims(passages: Sequence[Passage]) -> list[Labelled]:
    """Every labelled claim: written, by the model, made by rule."""
    rng = random.Random(SEED)  # noqa: S311
    found = []
    for passage in passages:
        foreign = [p.text for p in others(passage, passages)]
        made = [*faithful(passage.text), *unfaithful(passage.text, passage.good, foreign, rng)]
        found += [Labelled(passage.number, text, True, "written good") for text in passage.good]
        found += [Labelled(passage.number, text, False, "written bad") for text in passage.bad]
        found += [Labelled(passage.number, text, good, kind) for text, good, kind in made]
    for line in (HERE / "model_answers.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kind = "model good" if row["faithful"] else "model bad"
        found.append(Labelled(row["passage"], row["text"], row["faithful"], kind))
    return found


def others(passage: Passage, passages: Sequence[Passage]) -> list[Passage]:
    """The other passages on the same side of the split."""
    return [p for p in passages if p.held_back == passage.held_back and p.number != passage.number]


def contexts_of(passage: Passage, passages: Sequence[Passage], *, wide: bool) -> list[str]:
    """The passage alone, or among four others, as retrieval would bring them."""
    if not wide:
        return [passage.text]
    rng = random.Random(SEED + passage.number)  # noqa: S311
    near = rng.sample(others(passage, passages), 4)
    return [near[0].text, passage.text, *(p.text for p in near[1:])]


def fit(
    names: Sequence[str],
    rows: np.ndarray,
    good: np.ndarray,
    weight: np.ndarray,
    *,
    ridge: float,
    signed: bool = True,
    prior: dict[str, float] | None = None,
) -> Logistic:
    """Logistic regression of (n, k) rows; weights signed by meaning, drawn to `prior` on standardized features."""
    from scipy.optimize import minimize

    mean, spread = np.average(rows, axis=0, weights=weight), rows.std(axis=0) + 1e-6
    scaled, side, share = (rows - mean) / spread, np.where(good, 1.0, -1.0), weight / weight.sum()
    pull = np.array([(prior or {}).get(name, 0.0) for name in names])

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        margin = side * (scaled @ beta[:-1] + beta[-1])
        slope, gap = share * side / (1 + np.exp(np.minimum(margin, 500))), beta[:-1] - pull
        value = float((share * np.logaddexp(0, -margin)).sum() + ridge * (gap**2).sum())
        return value, np.append(-slope @ scaled + 2 * ridge * gap, -slope.sum())

    bounds = [
        ((None, 0.0) if name in NEGATIVE else (0.0, None)) if signed else (None, None) for name in names
    ]
    beta = minimize(loss, np.append(pull, 0.0), jac=True, bounds=[*bounds, (None, None)], method="L-BFGS-B").x
    weights = beta[:-1] / spread
    return Logistic(
        tuple(names), tuple(round(float(w), 4) for w in weights), round(float(beta[-1] - weights @ mean), 4)
    )


def balanced(claims: Sequence[Labelled]) -> np.ndarray:
    """Weights by `KINDS`, good and bad summing to the same."""
    counts = Counter(claim.kind for claim in claims)
    weight = np.array([KINDS[claim.kind] / counts[claim.kind] for claim in claims])
    good = np.array([claim.good for claim in claims])
    for side in (good, ~good):
        weight[side] /= weight[side].sum()
    return weight


class Data:
    """Features of everything, computed once: (passage, wide) -> rows in the order of the claims."""

    def __init__(self, passages: list[Passage], claims: list[Labelled], embed: support.Embed | None) -> None:
        self.passages, self.embed = passages, embed
        self.claims = [claim for _ in (0, 1) for claim in claims]
        if embed is not None:  # in batches, into the embedder's cache
            embed(
                [
                    part
                    for text in [*(c.text for c in claims), *(p.text for p in passages)]
                    for part in sentences(text)
                ]
            )
        self.rows = np.array(
            [self._row(claim, wide) for wide in (False, True) for claim in claims],
        )
        self.held_back = np.array([passages[claim.passage].held_back for claim in self.claims])

    def _row(self, claim: Labelled, wide: bool) -> list[float]:
        contexts = contexts_of(self.passages[claim.passage], self.passages, wide=wide)
        parts = [row for _, row in features_of_claims(contexts, claim.text, self.embed)]
        # A claim of two sentences is as good as its worse one; by rule they are alike, so the first speaks for both.
        return parts[0]


def fit_claim(data: Data, names: Sequence[str]) -> Logistic:
    """The claims' model, from the passages that are not held back."""
    chosen = ~data.held_back
    claims = [claim for claim, yes in zip(data.claims, chosen, strict=True) if yes]
    good = np.array([claim.good for claim in claims])
    return fit(names, data.rows[chosen], good, balanced(claims), ridge=0.03, prior=PRIOR)


def compose(data: Data, model: Logistic, *, held_back: bool) -> tuple[np.ndarray, np.ndarray]:
    """Answers of one to four claims about one passage, half of them with a bad one: ((n, 2) min and mean, good)."""
    rng = random.Random(SEED + held_back)  # noqa: S311
    logits = data.rows @ np.array(model.weights) + model.bias
    pools: dict[tuple[int, bool, bool], list[int]] = {}
    counts: dict[tuple[int, bool, bool], Counter[str]] = {}
    half = len(data.claims) // 2
    for place, claim in enumerate(data.claims):
        if data.held_back[place] == held_back:
            key = (claim.passage, place >= half, claim.good)
            pools.setdefault(key, []).append(place)
            counts.setdefault(key, Counter())[claim.kind] += 1
    keys = sorted({key[:2] for key in pools})

    def pick(key: tuple[int, bool, bool]) -> int:
        pool = pools[key]
        kinds = [data.claims[place].kind for place in pool]
        return rng.choices(pool, [KINDS[kind] / counts[key][kind] for kind in kinds])[0]

    rows, good = [], []
    for _ in range(6000):
        key, size, wants_good = rng.choice(keys), rng.choice((1, 1, 2, 3, 4)), rng.random() < 0.5
        bad = 0 if wants_good else rng.choice([n for n in (1, 1, 2, 3) if n <= size])
        picked = [pick((*key, side)) for side in [True] * (size - bad) + [False] * bad]
        values = logits[picked]
        rows.append([values.min(), values.mean()])
        good.append(wants_good)
    return np.array(rows), np.array(good)


def pairs(passages: Sequence[Passage], *, held_back: bool) -> list[tuple[str, Passage, str, bool]]:
    """(question, passage, answer, whether they belong together), as many that do as that don't."""
    rng = random.Random(SEED)  # noqa: S311
    found = []
    for passage in (p for p in passages if p.held_back == held_back):
        for answer in [*passage.good, *passage.bad]:
            other = rng.choice(others(passage, passages))
            found.append((passage.question, passage, answer, True))
            found.append((other.question, other, answer, False))
    return found


def relevance_rows(
    passages: Sequence[Passage], embed: Any, *, held_back: bool
) -> tuple[np.ndarray, np.ndarray]:
    rows, good = [], []
    for question, _, answer, fits in pairs(passages, held_back=held_back):
        row = relevance.of_answer(question, answer)
        if embed is not None:
            asked, *said = embed([question, answer, *sentences(answer)])
            row.append(relevance.nearest(said, asked))
        rows.append(row)
        good.append(fits)
    return np.array(rows), np.array(good)


def context_rows(
    passages: Sequence[Passage], embed: Any, *, held_back: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A context serves when it is the passage that question and answer were written about."""
    rng = random.Random(SEED)  # noqa: S311
    rows, good = [], []
    for passage in (p for p in passages if p.held_back == held_back):
        for answer in passage.good:
            for context, serves in ((passage, True), (rng.choice(others(passage, passages)), False)):
                rows.append(features_of_context(passage.question, context.text, answer, embed))
                good.append(serves)
    return np.array(rows), np.array(good)


def fit_all(passages: list[Passage], claims: list[Labelled], embed: Any) -> tuple[dict[str, Logistic], Data]:
    """The four models of one kind."""
    data = Data(passages, claims, embed)
    cut = None if embed else -1
    claim = fit_claim(data, support.LEXICAL + (support.DENSE if embed else ()))
    rows, good = compose(data, claim, held_back=False)
    even = np.ones(len(good))
    answer = fit(("lowest", "mean"), rows, good, even, ridge=1e-4, signed=False)
    rows, good = relevance_rows(passages, embed, held_back=False)
    relevant = fit(relevance.ANSWER[:cut], rows, good, np.ones(len(good)), ridge=3e-3)
    rows, good = context_rows(passages, embed, held_back=False)
    names = relevance.CONTEXT if embed else relevance.CONTEXT[:-2]
    context = fit(names, rows, good, np.ones(len(good)), ridge=1e-2)
    return {"claim": claim, "answer": answer, "relevance": relevant, "context": context}, data


def auroc(good: np.ndarray, values: np.ndarray, weight: np.ndarray | None = None) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(good, values, sample_weight=weight))


def probabilities(model: Logistic, rows: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(rows @ np.array(model.weights) + model.bias)))


def curve(good: np.ndarray, chances: np.ndarray) -> list[tuple[float, float, float, int]]:
    """(from, mean chance, share that was good, how many) in ten bins."""
    found = []
    for low in np.arange(0, 1, 0.1):
        inside = (chances >= low) & (chances < low + 0.1 + (low > 0.85))
        if inside.any():
            found.append(
                (float(low), float(chances[inside].mean()), float(good[inside].mean()), int(inside.sum()))
            )
    return found


def report(kind: str, models: dict[str, Logistic], data: Data) -> str:
    """What the held-back passages say, as markdown."""
    held = data.held_back
    claims = [claim for claim, yes in zip(data.claims, held, strict=True) if yes]
    good, weight = np.array([claim.good for claim in claims]), balanced(claims)
    rows, names = data.rows[held], models["claim"].features
    chance = probabilities(models["claim"], rows)
    unigrams, bigrams = rows[:, names.index("unigrams")], rows[:, names.index("bigrams")]
    lines = [
        f"## {kind}",
        "",
        "| held-back claims | n | unigrams | bigrams | triad |",
        "|---|---|---|---|---|",
    ]
    for label, prefix in (("all, weighted", ""), ("by a model", "model"), ("written", "written")):
        on = np.array([claim.kind.startswith(prefix) for claim in claims])
        on_weight = weight[on] if not prefix else None
        figures = " | ".join(f"{auroc(good[on], x[on], on_weight):.3f}" for x in (unigrams, bigrams, chance))
        lines.append(f"| {label} | {on.sum()} | {figures} |")
    rows, good = compose(data, models["claim"], held_back=True)
    chances = probabilities(models["answer"], rows)
    brier = float(((chances - good) ** 2).mean())
    lines += ["", f"Whole answers, held back: AUROC {auroc(good, chances):.3f}, Brier score {brier:.3f}.", ""]
    lines += ["| score from | mean score | share faithful | n |", "|---|---|---|---|"]
    lines += [
        f"| {low:.1f} | {mean:.2f} | {share:.2f} | {n} |" for low, mean, share, n in curve(good, chances)
    ]
    embed = data.embed
    for label, rows_of, model in (
        ("Answer relevance", relevance_rows, models["relevance"]),
        ("Context precision, one context", context_rows, models["context"]),
    ):
        rows, good = rows_of(data.passages, embed, held_back=True)
        lines += ["", f"{label}, held back: AUROC {auroc(good, probabilities(model, rows)):.3f}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="print the report without writing the weights")
    only_check = parser.parse_args().check
    passages = read_passages()
    claims = read_claims(passages)
    kinds: dict[str, Any] = {}
    reports = []
    for kind, embed in (("dense", MiniLM().embed), ("lexical", None)):
        models, data = fit_all(passages, claims, embed)
        kinds[kind] = {
            name: {"weights": dict(zip(model.features, model.weights, strict=True)), "bias": model.bias}
            for name, model in models.items()
        }
        reports.append(report(kind, models, data))
    print("\n".join(reports))  # noqa: T201
    if not only_check:
        body = {
            "fitted_by": "python -m evals.triad.fit",
            "fitted_on": "two thirds of evals/triad",
            "models": kinds,
        }
        FILE.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
