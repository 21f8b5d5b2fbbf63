"""Takes secrets out of texts before anything is stored, sent or printed.

The number of lines stays the same and a placeholder says what kind of secret stood there, so that a diagnosis of
the redacted text still works: `password=[REDACTED:password]`. Terminal sequences and NULs, which can tear a secret
apart, are taken out too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tools.log_reader.scan import WORTH_COMPILING_BYTES, FastScanner, Hits, Scanner, SlowScanner
from tools.log_reader.signals import Signal
from tools.secret_blocks import (
    ENCODED_LOOK,
    ENCODED_NEEDLES,
    ESCAPED_KEY,
    ESCAPED_REST,
    KEY_BODY,
    KEY_LINE,
    MAX_KEY_LINES,
    PRIVATE_KEY_BEGIN,
    PRIVATE_KEY_END,
    PRIVATE_KEY_LOOK,
    encoded_texts,
    goes_on,
    paired_secrets,
)
from tools.secret_keys import KEYED_LOOK, KEYED_NEEDLES, keyed_secrets, kind_of_key, looks_random
from tools.secret_rules import RULES, Rule, library_rules

#: A wrapped secret has at most so many more lines.
_MAX_WRAPPED = 40
_TERMINAL = re.compile(
    r"\\{1,4}(?:u001b|x1b|033|e)\[[0-9;]{0,20}m|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,500}(?:\x07|\x1b\\)|[@-Z\\^_=>78]|\([0-9A-B])|\x00"
)


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its secrets, and how many were taken out."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class RedactedValue:
    """A JSON value without its secrets, and how many were taken out."""

    value: Any
    count: int


def redact(text: str) -> Redacted:
    """Replace every secret in a text by a placeholder that names its kind. The lines stay where they are."""
    if "\x1b" in text or "\x00" in text or "\\u001b[" in text or "\\x1b[" in text or "\\033[" in text:
        text = _TERMINAL.sub("", text)
    text, paired = _redact_pairs(text)
    data = text.encode("utf-8", "surrogatepass")
    editor = _Editor(data)
    for start, signals in _looked_at(_scanner(len(data)).scan(data)).items():
        if start >= editor.done:
            _redact_at(editor, start, signals)
    if not editor.count:
        return Redacted(text, paired)
    return Redacted(editor.finished(), editor.count + paired)


def redact_json(value: Any) -> RedactedValue:
    """Redact every string within a JSON value; the value of a key named like a secret goes whole."""
    if isinstance(value, str):
        redacted = redact(value)
        return RedactedValue(redacted.text, redacted.count)
    if isinstance(value, list):
        items = [redact_json(item) for item in value]
        return RedactedValue([item.value for item in items], sum(item.count for item in items))
    if not isinstance(value, dict):
        return RedactedValue(value, 0)
    out: dict[Any, Any] = {}
    count = 0
    named = value.get("key", value.get("name"))
    for key, item in value.items():
        name = named if key == "value" and isinstance(named, str) else key
        kind = kind_of_key(name, item) if isinstance(item, str) and isinstance(name, str) else None
        redacted = RedactedValue(_placeholder(kind), 1) if kind else redact_json(item)
        clean = redact_json(key) if isinstance(key, str) else RedactedValue(key, 0)
        out[clean.value] = redacted.value
        count += redacted.count + clean.count
    return RedactedValue(out, count)


class _Editor:
    """A text of which lines are replaced, from the beginning to the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.done = self.count = 0
        self._pieces: list[bytes] = []

    def line(self, start: int) -> tuple[str, int]:
        """The line that begins at a byte, and the byte after it."""
        end = self.data.find(b"\n", start)
        end = len(self.data) if end < 0 else end
        return self.data[start:end].decode("utf-8", "surrogatepass"), end

    def line_before(self, start: int) -> tuple[str, int]:
        """The line that ends before the one that begins at a byte, and where it begins."""
        begin = self.data.rfind(b"\n", 0, start - 1) + 1
        return self.data[begin : start - 1].decode("utf-8", "surrogatepass"), begin

    def replace(self, start: int, end: int, text: str, count: int) -> None:
        """Put a text in the place of bytes; `start` is not before what was replaced already."""
        self._pieces += [self.data[self.done : start], text.encode("utf-8", "surrogatepass")]
        self.done = end
        self.count += count

    def finished(self) -> str:
        """The whole text."""
        return b"".join([*self._pieces, self.data[self.done :]]).decode("utf-8", "surrogatepass")


def _redact_at(editor: _Editor, start: int, signals: Sequence[int]) -> None:
    """Redact the line that begins at a byte, and the lines around it that belong to the same secret."""
    line, end = editor.line(start)
    clean, count = line, 0
    following: list[str] = []
    if PRIVATE_KEY_BEGIN.search(line):
        clean, following, end = _redact_private_key(line, editor, end)
        count = 1
    elif PRIVATE_KEY_END.search(line):
        clean, count = ESCAPED_KEY.subn(_placeholder("private_key") + r"\\n", line)
        begin, above = _key_above(editor, start)
        if above:
            editor.replace(begin, start - 1, "\n".join([_placeholder("private_key")] * above), 1)
    clean, found = _redact_line(clean, signals)
    count += found
    while found and clean.endswith("]") and len(following) < _MAX_WRAPPED and end < len(editor.data):
        more, after = editor.line(end + 1)
        rest = goes_on(line, more)
        if rest is None:
            break
        following.append(
            more[: rest.start("secret")] + _placeholder("continued") + more[rest.end("secret") :]
        )
        line, end = more.rstrip(), after
    if count:
        editor.replace(start, end, "\n".join([clean, *following]), count)


