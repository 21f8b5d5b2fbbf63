"""Fits `tools/triad/weights.json` and writes its reliability curves: `python -m evals.triad.fit`.

The data were made for this (`passages.py`, `corrupt.py`, `diagnoses.py`). No public benchmark was used, so that one can
be used to judge the result. Two thirds of the passages and messages fit the weights; the others are held back for the
report.

A claim's weights keep the sign that the feature's meaning gives (an unknown number never speaks for a claim).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from evals.triad.diagnoses import read_diagnoses
from evals.triad.features import ENGINE_IS_RIGHT, Logs, Prose
from evals.triad.logistic import auroc, curve, fit, probabilities, shares
from evals.triad.passages import balanced, read_claims, read_passages
from knowledge.readings import Reader
from tools.triad import relevance
from tools.triad.weights import FILE, Logistic, load

#: Parts of the prose, by how their kinds begin.
PARTS = (
    ("all, weighted", ""), ("as models write", "plain"), ("by a small model", "model"), ("adversarial", "written"),
)  # fmt: skip
KINDS = ("text/pieces", "failure/dense", "text/dense", "text/lexical", "failure/lexical")
HEAD = """# The triad on data held back

Written by `python -m evals.triad.fit`; every figure is over the third of the data that did not fit the weights. "text"
is prose, good and bad answers weighted alike; "failure" is diagnoses over logs, four in five of them good, as the
engine's are. "pieces" is with the vectors of word pieces, "dense" with those of sentences only, "lexical" with neither.
The reliability curves show how often an answer of a score was good. Adversarial claims are hard by design: the faithful
ones are paraphrases, the unfaithful ones keep the passage's words.
"""
Models = dict[str, Logistic]


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
    lines += ["| score from | mean score | share good | n |", "|---|---|---|---|"]
    for band in curve(good, chances, weight):
        lines.append(f"| {band.low:.1f} | {band.mean:.2f} | {band.good:.2f} | {band.n} |")
    lines.append("")
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
    for label, prefix in PARTS:
        on = np.array([claim.kind.startswith(prefix) for claim in claims])
        by = None if prefix else weight[on]
        lines.append(
            f"| {label} | {on.sum()} | {' | '.join(f'{auroc(good[on], x[on], by):.3f}' for x in columns)} |"
        )
    return lines


def curves(data: Prose | Logs, models: Models, rate: float) -> dict[str, list[dict[str, float]]]:
    """Reliability of whole answers' faithfulness where it was fitted and where it was held back."""
    found = {}
    for name, held_back in (("fit", False), ("held_back", True)):
        rows, good = data.answers(models["claim"], held_back=held_back)
        bands = curve(good, probabilities(models["answer"], rows), shares(good, rate))
        found[name] = [asdict(band) for band in bands]
    return found


def _data(kind: str, reader: Reader) -> tuple[Prose | Logs, float]:
    """The data of one kind, and how many answers are good where it is used."""
    name, _, with_what = kind.partition("/")
    used = None if with_what == "lexical" else reader
    if name == "failure":
        return Logs(read_diagnoses(), used.embed if used else None), ENGINE_IS_RIGHT
    passages = read_passages()
    return Prose(passages, read_claims(passages), used, read=with_what == "pieces"), 0.5


def main() -> None:
    """Fit, print the report, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="print the report without writing anything")
    parser.add_argument("--only", choices=("text", "failure"), help="fit this kind, keep the other as it is")
    asked_for = parser.parse_args()
    reader, kinds, shown, reports = Reader(), {}, {}, [HEAD]
    for kind in KINDS:
        data, rate = _data(kind, reader)
        kept = asked_for.only and not kind.startswith(asked_for.only)
        models = vars(load(kind)) if kept else fit_all(data, rate)
        kinds[kind] = {part: _plain(model) for part, model in models.items()}
        shown[kind] = curves(data, models, rate)
        reports.append(report(kind.replace("/", ", "), data, models, rate))
        print(reports[-1], flush=True)  # noqa: T201
    if not asked_for.check:
        body = {
            "fitted_by": "python -m evals.triad.fit",
            "fitted_on": "two thirds of evals/triad",
            "models": kinds,
            "curves": shown,
        }
        FILE.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
        Path(__file__).with_name("report.md").write_text("\n".join(reports), encoding="utf-8")


def _plain(model: Logistic) -> dict[str, Any]:
    return {"weights": dict(zip(model.features, model.weights, strict=True)), "bias": model.bias}


if __name__ == "__main__":
    main()
