"""Reading a part of a kept text: it is unpacked piece by piece, so that a log of any size costs a few megabytes."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import zstandard

from store import artifacts
from store.engine import Database

#: So much is unpacked at once. A line that is longer than two of these is looked through in parts.
BLOCK_BYTES = 1024 * 1024
#: What is shown of one line, and how many lines with a word are told.
MAX_LINE_BYTES = 8000
MAX_HITS = 200

T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """One line of a text, counted from 1; `more` bytes of it were cut off."""

    number: int
    text: str
    more: int = 0


@dataclass(frozen=True)
class Passage:
    """Lines of a text one after the other, and how many it has in all."""

    lines: list[Line]
    total: int


@dataclass(frozen=True)
class Found:
    """The first `MAX_HITS` lines in which a word stands, and in how many it does."""

    lines: list[Line] = field(default_factory=list)
    count: int = 0


class Texts:
    """Kept texts, read by line. Lines end with a line feed alone, as evidence counts them.

    Every method raises NotFound where there is no such text, and StoreUnavailable when Postgres is away.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def passage(self, artifact_id: str, first: int, count: int) -> Passage:
        """`count` lines from line `first` on."""
        return await self._read(artifact_id, lambda blocks: _passage(blocks, first, count))

    async def find(self, artifact_id: str, word: str) -> Found:
        """The lines in which `word` stands, in whatever case."""
        return await self._read(artifact_id, lambda blocks: _find(blocks, word.encode()))

    async def _read(self, artifact_id: str, read: Callable[[Iterator[bytes]], T]) -> T:
        async with self._db.transaction() as session:
            row = await artifacts.get(session, artifact_id)
        if row.size < artifacts.INLINE_CHARS:
            return read(_blocks(row.body))
        return await asyncio.to_thread(read, _blocks(row.body))


def _blocks(body: bytes) -> Iterator[bytes]:
    """The text in pieces that end where a line ends, but for the last, and for lines that never seem to end."""
    rest = b""
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)) as stream:
        while chunk := stream.read(BLOCK_BYTES):
            whole, feed, tail = (rest + chunk).rpartition(b"\n")
            if feed:
                yield whole + feed
                rest = tail
            elif len(tail) > BLOCK_BYTES:
                yield tail
                rest = b""
            else:
                rest = tail
    if rest:
        yield rest


def _passage(blocks: Iterator[bytes], first: int, count: int) -> Passage:
    kept: dict[int, bytes] = {}
    sizes: dict[int, int] = {}
    at, ended = 1, True
    for block in blocks:
        feeds = block.count(b"\n")
        if at < first + count and at + feeds >= first:
            for number, piece in enumerate(block.split(b"\n"), at):
                if first <= number < first + count:
                    sizes[number] = sizes.get(number, 0) + len(piece)
                    kept[number] = (kept.get(number, b"") + piece[:MAX_LINE_BYTES])[:MAX_LINE_BYTES]
        at += feeds
        ended = block.endswith(b"\n")
    total = at - 1 if ended else at
    lines = [_line(n, kept[n], sizes[n]) for n in sorted(kept) if n <= total]
    return Passage(lines, total)


def _find(blocks: Iterator[bytes], word: bytes) -> Found:
    lines: list[Line] = []
    wanted, count, last, at = word.lower(), 0, 0, 1
    for block in blocks:
        small, seen, place = block.lower(), 0, 0
        number = at
        while (place := small.find(wanted, place)) >= 0:
            number += small.count(b"\n", seen, place)
            seen = place
            end = small.find(b"\n", place)
            if number != last:  # a line that goes on in the next block counts once
                count, last = count + 1, number
                if len(lines) < MAX_HITS:
                    start = block.rfind(b"\n", 0, place) + 1
                    whole = block[start : end if end >= 0 else None]
                    lines.append(_line(number, whole[:MAX_LINE_BYTES], len(whole)))
            if end < 0:
                break
            place = end
        at += block.count(b"\n")
    return Found(lines, count)


def _line(number: int, kept: bytes, size: int) -> Line:
    text = kept.decode(errors="ignore" if size > len(kept) else "replace").rstrip("\r")
    return Line(number, text, size - len(kept))
