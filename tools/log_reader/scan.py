"""Finds the lines of a chunk that hold a signal: all patterns in one pass by hyperscan, or with `re` alone.

Both scanners give the same answer. Hyperscan reads more than a gigabyte a second but takes a third of a second
to compile, so short logs are read with `re`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from tools.log_reader.signals import SIGNALS, Signal

#: From this many bytes on (over the life of the process) compiling for hyperscan pays.
WORTH_COMPILING_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class Hits:
    """The matching lines of one chunk, in order: parallel lists of where a line begins and a signal it holds.

    `newlines` is how many the chunk has; `between` counts those between two offsets.
    """

    start: list[int]
    signal: list[int]
    newlines: int
    between: Callable[[int, int], int] = field(compare=False, repr=False)

    def lines(self, starts: Iterable[int]) -> Iterator[int]:
        """The numbers, from 0, of the lines that begin at these offsets, which must ascend."""
        line = seen = 0
        for start in starts:
            if start != seen:
                line += self.between(seen, start)
                seen = start
            yield line


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
        begins, numbers = [start for start, _ in found], [number for _, number in found]
        return Hits(begins, numbers, data.count(b"\n"), lambda start, end: data.count(b"\n", start, end))

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
        found = sorted({(data.rfind(b"\n", 0, end - 1) + 1, number) for end, number in ends})
        starts, numbers = [start for start, _ in found], [number for _, number in found]
        count = self._numpy.count_nonzero
        is_newline = self._numpy.frombuffer(data, self._numpy.uint8) == ord("\n")
        return Hits(
            starts, numbers, int(count(is_newline)), lambda start, end: int(count(is_newline[start:end]))
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
