"""Fits `tools/triad/weights.json` and prints its reliability curves: `python -m evals.triad.fit`.

The data were made for this (`passages.py`, `corrupt.py`, `diagnoses.py`). No public benchmark was used, so that one can
be used to judge the result. Two thirds of the passages and messages fit the weights; the others are held back for the
report.

A claim's weights keep the sign that the feature's meaning gives (an unknown number never speaks for a claim). Those
for prose are drawn towards a prior that trusts copied words, since on real summaries copying is the strongest sign of
faithfulness (Durmus et al. 2020), while half of the written answers here are paraphrases made to be hard.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evals.triad.diagnoses import QUESTION, Diagnosed, read_diagnoses
from evals.triad.logistic import auroc, curve, fit, probabilities, shares
from evals.triad.passages import (
    KINDS,
    SEED,
    Labelled,
    Passage,
    balanced,
    contexts_of,
    others,
    read_claims,
    read_passages,
)
from knowledge.embeddings import MiniLM
from tools.triad import relevance, support
from tools.triad.score import asked, features_of_answer, features_of_claims, features_of_context
from tools.triad.weights import FILE, Logistic
from tools.triad.words import sentences

#: Copied words speak for a claim, whatever the data say; on standardized features.
PRIOR = {
    "bigrams": 0.4, "trigrams_copied": 0.3, "density": 0.4, "best_window": 0.3, "cosine": 0.3, "far": -0.3,
    "unknown_names": -0.3, "unknown_numbers": -0.3, "apart": -0.3,
}  # fmt: skip
#: How often the engine is right, at the least; a chance needs the rate that it is counted from.
ENGINE_IS_RIGHT = 0.8
HEAD = """# The triad on data held back

