"""What supports each claim of the cause: the line of the evidence, or the passage, that says most of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.incident import Similar
from server.console.surroundings import Excerpt
from tools.triad.claims import claims
from tools.triad.support import Source, coverage
from tools.triad.words import tokens

#: From this share of a claim's words up a line is said to support it.
ENOUGH = 0.5
MAX_CLAIMS = 6
#: Lines are read in pairs, since messages are wrapped.
LINES_AT_ONCE = 2


@dataclass(frozen=True)
class Support:
    """One claim and its best support; `share` of the claim's words (0..1, by weight) are in it.

    `where` is empty when nothing says enough of it.
    """

    claim: str
    where: str = ""
    text: str = ""
    share: float = 0.0
    anchor: str = ""


def support(answer: str, excerpts: Sequence[Excerpt], similar: Sequence[Similar]) -> list[Support]:
    """Each claim of an answer with what supports it best, evidence before what was found in the memory."""
    return [_best(claim, excerpts, similar) for claim in claims(answer)[:MAX_CLAIMS]]


def _best(claim: str, excerpts: Sequence[Excerpt], similar: Sequence[Similar]) -> Support:
    words = tokens(claim)
    found = Support(claim)
    for number, excerpt in enumerate(excerpts, 1):
        for at in range(len(excerpt.lines)):
            lines = excerpt.lines[at : at + LINES_AT_ONCE]
            text = "\n".join(line.text for line in lines)
            share = coverage(words, Source.read([text]))
            if share > found.share + 1e-9:
                where = f"{excerpt.source}, line {lines[0].number}"
                found = Support(claim, where, lines[0].text.strip(), share, f"evidence-{number}")
    for item in similar:
        share = coverage(words, Source.read([item.text or item.title]))
        if share > found.share + 0.1:
            found = Support(claim, f"{item.kind}: {item.title}", "", share, "similar-h")
    return found if found.share >= ENOUGH else Support(claim, share=found.share)
