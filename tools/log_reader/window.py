"""The lines around a place, as text: decoded, bounded, and without what a container or a CI system put before each."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tools.log_reader.collect import Place
from tools.log_reader.text import decode

MAX_LINE_CHARS = 8_000
#: What a container, a scheduler or a CI system writes before every line of a program's output.
_DRESS = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}(?:Z|[+-]\d\d:\d\d) (?:stderr |stdout )?(?:[FP] )?"
    r"|[\w.-]{1,40} +\| |\[\d{4}-\d\d-\d\d[^\]]{5,30}\] \{[\w./-]+:\d+\} [A-Z]{4,8} - "
    r"|\(\w+ pid=\d+[^)]*\) |\[[\w ./-]{1,60}\] (?=\s|Traceback|Caused by|[\w.]+(?:Error|Exception)\b)"
)
_NEAR = 4
_STACK_IN_JSON = re.compile(r"Traceback \(most|\\n\\tat |\\n  File |\\nCaused by: ")


@dataclass(slots=True)
class Window:
    """Lines in order. `first` is the number of the first; `at` the index of the line that holds the signal.

    `folded` says that the lines were unfolded from within one line of the log, which all of them stand for. Lines
    before the index `floor` belong to an earlier block.
    """

    lines: list[str]
    first: int
    at: int
    folded: bool = False
    floor: int = 0

    def number(self, index: int) -> int:
        """The line number, from 1, of an index."""
        return self.first if self.folded else self.first + index


def window_of(place: Place, done: int = 0) -> Window:
    """The window of a place that a Collector kept; the lines up to number `done` are spoken for."""
    try:
        lines = place.window.decode().split("\n")
    except UnicodeDecodeError:
        lines = [decode(line) for line in place.window.split(b"\n")]
    if lines and not lines[-1]:
        lines.pop()
    lines = [line if len(line) <= MAX_LINE_CHARS else _shorten(line) for line in lines]
    at = place.window.count(b"\n", 0, place.at)
    unfolded = _unfold(lines[at]) if at < len(lines) else None
    if unfolded:
        return Window(unfolded, place.number, 0, folded=True)
    return Window(_undress(lines, at), place.number - at, at, floor=max(0, done + 1 - (place.number - at)))


def _shorten(line: str) -> str:
    return line[: MAX_LINE_CHARS - 4000] + " [...] " + line[-3900:]


def _undress(lines: list[str], at: int) -> list[str]:
    """Without the per-line prefix, if the lines around `at` have one."""
    near = [line for line in lines[max(0, at - _NEAR) : at + _NEAR + 1] if line.strip()]
    dressed = sum(1 for line in near if _DRESS.match(line))
    if dressed < 2 or dressed * 4 < len(near) * 3:
        return lines
    return [_DRESS.sub("", line, count=1) if _DRESS.match(line) else line for line in lines]


def _unfold(line: str) -> list[str] | None:
    """The lines of a stack that a JSON log holds in one of its strings; None when there is none."""
    if not _STACK_IN_JSON.search(line) or "{" not in line:
        return None
    try:
        record = json.loads(line[line.index("{") :].strip())
    except (ValueError, RecursionError):
        text = line.replace("\\r", "").replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
        return text.split("\n") if "\n" in text else None
    texts = [text for text in _strings(record) if "\n" in text]
    stack = max(texts, key=len, default=None)
    if stack is None:
        return None
    head = [text for text in _strings(record) if text is not stack and "\n" not in text]
    level = next(
        (t.upper() for t in head if t.upper() in ("ERROR", "FATAL", "CRITICAL", "WARN", "WARNING", "INFO")),
        "",
    )
    lines = stack.split("\n")
    return [f"[{level}] {max(head, key=len, default='')}", *lines] if level else lines


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return []