Written by `python -m evals.triad.fit`; every figure is over the third of the data that did not fit the weights. "text"
is prose, good and bad answers weighted alike; "failure" is diagnoses over logs, four in five of them good, as the
engine's are. The reliability curves show how often an answer of a score was good. Written claims are adversarial by
design: the faithful ones are paraphrases, the unfaithful ones keep the passage's words.
"""
Rows = tuple[np.ndarray, np.ndarray]
Models = dict[str, Logistic]


class Prose:
    """Features of every claim about the passages, alone and among others."""

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
        self.rows = np.array([self._row(claim, wide) for wide in (False, True) for claim in claims])
        self.held_back = np.array([passages[claim.passage].held_back for claim in self.claims])

    def _row(self, claim: Labelled, wide: bool) -> list[float]:
        contexts = contexts_of(self.passages[claim.passage], self.passages, wide=wide)
        return features_of_claims(contexts, claim.text, self.embed)[0][1]

    def claim_model(self) -> Logistic:
        """Fitted on what is not held back."""
        claims = [claim for claim, held in zip(self.claims, self.held_back, strict=True) if not held]
        good = np.array([claim.good for claim in claims])
        names = support.LEXICAL + (support.DENSE if self.embed else ())
        return fit(names, self.rows[~self.held_back], good, balanced(claims), ridge=0.03, prior=PRIOR)

    def answers(self, model: Logistic, *, held_back: bool) -> Rows:
        """Answers of one to four claims about one passage, half of them with a bad one: lowest and mean log odds."""
        rng = random.Random(SEED + held_back)  # noqa: S311
        logits = self.rows @ np.array(model.weights) + model.bias
        pools: dict[tuple[int, bool, bool], list[int]] = {}
        for place, claim in enumerate(self.claims):
            if self.held_back[place] == held_back:
                pools.setdefault((claim.passage, place >= len(self.claims) // 2, claim.good), []).append(
                    place
                )
        counts = {key: Counter(self.claims[place].kind for place in pool) for key, pool in pools.items()}
        chances = {
            key: [KINDS[self.claims[p].kind] / counts[key][self.claims[p].kind] for p in pool]
            for key, pool in pools.items()
        }
        keys = sorted({key[:2] for key in pools})
        rows, good = [], []
        for _ in range(6000):
            key, size, wants_good = rng.choice(keys), rng.choice((1, 1, 2, 3, 4)), rng.random() < 0.5
            bad = 0 if wants_good else rng.choice([n for n in (1, 1, 2, 3) if n <= size])
            sides = [(*key, True)] * (size - bad) + [(*key, False)] * bad
            values = logits[[rng.choices(pools[side], chances[side])[0] for side in sides]]
            rows.append([values.min(), values.mean()])
            good.append(wants_good)
        return np.array(rows), np.array(good)

    def relevance_rows(self, *, held_back: bool) -> Rows:
        """A question and an answer belong together when both are about the same passage, be it true or not."""
        rng = random.Random(SEED)  # noqa: S311
        rows, good = [], []
        for passage in (p for p in self.passages if p.held_back == held_back):
            for answer in [*passage.good, *passage.bad]:
                for other, fits in ((passage, True), (rng.choice(others(passage, self.passages)), False)):
                    rows.append(features_of_answer(other.question, answer, self.embed))
                    good.append(fits)
        return np.array(rows), np.array(good)

    def context_rows(self, *, held_back: bool) -> Rows:
        """A context serves when it is the passage that question and answer were written about."""
        rng = random.Random(SEED)  # noqa: S311
        rows, good = [], []
        for passage in (p for p in self.passages if p.held_back == held_back):
            for answer in passage.good:
                for context, serves in ((passage, True), (rng.choice(others(passage, self.passages)), False)):
                    rows.append(features_of_context(passage.question, context.text, answer, self.embed))
                    good.append(serves)
        return np.array(rows), np.array(good)


class Logs:
    """Features of diagnoses over their evidence and runbooks."""

    def __init__(self, diagnoses: Sequence[Diagnosed], embed: support.Embed | None) -> None:
        self.diagnoses, self.embed = diagnoses, embed
        self.claims = [[row for _, row in features_of_claims(d.contexts, d.answer, embed)] for d in diagnoses]
        self.good = np.array([d.good for d in diagnoses])
        self.held_back = np.array([d.held_back for d in diagnoses])

    def claim_model(self) -> Logistic:
        """Fitted on the first sentences of what is not held back."""
        chosen = ~self.held_back
        rows = np.array([rows[0] for rows in self.claims])[chosen]
        names = support.LEXICAL + (support.DENSE if self.embed else ())
        return fit(names, rows, self.good[chosen], shares(self.good[chosen], ENGINE_IS_RIGHT), ridge=2e-3)

    def answers(self, model: Logistic, *, held_back: bool) -> Rows:
        """Lowest and mean log odds of each diagnosis."""
        chosen = [n for n, held in enumerate(self.held_back) if held == held_back]
        logits = [[model.logit(row) for row in self.claims[n]] for n in chosen]
        return np.array([[min(zs), sum(zs) / len(zs)] for zs in logits]), self.good[chosen]

    def relevance_rows(self, *, held_back: bool) -> Rows:
        """A diagnosis answers the failure it was made for, and not the next one."""
        side = [d for d in self.diagnoses if d.held_back == held_back and d.good]
        rows, good = [], []
        for own, other in zip(side, [*side[7:], *side[:7]], strict=True):
            for contexts, fits in ((own.contexts, True), (other.contexts, False)):
                rows.append(features_of_answer(asked(QUESTION, contexts), own.answer, self.embed))
                good.append(fits)
        return np.array(rows), np.array(good)

    def context_rows(self, *, held_back: bool) -> Rows:
        """The evidence and the runbook of the class serve; other runbooks don't."""
        rows, good = [], []
        for own in (d for d in self.diagnoses if d.held_back == held_back and d.good):
            question = asked(QUESTION, own.contexts)
            for place, context in enumerate(own.contexts):
                rows.append(features_of_context(question, context, own.answer, self.embed))
                good.append(place < own.serving)
        return np.array(rows), np.array(good)


