"""Keeps what can still matter of a log that streams by: a bounded number of places, each with the lines around it.

Kept are the last places of the log, the first and last few of every signal, and the first of each kind of line.
A log's memory need is the same whatever its size or how many of its lines hold a signal.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from tools.log_reader.scan import Hits
from tools.log_reader.text import Chunk

#: How much of the log is kept after and before each place.
AFTER_BYTES = 48 << 10
BEFORE_BYTES = 2 << 10
HEAD_BYTES = 16 << 10
TAIL_BYTES = 96 << 10
_RECENT = 256
_FIRST_PER_SIGNAL = 2
_LAST_PER_SIGNAL = 4
_KINDS = 256
#: A chunk with more matching lines than this has only its edges looked at one by one.
_DENSE = 600
_DENSE_HEAD, _DENSE_TAIL = 100, 400
_DIGITS = b"0123456789abcdef"
#: A frame in the first lines: the log was cut off in the middle of a stack.
_HEADLESS = re.compile(
    rb"(?:[^\n]*\n){0,2}?(?P<frame>[ \t]+at [\w.$<>/-]+\(|[ \t]+File \"[^\n]+, line \d+|[ \t]*\.\.\. \d+ more)"
)
#: Stands for "a stack without a head" among the signals of a place.
HEADLESS = -1


@dataclass(slots=True, eq=False)
class Place:
    """A line that holds signals. `window` is the text around it, `at` where the line begins in it."""

    number: int
    signals: list[int]
    offset: int
    window: bytes = b""
    at: int = 0


@dataclass(slots=True)
class Collected:
    """What is left of a log after one pass. `tail_line` is the number of the tail's first line."""

    places: list[Place]
    counts: dict[int, int]
    lines: int
    bytes: int
    head: bytes
    tail: bytes
    tail_line: int


@dataclass(slots=True)
class _PerSignal:
    first: list[Place] = field(default_factory=list)
    last: deque[Place] = field(default_factory=lambda: deque(maxlen=_LAST_PER_SIGNAL))


class Collector:
    """Takes chunks and their hits in order; gives back the places at the end."""

    def __init__(self) -> None:
        self._recent: deque[Place] = deque(maxlen=_RECENT)
        self._by_signal: dict[int, _PerSignal] = {}
        self._by_kind: dict[bytes, Place] = {}
        self._pending: list[Place] = []
        self._counts: dict[int, int] = {}
        self._before = b""
        self._previous: Chunk | None = None
        self._head = b""
        self._bytes = 0
        self._lines = 0

    def feed(self, chunk: Chunk, hits: Hits) -> None:
        """Take the next chunk."""
        if not self._bytes:
            self._head = chunk.data[:HEAD_BYTES]
            hits = _with_headless(chunk.data, hits)
        if self._previous is not None:
            self._settle(chunk.data)
            self._before = (self._before + self._previous.data)[-TAIL_BYTES:]
        self._previous = chunk
        self._bytes += len(chunk.data)
        self._lines += hits.newlines
        if hits.line:
            self._pending = list(self._select(chunk, hits))

    def finish(self) -> Collected:
        """All that was kept, in the log's order."""
        chunk = self._previous
        if chunk is None:
            return Collected([], {}, 0, 0, b"", b"", 1)
        self._settle(b"")
        whole = self._before + chunk.data
        tail = whole[-TAIL_BYTES:]
        if len(tail) < len(whole) or self._bytes > len(whole):
            tail = tail[tail.find(b"\n") + 1 :]
        lines = self._lines + (not chunk.data.endswith(b"\n"))
        ends = tail.count(b"\n") + (not tail.endswith(b"\n"))
        places = sorted(self._kept(), key=lambda place: place.number)
        return Collected(places, self._counts, lines, self._bytes, self._head, tail, lines - ends + 1)

    def _select(self, chunk: Chunk, hits: Hits) -> Iterable[Place]:
        """The places of a chunk worth keeping, put where later ones may push them out."""
        place: Place | None = None
        for index in _interesting(hits):
            signal = hits.signal[index]
            number = chunk.first_line + hits.line[index]
            if place is None or place.number != number:
                place = Place(number, [signal], hits.start[index])
                self._keep(place, chunk.data)
                yield place
            else:
                place.signals.append(signal)
            per_signal = self._by_signal.setdefault(signal, _PerSignal())
            (per_signal.first if len(per_signal.first) < _FIRST_PER_SIGNAL else per_signal.last).append(place)
        for signal in hits.signal:
            self._counts[signal] = self._counts.get(signal, 0) + 1

    def _keep(self, place: Place, data: bytes) -> None:
        self._recent.append(place)
        if len(self._by_kind) < _KINDS:
            end = data.find(b"\n", place.offset, place.offset + 200)
            line = data[place.offset : end if end > 0 else place.offset + 200]
            self._by_kind.setdefault(line.translate(None, _DIGITS), place)

    def _kept(self) -> set[Place]:
        kept = set(self._recent)
        kept.update(self._by_kind.values())
        for per_signal in self._by_signal.values():
            kept.update(per_signal.first)
            kept.update(per_signal.last)
        return kept

    def _settle(self, following: bytes) -> None:
        """Cut out the windows of the previous chunk's places, now that what follows them is known."""
        if not self._pending or self._previous is None:
            return
        data = self._previous.data
        kept = self._kept()
        for place in self._pending:
            if place in kept:
                _cut(place, self._before, data, following)
        self._pending = []


def _cut(place: Place, before: bytes, data: bytes, following: bytes) -> None:
    """Give a place its window, which begins with a whole line."""
    end = place.offset + AFTER_BYTES
    after = data[place.offset : end] + (following[: end - len(data)] if end > len(data) else b"")
    start = place.offset - BEFORE_BYTES
    lead = data[max(0, start) : place.offset]
    if start < 0:
        lead = before[start:] + lead
    if start > 0 or len(before) > -start:
        lead = lead[lead.find(b"\n") + 1 :]
    place.window = lead + after
    place.at = len(lead)


def _interesting(hits: Hits) -> Iterable[int]:
    """The indexes of the hits to look at: all, or in a dense chunk its edges and the edges of every signal."""
    total = len(hits.line)
    if total <= _DENSE:
        return range(total)
    chosen = set(range(_DENSE_HEAD)) | set(range(total - _DENSE_TAIL, total))
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index, signal in enumerate(hits.signal):
        first.setdefault(signal, index)
        last[signal] = index
    return sorted(chosen | set(first.values()) | set(last.values()))


def _with_headless(data: bytes, hits: Hits) -> Hits:
    """A log cut at its head may begin inside a stack: its first frame is then a place of its own."""
    found = _HEADLESS.match(data)
    if not found:
        return hits
    line = data.count(b"\n", 0, found.start("frame"))
    if hits.line and hits.line[0] <= line:
        return hits
    start = data.rfind(b"\n", 0, found.start("frame")) + 1
    return Hits([line, *hits.line], [start, *hits.start], [HEADLESS, *hits.signal], hits.newlines)
