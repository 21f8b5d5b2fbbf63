"""Finds the lines of a chunk that hold a signal: all patterns in one pass by hyperscan, or with `re` alone.

Both scanners give the same answer. Hyperscan reads more than a gigabyte a second but takes a third of a second
to compile, so short logs are read with `re`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

from tools.log_reader.signals import SIGNALS, Signal

#: From this many bytes on (over the life of the process) compiling for hyperscan pays.
WORTH_COMPILING_BYTES = 512 << 10


class Hits(NamedTuple):
    """The matching lines of one chunk, in order; parallel lists. `line` counts from 0 within the chunk."""

    line: list[int]
    start: list[int]
    signal: list[int]
    newlines: int


class Scanner(Protocol):
    """Finds signals in whole lines."""

    def scan(self, data: bytes) -> Hits:
        """Every (line, signal) of `data` once, ordered by line, then signal."""
        ...


class SlowScanner:
    """The patterns one after the other, each only on lines that hold one of its literals."""

    def __init__(self, signals: Sequence[Signal] = SIGNALS) -> None:
        flags = re.MULTILINE
        self._patterns = [
            (
                number,
                s.needles,
                re.compile(s.pattern, flags | (re.IGNORECASE if s.caseless else 0)),
                s.caseless,
            )
            for number, s in enumerate(signals)
        ]

    def scan(self, data: bytes) -> Hits:
        lower = data.lower()
        found: list[tuple[int, int]] = []
        for number, needles, pattern, caseless in self._patterns:
            starts: set[int] = set()
            if min(map(len, needles)) > 1:
                for needle in needles:
                    self._lines_with(needle, lower if caseless else data, data, pattern, starts)
            else:
                # A single character stands in every other line: the pattern itself is quicker.
                starts.update(data.rfind(b"\n", 0, max(0, m.end() - 1)) + 1 for m in pattern.finditer(data))
            found += [(start, number) for start in starts]
        found.sort()
        return _numbered(found, lambda start, end: data.count(b"\n", start, end), len(data))

    @staticmethod
    def _lines_with(
        needle: bytes, text: bytes, data: bytes, pattern: re.Pattern[bytes], starts: set[int]
    ) -> None:
        at = text.find(needle)
        while at >= 0:
            start = data.rfind(b"\n", 0, at) + 1
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end + 1
            if start not in starts and pattern.search(data[start:end]):
                starts.add(start)
            at = text.find(needle, end)


def _numbered(found: list[tuple[int, int]], newlines: Callable[[int, int], int], size: int) -> Hits:
    """Number the lines of (start, signal) pairs; `newlines` counts those between two offsets."""
    hits = Hits([], [], [], 0)
    line = seen = 0
    for start, signal in found:
        if start != seen:
            line += newlines(seen, start)
            seen = start
        hits.line.append(line)
        hits.start.append(start)
        hits.signal.append(signal)
    return hits._replace(newlines=line + newlines(seen, size))


class FastScanner:
    """All patterns in one pass by hyperscan. Raises ImportError where hyperscan is not installed for this machine."""

    def __init__(self, signals: Sequence[Signal] = SIGNALS) -> None:
        import hyperscan
        import numpy

        self._numpy = numpy
        self._threads = threading.local()
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[s.pattern for s in signals],
            ids=list(range(len(signals))),
            elements=len(signals),
            flags=[
                hyperscan.HS_FLAG_MULTILINE | (hyperscan.HS_FLAG_CASELESS if s.caseless else 0)
                for s in signals
            ],
        )

    def _own_scratch(self) -> Any:
        """This thread's working memory: one that two threads scan with at once is an error of hyperscan's."""
        if not hasattr(self._threads, "scratch"):
            self._threads.scratch = self._database.scratch.clone()
        return self._threads.scratch

    def scan(self, data: bytes) -> Hits:
        ends: list[tuple[int, int]] = []

        def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends.append((end, number))

        self._database.scan(data, match_event_handler=on_match, scratch=self._own_scratch())
        # A match may end with its line's own newline, so the line is that of the match's last byte.
        found = {(data.rfind(b"\n", 0, end - 1) + 1, number) for end, number in ends}
        numpy = self._numpy
        mask = numpy.frombuffer(data, numpy.uint8) == ord("\n")
        return _numbered(
            sorted(found), lambda start, end: int(numpy.count_nonzero(mask[start:end])), len(data)
        )


@cache
def _slow() -> SlowScanner:
    return SlowScanner()


@cache
def _fast() -> FastScanner | None:
    try:
        return FastScanner()
    except ImportError:
        return None


_bytes_seen = 0


def scanner_for(upcoming: int) -> Scanner:
    """The scanner for the next `upcoming` bytes: hyperscan where it is installed and has enough to do."""
    global _bytes_seen
    _bytes_seen += upcoming
    if _bytes_seen < WORTH_COMPILING_BYTES:
        return _slow()
    return _fast() or _slow()