def fit_all(data: Prose | Logs, rate: float) -> Models:
    """The four models of one kind; `rate` is how many answers are good where they are used."""
    claim = data.claim_model()
    rows, good = data.answers(claim, held_back=False)
    answer = fit(("lowest", "mean"), rows, good, shares(good, rate), ridge=1e-4, signed=False)
    rows, good = data.relevance_rows(held_back=False)
    names = relevance.ANSWER if data.embed else relevance.ANSWER[:-1]
    relevant = fit(names, rows, good, shares(good, rate), ridge=3e-3)
    rows, good = data.context_rows(held_back=False)
    names = relevance.CONTEXT if data.embed else relevance.CONTEXT[:-2]
    context = fit(names, rows, good, shares(good, rate), ridge=1e-2)
    return {"claim": claim, "answer": answer, "relevance": relevant, "context": context}


def report(title: str, data: Prose | Logs, models: Models, rate: float) -> str:
    """What the held-back data say, as markdown."""
    lines = [f"## {title}", ""]
    if isinstance(data, Prose):
        lines += [*_claims_of_prose(data, models["claim"]), ""]
    rows, good = data.answers(models["claim"], held_back=True)
    chances, weight = probabilities(models["answer"], rows), shares(good, rate)
    brier = float(np.average((chances - good) ** 2, weights=weight))
    lines += [
        f"Faithfulness of whole answers: AUROC {auroc(good, chances):.3f}, Brier score {brier:.3f}.",
        "",
    ]
    lines += [*curve(good, chances, weight), ""]
    for label, rows_of, model in (
        ("Answer relevance", data.relevance_rows, models["relevance"]),
        ("Relevance of one context", data.context_rows, models["context"]),
    ):
        rows, good = rows_of(held_back=True)
        chances = probabilities(model, rows)
        passed = float((chances[good] >= 0.75).mean())
        lines += [f"{label}: AUROC {auroc(good, chances):.3f}; {passed:.0%} of the good ones reach 0.75.", ""]
    return "\n".join(lines)


def _claims_of_prose(data: Prose, model: Logistic) -> list[str]:
    claims = [claim for claim, held in zip(data.claims, data.held_back, strict=True) if held]
    good, weight = np.array([claim.good for claim in claims]), balanced(claims)
    rows = data.rows[data.held_back]
    columns = [rows[:, model.features.index(name)] for name in ("unigrams", "bigrams")]
    columns.append(probabilities(model, rows))
    lines = ["| claims | n | unigram overlap | bigram overlap | triad |", "|---|---|---|---|---|"]
    for label, prefix in (("all, weighted", ""), ("by a model", "model"), ("written", "written")):
        on = np.array([claim.kind.startswith(prefix) for claim in claims])
        by = None if prefix else weight[on]
        lines.append(
            f"| {label} | {on.sum()} | {' | '.join(f'{auroc(good[on], x[on], by):.3f}' for x in columns)} |"
        )
    return lines


def _data(name: str, embed: support.Embed | None) -> tuple[Prose | Logs, float]:
    """The data of one kind, and how many answers are good where it is used."""
    if name == "failure":
        return Logs(read_diagnoses(), embed), ENGINE_IS_RIGHT
    passages = read_passages()
    return Prose(passages, read_claims(passages), embed), 0.5


def main() -> None:
    """Fit, print the report, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="print the report without writing the weights")
    parser.add_argument("--only", choices=("text", "failure"), help="fit this kind, keep the other as it is")
    asked_for = parser.parse_args()
    kinds: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))["models"] if asked_for.only else {}
    reports: list[str] = []
    for suffix, embed in (("dense", MiniLM().embed), ("lexical", None)):
        for name in (asked_for.only,) if asked_for.only else ("text", "failure"):
            data, rate = _data(name, embed)
            models = fit_all(data, rate)
            kinds[f"{name}/{suffix}"] = {
                part: {"weights": dict(zip(m.features, m.weights, strict=True)), "bias": m.bias}
                for part, m in models.items()
            }
            reports.append(report(f"{name}, {suffix}", data, models, rate))
            print(reports[-1], flush=True)  # noqa: T201
    if not asked_for.check:
        body = {
            "fitted_by": "python -m evals.triad.fit",
            "fitted_on": "two thirds of evals/triad",
            "models": kinds,
        }
        FILE.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    if not asked_for.check and not asked_for.only:
        text = "\n".join([HEAD, *reports])
        (Path(__file__).parent / "report.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
