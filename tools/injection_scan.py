"""Finds the places of a text where an order may stand: all triggers in one pass by hyperscan, or one by one."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, Protocol

from tools.injection_triggers import Kind, Trigger, triggers

#: So many bytes around a trigger belong to its place: a sentence, or (encoded) a whole blob.
_AROUND = 700
_AROUND_ENCODED = 6000
#: From this many bytes on, over the life of the process, scanning is quicker than examining everything.
WORTH_COMPILING_BYTES = 256 << 10


class Place(NamedTuple):
    """A part of a text, as byte offsets, and what it may hold."""

    start: int
    end: int
    kind: Kind


class _Scanner(Protocol):
    def ends(self, data: bytes) -> Iterable[tuple[int, int]]:
        """(where a match ends, the number of its trigger), in any order."""
        ...


def places(data: bytes) -> Iterator[Place]:
    """The places of a text worth examining, in order; they may overlap."""
    found = triggers()
    seen: dict[Kind, int] = {}
    for end, number in sorted(set(_scanner().ends(data))):
        kind = found[number].kind
        if end > seen.get(kind, -1):
            place = _around(data, end) if kind == "rule" else _line(data, end, kind)
            # What ends well within this place is seen with it.
            seen[kind] = place.end if _ends_line(data, place) else place.end - _AROUND // 2
            yield place


def _ends_line(data: bytes, place: Place) -> bool:
    return data[place.end : place.end + 1] in (b"", b"\n")


def _around(data: bytes, end: int) -> Place:
    """The lines around a match, as far as they are short enough."""
    floor, ceiling = max(0, end - _AROUND), min(len(data), end + _AROUND)
    start = data.find(b"\n", floor, end) + 1 if floor else 0
    line = data.rfind(b"\n", 0, max(0, end - 1)) + 1
    start = min(start or floor, line) if line >= floor else floor
    stop = data.rfind(b"\n", end, ceiling) if ceiling < len(data) else ceiling
    return Place(start, ceiling if stop < 0 else stop, "rule")


def _line(data: bytes, end: int, kind: Kind) -> Place:
    """The line of a match, as far as it is short enough."""
    around = _AROUND_ENCODED if kind == "encoded" else _AROUND
    floor, ceiling = max(0, end - around), min(len(data), end + around)
    start = data.rfind(b"\n", floor, max(floor, end - 1)) + 1 or floor
    stop = data.find(b"\n", end, ceiling)
    return Place(start, ceiling if stop < 0 else stop, kind)


class _Fast:
    """Hyperscan. Raises ImportError where it is not installed for this machine."""

    def __init__(self, wanted: list[Trigger]) -> None:
        import hyperscan

        self._threads = threading.local()
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[trigger.pattern for trigger in wanted],
            ids=list(range(len(wanted))),
            elements=len(wanted),
            flags=[
                hyperscan.HS_FLAG_MULTILINE | (hyperscan.HS_FLAG_CASELESS if trigger.caseless else 0)
                for trigger in wanted
            ],
        )

    def _own_scratch(self) -> Any:
        if not hasattr(self._threads, "scratch"):
            self._threads.scratch = self._database.scratch.clone()
        return self._threads.scratch

    def ends(self, data: bytes) -> Iterable[tuple[int, int]]:
        found: list[tuple[int, int]] = []

        def on_match(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append((end, number))

        self._database.scan(data, match_event_handler=on_match, scratch=self._own_scratch())
        return found


class _Slow:
    """The triggers one after the other with `re`, for machines without hyperscan: the same places, slowly."""

    def __init__(self, wanted: list[Trigger]) -> None:
        self._patterns = [
            re.compile(trigger.pattern, re.MULTILINE | (re.IGNORECASE if trigger.caseless else 0))
            for trigger in wanted
        ]

    def ends(self, data: bytes) -> Iterable[tuple[int, int]]:
        for number, pattern in enumerate(self._patterns):
            for match in pattern.finditer(data):
                yield match.end(), number


_bytes_seen = 0


def worth_compiling(upcoming: int) -> bool:
    """Whether so much text has come by in this process that compiling the triggers (half a second) pays."""
    global _bytes_seen
    _bytes_seen += upcoming
    return _bytes_seen >= WORTH_COMPILING_BYTES


@cache
def _scanner() -> _Scanner:
    wanted = list(triggers())
    try:
        return _Fast(wanted)
    except ImportError:
        return _Slow(wanted)
