"""The RAG triad without a model: is the answer supported, does it answer, was what was retrieved to the point.

The three follow the definitions of RAGAS (Es et al. 2024, EACL demo), each of its model calls replaced by a fitted
logistic model over features that can be computed here:

- **Faithfulness** (RAGAS: the share of an answer's claims that the context supports). Claims are the answer's
  sentences, less what models say around them (`claims.py`). Each gets the log odds z that the contexts support it
  (`support.py`, `alignment.py`). An unfaithful claim spoils an answer, so the answer's score is
  `sigmoid(a + b min(z) + c mean(z))`, the fitted chance that every claim holds.
- **Answer relevance** (RAGAS: how near the question is to what the answer answers; 0 when it evades): the fitted
  chance that this answer belongs to this question, 0 for an empty or evasive one.
- **Context precision** (RAGAS: mean precision at k over the relevant ranks): with r_k the fitted chance that the
  k-th context serves question and answer, `sum_k(r_k * mean(r_1..r_k)) / sum_k(r_k)`.

0.75 means that three in four such answers (contexts) of the fitting data were good ones; `evals/triad/fit.py` fits
the numbers and draws the reliability curves on data held back. Answers to why something failed, over logs, are a kind
of their own with weights of their own: what is asked is then what the first context, the evidence, reports. Without
an embedder the cosines are left out, and without its word pieces what `alignment.py` makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.incident import Triad
from tools.triad import relevance, support
from tools.triad.alignment import Read, aligned
from tools.triad.claims import as_lines, claims, declines
from tools.triad.support import Embed, Source
from tools.triad.weights import Weights, load
from tools.triad.words import sentences, tokens

#: Texts are cut here, so that a pathological record can't stall a batch.
MAX_CHARS = 100_000
MAX_CLAIMS = 60
#: As much of the evidence as stands for what a failure's question asks about.
HEADLINE = 500
_FAILURE = re.compile(
    r"\s*why (?:did|does|has|have|is|was)\b.{0,80}\b(?:runs?|jobs?|tasks?|pipelines?|notebooks?|clusters?|quer(?:y|ies)"
    r"|workflows?|builds?|streams?)\b.{0,80}\b(?:fail|crash|abort|break|broken|stop)",
    re.IGNORECASE | re.DOTALL,
)


def score(
    question: str,
    contexts: Sequence[str],
    answer: str,
    embed: Embed | None = None,
    read: Read | None = None,
) -> Triad:
    """The triad of one answer, each 0..1. Blocks while texts are embedded.

    Args:
        question: What was asked.
        contexts: What was retrieved, best first; an answer without any is unsupported.
        answer: What was answered.
        embed: Gives unit vectors for texts, one each; None leaves the cosines out.
        read: Gives the vectors of word pieces too, from the model that `embed` is of; None leaves them out.
    """
    contexts = usable(contexts)
    answer = answer[:MAX_CHARS]
    weights = load(_kind(question, embed, read))
    about_failure = _FAILURE.match(question) is not None
    parts = sentences(answer) if about_failure else claims(answer)
    question = asked(question, contexts)
    if contexts and not parts and declines(answer):
        # Nothing is claimed, so nothing is unsupported; but nothing is answered either.
        faithful, relevant = 1.0, 0.0
    else:
        read = None if about_failure else read
        faithful = _faithfulness(contexts, parts, embed, read, weights)
        relevant = _answer_relevance(question, answer, embed, weights)
    return Triad(
        faithfulness=round(faithful, 4),
        answer_relevance=round(relevant, 4),
        context_precision=round(_context_precision(question, contexts, answer, embed, weights), 4),
    )


def usable(contexts: Sequence[str]) -> list[str]:
    """The contexts that say something, of bearable length, records as lines."""
    return [as_lines(context[:MAX_CHARS]) for context in contexts if context.strip()]


def texts_of(question: str, contexts: Sequence[str], answer: str) -> list[str]:
    """Every text that `score` embeds, so that a caller can embed those of many records in one batch beforehand."""
    whole, answer = usable(contexts), answer[:MAX_CHARS]
    parts = [part for text in whole for part in sentences(text)][: support.MAX_SOURCE_SENTENCES]
    parts += [*claims(answer)[:MAX_CLAIMS], *sentences(answer)[: relevance.MAX_SENTENCES]]
    return [asked(question, whole), answer, *parts]


def asked(question: str, contexts: Sequence[str]) -> str:
    """The question; one why something failed asks about what the evidence, the first context, reports."""
    if not contexts or _FAILURE.match(question) is None:
        return question
    return f"{question} {' '.join(contexts[0][:HEADLINE].split())}"


def _kind(question: str, embed: Embed | None, read: Read | None) -> str:
    if _FAILURE.match(question):
        return f"failure/{'dense' if embed else 'lexical'}"
    return f"text/{'pieces' if embed and read else 'dense' if embed else 'lexical'}"


def features_of_claims(
    contexts: Sequence[str], parts: Sequence[str], embed: Embed | None, read: Read | None = None
) -> list[tuple[str, list[float]]]:
    """Each claim with its features: `support.LEXICAL`, then `support.DENSE`, then `alignment.ALIGNED`."""
    source = Source.read(contexts)
    known = [(text, row) for text in parts[:MAX_CLAIMS] if (row := tokens(text))]
    rows = [support.lexical(row, source) for _, row in known]
    if embed is not None and known:
        vectors = embed([*source.texts, *(text for text, _ in known)])
        context, own = vectors[: len(source.texts)], vectors[len(source.texts) :]
        rows = [
            row + support.dense(relevance.nearest(context, vector))
            for row, vector in zip(rows, own, strict=True)
        ]
    if read is not None and known:
        readings = read([*source.texts, *(text for text, _ in known)])
        there, here = readings[: len(source.texts)], readings[len(source.texts) :]
        rows = [row + aligned(reading, there) for row, reading in zip(rows, here, strict=True)]
    return [(text, row) for (text, _), row in zip(known, rows, strict=True)]


def _faithfulness(
    contexts: Sequence[str], parts: Sequence[str], embed: Embed | None, read: Read | None, weights: Weights
) -> float:
    rows = features_of_claims(contexts, parts, embed, read) if contexts else []
    if not rows:
        return 0.0
    logits = [weights.claim.logit(row) for _, row in rows]
    return weights.answer.probability([min(logits), sum(logits) / len(logits)])


def _answer_relevance(question: str, answer: str, embed: Embed | None, weights: Weights) -> float:
    row = features_of_answer(question, answer, embed)
    return 0.0 if row[relevance.ANSWER.index("evasive")] else weights.relevance.probability(row)


def features_of_answer(question: str, answer: str, embed: Embed | None) -> list[float]:
    """The features named in `relevance.ANSWER`, without the cosine when there is no embedder."""
    row = relevance.of_answer(question, answer)
    if embed is not None:
        about, *said = embed([question, answer, *sentences(answer)[: relevance.MAX_SENTENCES]])
        row.append(relevance.nearest(said, about))
    return row


def _context_precision(
    question: str, contexts: Sequence[str], answer: str, embed: Embed | None, weights: Weights
) -> float:
    chances = [weights.context.probability(features_of_context(question, c, answer, embed)) for c in contexts]
    total = sum(chances)
    if not total:
        return 0.0
    means = [sum(chances[: k + 1]) / (k + 1) for k in range(len(chances))]
    return sum(chance * mean for chance, mean in zip(chances, means, strict=True)) / total


def features_of_context(question: str, context: str, answer: str, embed: Embed | None) -> list[float]:
    """The features named in `relevance.CONTEXT` of one context, without the cosines when there is no embedder."""
    source = Source.read([context])
    row = relevance.of_context(question, answer, source)
    if embed is not None:
        about, said, *parts = embed([question, answer, *source.texts[: relevance.MAX_SENTENCES]])
        row += [relevance.nearest(parts, about), relevance.nearest(parts, said)]
    return row