def _redact_line(line: str, signals: Sequence[int]) -> tuple[str, int]:
    """Apply the rules of these numbers; those after the last rule are for keys and for what is encoded."""
    rules = _rules()
    count = 0
    for number in signals:
        if number < len(rules):
            for pattern in rules[number].find:
                line, found = _replace(line, pattern, rules[number].kind)
                count += found
    if len(rules) in signals:
        spans = [(start, end, kind) for start, end, kind in keyed_secrets(line)]
        line, count = _without(line, spans), count + len(spans)
    if len(rules) + 1 in signals:
        told = [(start, end, "base64") for start, end, said in encoded_texts(line) if redact(said).count]
        line, count = _without(line, told), count + len(told)
    if count and "]\\" in line:
        line = _without_escaped_rest(line)
    return line, count


def _without_escaped_rest(line: str) -> str:
    """The line without further lines of a secret within it: `token: [REDACTED:jwt]\\n<the rest>`."""
    while (rest := ESCAPED_REST.search(line)) is not None and looks_random(rest["secret"]):
        line = line[: rest.start("secret")] + _placeholder("continued") + line[rest.end("secret") :]
    return line


def _without(line: str, spans: Sequence[tuple[int, int, str]]) -> str:
    """The line with placeholders in the place of spans, which ascend."""
    for start, end, kind in reversed(spans):
        line = line[:start] + _placeholder(kind) + line[end:]
    return line


def _replace(line: str, pattern: re.Pattern[str], kind: str) -> tuple[str, int]:
    count = 0

    def placeholder(match: re.Match[str]) -> str:
        nonlocal count
        start, end = _secret_span(match)
        if "[REDACTED:" in match.group()[start - match.start() : end - match.start()]:
            return match.group()
        count += 1
        return line[match.start() : start] + _placeholder(kind) + line[end : match.end()]

    return pattern.sub(placeholder, line), count


def _secret_span(match: re.Match[str]) -> tuple[int, int]:
    """Where the secret stands: a named group, else a group long enough to be one, else the whole match."""
    for name in match.re.groupindex:
        if match[name] is not None:
            return match.span(name)
    for group in range(1, match.re.groups + 1):
        if match[group] is not None and len(match[group]) >= 16:
            return match.span(group)
    return match.span()


def _redact_pairs(text: str) -> tuple[str, int]:
    spans = paired_secrets(text)
    return _without(text, [(start, end, "value") for start, end in spans]), len(spans)


def _redact_private_key(line: str, editor: _Editor, end: int) -> tuple[str, list[str], int]:
    """Replace the key that begins in `line`, which ends at byte `end`: its first line, its others, its new end."""
    begin, closing = PRIVATE_KEY_BEGIN.search(line), PRIVATE_KEY_END.search(line)
    at = begin.start() if begin else 0
    if closing is not None and closing.start() > at:
        return line[:at] + _placeholder("private_key") + line[closing.end() :], [], end
    following: list[str] = []
    while end < len(editor.data) and len(following) < MAX_KEY_LINES:
        text, after = editor.line(end + 1)
        closed = PRIVATE_KEY_END.search(text)
        if not closed and not KEY_BODY.fullmatch(text):
            break
        following.append(_placeholder("private_key"))
        end = after
        if closed:
            break
    return line[:at] + _placeholder("private_key"), following, end


def _key_above(editor: _Editor, start: int) -> tuple[int, int]:
    """Where the lines of a key begin whose last line begins at `start` and whose first is not there; how many."""
    lines = 0
    while start > editor.done and lines < MAX_KEY_LINES:
        text, begin = editor.line_before(start)
        if begin < editor.done or not KEY_LINE.fullmatch(text):
            break
        start, lines = begin, lines + 1
    return start, lines


def _looked_at(hits: Hits) -> dict[int, list[int]]:
    """The lines worth a look, by where they begin, each with the numbers of the rules that may find something."""
    lines: dict[int, list[int]] = {}
    for start, signal in zip(hits.start, hits.signal, strict=True):
        lines.setdefault(start, []).append(signal)
    return lines


def _placeholder(kind: str) -> str:
    return f"[REDACTED:{kind}]"


@cache
def _rules() -> tuple[Rule, ...]:
    return (*RULES, *library_rules())


@cache
def _signals() -> tuple[Signal, ...]:
    looks = [Signal(rule.kind, rule.look, rule.needles, "message", 0.0) for rule in _rules()]
    looks.append(Signal("keyed", KEYED_LOOK, KEYED_NEEDLES, "message", 0.0, caseless=True))
    looks.append(Signal("encoded", ENCODED_LOOK, ENCODED_NEEDLES, "message", 0.0))
    needles = (b"PRIVATE KEY", b"PuTTY-User-Key", b"Private-MAC")
    looks.append(Signal("private_key", PRIVATE_KEY_LOOK, needles, "message", 0.0))
    return tuple(looks)


@cache
def _slow() -> SlowScanner:
    return SlowScanner(_signals())


@cache
def _fast() -> FastScanner | None:
    try:
        return FastScanner(_signals())
    except ImportError:
        return None


_bytes_seen = 0


def _scanner(upcoming: int) -> Scanner:
    global _bytes_seen
    _bytes_seen += upcoming
    if _bytes_seen < WORTH_COMPILING_BYTES:
        return _slow()
    return _fast() or _slow()
