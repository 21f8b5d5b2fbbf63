"""The prose that the triad is fitted on: passages with labelled answers, written, made by rule, or by a small model."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evals.triad.corrupt import faithful, unfaithful
from tools.triad.claims import as_lines

HERE = Path(__file__).parent
SEED = 7
#: How much each kind of answer counts, whatever its number; good and bad ones then count the same in sum.
KINDS = {
    "written good": 1.5, "written bad": 1.5, "plain good": 8, "plain bad": 8, "model good": 5, "model bad": 6, "copied": 1.5, "joined": 0.5,
    "shortened": 1, "from nowhere": 1, "half from nowhere": 1, "spliced": 1.5, "strange name": 1,
    "name of the passage": 1, "strange number": 1, "number of the passage": 0.7, "opposite": 0.3, "denial": 0.3,
}  # fmt: skip


@dataclass
class Passage:
    """A text with a question about it and answers written by hand.

    `kind` is "written" where the faithful answers are paraphrases made to be hard and the others keep the passage's
    words, and "plain" where both are written as language models write.
    """

    number: int
    kind: str = "written"
    question: str = ""
    text: str = ""
    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    @property
    def held_back(self) -> bool:
        """Whether it is for the report and not for fitting."""
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
    found: list[Passage] = []
    for kind, file in (("written", "passages.txt"), ("plain", "answers.txt")):
        for block in (HERE / file).read_text(encoding="utf-8").split("\n# "):
            found.append(_passage(len(found), kind, block))
    return found


def _passage(number: int, kind: str, block: str) -> Passage:
    passage = Passage(number, kind)
    for line in block.splitlines():
        mark, _, text = line.partition(" ")
        match mark:
            case "Q:":
                passage.question = text
            case "P:":
                passage.text = as_lines(text)
            case "+":
                passage.good.append(text)
            case "-":
                passage.bad.append(text)
    return passage


def read_claims(passages: Sequence[Passage]) -> list[Labelled]:
    """Every labelled claim: written, by the model, made by rule."""
    rng = random.Random(SEED)  # noqa: S311
    found = []
    for passage in passages:
        foreign = [p.text for p in others(passage, passages)]
        made = [*faithful(passage.text), *unfaithful(passage.text, passage.good, foreign, rng)]
        found += [Labelled(passage.number, text, True, f"{passage.kind} good") for text in passage.good]
        found += [Labelled(passage.number, text, False, f"{passage.kind} bad") for text in passage.bad]
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
    near = random.Random(SEED + passage.number).sample(others(passage, passages), 4)  # noqa: S311
    return [near[0].text, passage.text, *(p.text for p in near[1:])]


def balanced(claims: Sequence[Labelled]) -> np.ndarray:
    """Weights by `KINDS`, good and bad summing to the same."""
    counts = Counter(claim.kind for claim in claims)
    weight = np.array([KINDS[claim.kind] / counts[claim.kind] for claim in claims])
    good = np.array([claim.good for claim in claims])
    for side in (good, ~good):
        weight[side] /= weight[side].sum()
    return weight
