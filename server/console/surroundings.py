"""Decisive lines in place: with the lines before and after them, out of the text that was kept whole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.errors import NotFound
from core.incident import Evidence
from store.texts import Passage

BEFORE, AFTER = 5, 4
MAX_LINES = 60
MAX_LINE = 2000
_KEPT = 2000


class Texts(Protocol):
    """Where the whole texts are."""

    async def passage(self, artifact_id: str, first: int, count: int) -> Passage:
        """`count` lines from line `first` on. Raises: NotFound."""
        ...


class Kept(Protocol):
    """A text that was kept whole."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Line:
    """One line of a log; `proves` says that it is one of the decisive ones."""

    number: int
    text: str
    proves: bool = True


@dataclass(frozen=True)
class Excerpt:
    """A range of lines that proves something, in its place; without `artifact_id` it stands alone."""

    source: str
    line_start: int
    line_end: int
    lines: list[Line]
    artifact_id: str | None = None


class Surroundings:
    """Finds the place of evidence. What it found is kept, since neither evidence nor texts ever change."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, int, int], Excerpt | None] = OrderedDict()

    async def of(
        self, texts: Texts, evidence: Sequence[Mapping[str, Any]], artifacts: Sequence[Kept]
    ) -> list[Excerpt]:
        """The evidence in its order, each in its place as far as that is found."""
        return [await self._one(texts, Evidence.model_validate(e), artifacts) for e in evidence]

    async def _one(self, texts: Texts, evidence: Evidence, artifacts: Sequence[Kept]) -> Excerpt:
        for artifact in reversed(artifacts):  # of several attempts, the newest first
            # A task's texts are named after it; evidence of a run with one failed task leaves that out.
            named = artifact.name == evidence.source or artifact.name.endswith(f"/{evidence.source}")
            if not named:
                continue
            key = (artifact.id, evidence.line_start, evidence.line_end)
            if key not in self._found:
                self._found[key] = await _in_place(texts, evidence, artifact.id)
                while len(self._found) > _KEPT:
                    self._found.popitem(last=False)
            if found := self._found[key]:
                return found
        return alone(evidence)


def alone(evidence: Evidence) -> Excerpt:
    """The lines as they were written down, numbered, with nothing around them."""
    lines = evidence.text.splitlines()[:MAX_LINES] or [""]
    numbered = [Line(n, text[:MAX_LINE]) for n, text in enumerate(lines, evidence.line_start)]
    return Excerpt(evidence.source, evidence.line_start, evidence.line_end, numbered)


async def _in_place(texts: Texts, evidence: Evidence, artifact_id: str) -> Excerpt | None:
    """None when the text does not have these lines there (it is another attempt's, or was cut)."""
    start, end = evidence.line_start, min(evidence.line_end, evidence.line_start + MAX_LINES - 1)
    first = max(1, start - BEFORE)
    try:
        read = await texts.passage(artifact_id, first, end + AFTER - first + 1)
    except NotFound:
        return None
    lines = {line.number: line.text for line in read.lines}
    if start not in lines or not _same(lines[start], evidence.text):
        return None
    end, last = min(end, read.total), max(lines)
    while last > end and not lines[last].strip():
        last -= 1
    numbered = [Line(n, lines[n][:MAX_LINE], start <= n <= end) for n in range(first, last + 1)]
    return Excerpt(evidence.source, start, end, numbered, artifact_id)


def _same(line: str, text: str) -> bool:
    """Whether the text begins with this line, as far as either was cut."""
    first = text.split("\n", 1)[0].strip()
    return line.strip()[:80] == first[:80]


#: One for the process: the same evidence is looked at by many.
PLACES = Surroundings()
