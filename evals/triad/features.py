"""Features of the labelled data: every claim, answer and context of the prose and of the diagnoses."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np

from evals.triad.diagnoses import QUESTION, Diagnosed
from evals.triad.logistic import fit, shares
from evals.triad.passages import KINDS, SEED, Labelled, Passage, balanced, contexts_of, others
from knowledge.readings import Reader
from tools.triad import support
from tools.triad.alignment import ALIGNED
from tools.triad.score import asked, features_of_answer, features_of_claims, features_of_context
from tools.triad.weights import Logistic
from tools.triad.words import sentences

#: How often the engine is right, at the least; a chance needs the rate that it is counted from.
ENGINE_IS_RIGHT = 0.8
Rows = tuple[np.ndarray, np.ndarray]


class Prose:
    """Features of every claim about the passages, alone and among others."""

    def __init__(
        self, passages: list[Passage], claims: list[Labelled], reader: Reader | None, *, read: bool
    ) -> None:
        self.passages = passages
        self.embed = reader.embed if reader else None
        self.read = reader.read if reader and read else None
        self.claims = [claim for _ in (0, 1) for claim in claims]
        if reader is not None:  # in batches, into the reader's cache
            texts = [*(c.text for c in claims), *(p.text for p in passages)]
            reader.read([part for text in texts for part in sentences(text)])
        self.rows = np.array([self._row(claim, wide) for wide in (False, True) for claim in claims])
        self.held_back = np.array([passages[claim.passage].held_back for claim in self.claims])

    def _row(self, claim: Labelled, wide: bool) -> list[float]:
        contexts = contexts_of(self.passages[claim.passage], self.passages, wide=wide)
        return features_of_claims(contexts, sentences(claim.text)[:1], self.embed, self.read)[0][1]

    def claim_model(self) -> Logistic:
        """Fitted on what is not held back."""
        claims = [claim for claim, held in zip(self.claims, self.held_back, strict=True) if not held]
        good = np.array([claim.good for claim in claims])
        names = support.LEXICAL + (support.DENSE if self.embed else ()) + (ALIGNED if self.read else ())
        return fit(names, self.rows[~self.held_back], good, balanced(claims), ridge=0.05)

    def answers(self, model: Logistic, *, held_back: bool) -> Rows:
        """Answers of one to eight claims about one passage, half of them with a bad one: lowest and mean log odds."""
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
            key, size, wants_good = rng.choice(keys), rng.choice((1, 1, 2, 3, 4, 6, 8)), rng.random() < 0.5
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
        self.claims = [
            [row for _, row in features_of_claims(d.contexts, sentences(d.answer), embed)] for d in diagnoses
        ]
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
