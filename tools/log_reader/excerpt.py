"""Few lines out of many: what a person reads of a long block, with its decisive lines always in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MAX_CHARS = 4000
_MAX_LINE = 700
_LEFT_OUT = "    [...]"


def excerpt(lines: Sequence[str], keep: Iterable[int], *, limit: int = MAX_CHARS) -> str:
    """The lines joined, or when they are too long the ones at the indexes `keep` (most important first).

    Gaps are marked. The result has at most `limit` characters, give or take the marks.
    """
    whole = "\n".join(lines)
    if len(whole) <= limit:
        return whole
    chosen: set[int] = set()
    room = limit
    for index in keep:
        if index in chosen or not 0 <= index < len(lines):
            continue
        cost = min(len(lines[index]), _MAX_LINE) + 1
        if cost > room:
            break
        chosen.add(index)
        room -= cost
    return _joined(lines, sorted(chosen))


def _joined(lines: Sequence[str], chosen: Sequence[int]) -> str:
    out: list[str] = []
    previous = -1
    for index in chosen:
        if index != previous + 1:
            out.append(_LEFT_OUT)
        line = lines[index]
        out.append(line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE - 200]} [...] {line[-180:]}")
        previous = index
    if previous != len(lines) - 1:
        out.append(_LEFT_OUT)
    return "\n".join(out)
