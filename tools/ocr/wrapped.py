"""Joins the lines that a terminal or a browser broke because its window was too narrow."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

#: Shorter lines than this are not broken by a window; and how near to the longest a broken line is.
_NARROW, _FULL = 50, 0.97
_MAX_JOINED = 4000
#: How a broken line goes on: small letters, digits or closing marks at the very left, and no new record or frame.
_GOES_ON = re.compile(
    r"(?=[a-z0-9_)\]}>'\",;.])(?!at |\d{2,4}[-/:.]|[\w.]{3,}(?:Error|Exception)\b|(?:java|org|com|io)\.)"
)
_LAST, _FIRST = re.compile(r"[A-Za-z]+$"), re.compile(r"^[a-z]+")


def unwrapped(lines: Sequence[str], words: Collection[str]) -> list[str]:
    """The lines with what was broken joined. `words` (lower case) say whether a word was broken, too."""
    longest = max(map(len, lines), default=0)
    if longest < _NARROW:
        return list(lines)
    joined: list[str] = []
    full = False
    for line in lines:
        if joined and full and _GOES_ON.match(line) and len(joined[-1]) < _MAX_JOINED:
            joined[-1] += ("" if _one_word(joined[-1], line, words) else " ") + line
        else:
            joined.append(line)
        full = len(line) >= _FULL * longest
    return joined


def _one_word(before: str, after: str, words: Collection[str]) -> bool:
    """Whether the break went through a word: its two parts make a known one, or it is no prose at all."""
    last, first = _LAST.search(before), _FIRST.match(after)
    if last is None or first is None:
        return not before.endswith((",", ";", ":")) and not before[-1:].isspace()
    return (last[0] + first[0]).lower() in words
