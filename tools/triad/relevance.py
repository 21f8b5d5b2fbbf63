"""Whether an answer answers the question, and whether a context was to the point: features of both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from tools.triad.support import Source, coverage
from tools.triad.words import Token, sentences, tokens

#: Features of a question and an answer; the last needs an embedder.
ANSWER = ("question_words", "shared_words", "evasive", "cosine")
#: Features of a context and a question with its answer; the last two need an embedder.
CONTEXT = ("answer_words", "question_words", "answer_bigrams", "question_cosine", "answer_cosine")
#: Texts are compared by their nearest sentences, this many of them at most.
MAX_SENTENCES = 60

_EVASIVE = re.compile(
    r"\b(?:i (?:do not|don't|cannot|can't|am not able)|(?:is|was|are) (?:not|no) (?:mentioned|provided|specified|clear|"
    r"given|known)|no (?:information|answer|data) |unable to (?:answer|determine|tell)|not enough (?:information|context)|"
    r"happy to help|as an ai|cannot be (?:determined|answered|said)|(?:unclear|unknown) (?:from|what|why|whether))",
    re.IGNORECASE,
)


def of_answer(question: str, answer: str) -> list[float]:
    """The features named in `ANSWER`, without the cosine."""
    asked, said = _content(question), _content(answer)
    return [
        coverage(asked, Source.read([answer])) if asked else 1.0,
        len({t.stem for t in asked} & {t.stem for t in said}) / max(1, len({t.stem for t in said})),
        float(_EVASIVE.search(answer) is not None or not said),
    ]


def of_context(question: str, answer: str, context: Source) -> list[float]:
    """The features named in `CONTEXT`, without the cosines."""
    asked, said = _content(question), _content(answer)
    stems = [token.stem for sentence in sentences(answer) for token in tokens(sentence)]
    grams = list(pairwise(stems))
    return [
        coverage(said, context),
        coverage(asked, context),
        sum(gram in context.grams[2] for gram in grams) / len(grams) if grams else 0.0,
    ]


def nearest(vectors: Sequence[Sequence[float]], target: Sequence[float]) -> float:
    """The largest cosine of unit vectors with a target, at least 0."""
    import numpy as np

    return max(0.0, float((np.asarray(vectors) @ np.asarray(target)).max())) if len(vectors) else 0.0


def _content(text: str) -> list[Token]:
    return [token for sentence in sentences(text) for token in tokens(sentence) if token.content]
