"""Decisive lines in place: with the lines before and after them, out of the text that was kept whole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core.errors import NotFound
from core.incident import Evidence

BEFORE, AFTER = 5, 4
MAX_LINES = 60
MAX_LINE = 2000
#: Texts larger than this are not opened for a page: their lines are shown alone.
MAX_BYTES = 8 * 1024 * 1024
_KEPT = 2000


class Texts(Protocol):
    """Where the whole texts are."""

    async def get_artifact(self, artifact_id: str) -> str:
        """Raises: NotFound."""
        ...


class Kept(Protocol):
    """A text that was kept whole."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...


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
            if not named or artifact.size > MAX_BYTES:
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
    try:
        lines = (await texts.get_artifact(artifact_id)).split("\n")
    except NotFound:
        return None
    start, end = evidence.line_start, min(evidence.line_end, evidence.line_start + MAX_LINES - 1, len(lines))
    if start > len(lines) or not _same(lines[start - 1], evidence.text):
        return None
    shown = range(max(1, start - BEFORE), min(len(lines), end + AFTER) + 1)
    while shown and shown[-1] > end and not lines[shown[-1] - 1].strip():
        shown = shown[:-1]
    numbered = [Line(n, lines[n - 1].rstrip("\r")[:MAX_LINE], start <= n <= end) for n in shown]
    return Excerpt(evidence.source, start, end, numbered, artifact_id)


def _same(line: str, text: str) -> bool:
    """Whether the text begins with this line, as far as either was cut."""
    first = text.split("\n", 1)[0].strip()
    return line.strip()[:80] == first[:80]
