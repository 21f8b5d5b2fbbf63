"""Keeps what can still matter of a log that streams by: a bounded number of places, each with the lines around it.

Kept are the last places of the log, the first and last few of every signal, and the first of each kind of line.
A log's memory need is the same whatever its size or how many of its lines hold a signal.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tools.log_reader.scan import Hits

#: How much of the log is kept after and before each place.
AFTER_BYTES = 48 << 10
BEFORE_BYTES = 2 << 10
HEAD_BYTES = 16 << 10
TAIL_BYTES = 96 << 10
LONG_LINE = 16 << 10
_RECENT = 256
_FIRST_PER_SIGNAL = 2
_LAST_PER_SIGNAL = 4
_KINDS = 256
#: Of a chunk's matching lines so many are looked at one by one: all at a log's beginning and end, and in between
#: as many as tell what is going on there.
_AT_THE_ENDS = 600
_BETWEEN = 32
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
    lines: int
    bytes: int
    head: bytes
    tail: bytes
    tail_line: int


@dataclass(slots=True)
class _PerSignal:
    first: list[Place] = field(default_factory=list)
    last: deque[Place] = field(default_factory=lambda: deque(maxlen=_LAST_PER_SIGNAL))


@dataclass(slots=True)
class _Part:
    """A chunk that is still in memory: its first line's number, its hits, and later its places."""

    data: bytes
    first_line: int
    hits: Hits
    places: list[Place] = field(default_factory=list)


class Collector:
    """Takes chunks and their hits in order; gives back the places at the end.

    A chunk's places are chosen when the next chunk is there, and get their windows one chunk later: by then most
    of them have given way to later ones, and cost nothing.
    """

    def __init__(self) -> None:
        self._recent: deque[Place] = deque(maxlen=_RECENT)
        self._by_signal: dict[int, _PerSignal] = {}
        self._by_kind: dict[bytes, Place] = {}
        self._parts: deque[_Part] = deque()
        self._before = b""
        self._head = b""
        self._bytes = self._lines = self._chunks = 0

    def feed(self, data: bytes, hits: Hits) -> None:
        """Take the next chunk."""
        if not self._chunks:
            hits = _with_headless(data, hits)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]
        self._parts.append(_Part(data, self._lines + 1, hits))
        self._bytes += len(data)
        self._lines += hits.newlines
        self._chunks += 1
        if self._chunks >= 3:
            self._choose(self._parts[-3], at_an_end=self._chunks < 5)
        if len(self._parts) > 3:
            self._settle()

    def finish(self) -> Collected:
        """All that was kept, in the log's order."""
        parts = list(self._parts)
        tail = b"".join([self._before, *(part.data for part in parts)])[-TAIL_BYTES:]
        if len(tail) < self._bytes:
            tail = tail[tail.find(b"\n") + 1 :]
        unended = bool(parts) and not parts[-1].data.endswith(b"\n")
        lines = self._lines + unended
        for part in parts[-2:]:
            self._choose(part, at_an_end=True)
        while self._parts:
            self._settle()
        places = sorted(self._kept(), key=lambda place: place.number)
        first = lines - tail.count(b"\n") - (bool(tail) and not tail.endswith(b"\n")) + 1
        return Collected(places, lines, self._bytes, self._head, tail, first)

    def _choose(self, part: _Part, *, at_an_end: bool) -> None:
        """The places of a chunk worth keeping, put where later ones may push them out."""
        hits = part.hits
        place: Place | None = None
        chosen = _interesting(hits, _AT_THE_ENDS if at_an_end else _BETWEEN)
        numbers = hits.lines(hits.start[index] for index in chosen)
        for index, line in zip(chosen, numbers, strict=True):
            signal = hits.signal[index]
            number = part.first_line + line
            if place is None or place.number != number:
                place = Place(number, [signal], hits.start[index])
                part.places.append(place)
                self._keep(place, part.data, at_an_end)
            else:
                place.signals.append(signal)
            per_signal = self._by_signal.get(signal)
            if per_signal is None:
                per_signal = self._by_signal[signal] = _PerSignal()
            (per_signal.first if len(per_signal.first) < _FIRST_PER_SIGNAL else per_signal.last).append(place)

    def _keep(self, place: Place, data: bytes, at_an_end: bool) -> None:
        if at_an_end:
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

    def _settle(self) -> None:
        """Let go of the oldest chunk, after cutting out the windows of those of its places that are still kept."""
        part = self._parts.popleft()
        if part.places:
            following = self._parts[0].data if self._parts else b""
            kept = self._kept()
            for place in part.places:
                if place in kept:
                    _cut(place, self._before, part.data, following)
        enough = len(part.data) >= TAIL_BYTES
        self._before = part.data[-TAIL_BYTES:] if enough else (self._before + part.data)[-TAIL_BYTES:]


def _cut(place: Place, before: bytes, data: bytes, following: bytes) -> None:
    """Give a place its window, which begins with a whole line."""
    after = _after(place.offset, data, following)
    start = place.offset - BEFORE_BYTES
    lead = data[max(0, start) : place.offset]
    if start < 0:
        lead = before[start:] + lead
    if start > 0 or len(before) > -start:
        lead = lead[lead.find(b"\n") + 1 :]
    place.window = lead + after
    place.at = len(lead)


def _after(offset: int, data: bytes, following: bytes) -> bytes:
    """What follows from `offset` on; of a very long line only its two ends, since messages put their point last."""
    line_end = data.find(b"\n", offset)
    line_end = len(data) if line_end < 0 else line_end
    if line_end - offset > LONG_LINE:
        half = LONG_LINE // 2
        return b"".join(
            (data[offset : offset + half], b" [...] ", data[line_end - half : line_end + AFTER_BYTES])
        )
    end = offset + AFTER_BYTES
    return data[offset:end] + (following[: end - len(data)] if end > len(data) else b"")


def _interesting(hits: Hits, most: int) -> Sequence[int]:
    """The indexes of the hits to look at: all, or those at the edges of the chunk and of every signal."""
    total = len(hits.start)
    if total <= most:
        return range(total)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for index, signal in enumerate(hits.signal):
        first.setdefault(signal, index)
        last[signal] = index
    edges = {*range(most // 4), *range(total - most * 3 // 4, total)}
    return sorted(edges | set(first.values()) | set(last.values()))


def _with_headless(data: bytes, hits: Hits) -> Hits:
    """A log cut at its head may begin inside a stack: its first frame is then a place of its own."""
    found = _HEADLESS.match(data)
    if not found:
        return hits
    start = data.rfind(b"\n", 0, found.start("frame")) + 1
    if hits.start and hits.start[0] <= start:
        return hits
    return replace(hits, start=[start, *hits.start], signal=[HEADLESS, *hits.signal])
