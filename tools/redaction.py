"""Takes secrets out of texts before anything is stored, sent or printed.

The number of lines stays the same and a placeholder says what kind of secret stood there, so that a diagnosis of
the redacted text still works: `password=[REDACTED:password]`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tools.log_reader.scan import WORTH_COMPILING_BYTES, FastScanner, Hits, Scanner, SlowScanner
from tools.log_reader.signals import Signal
from tools.secret_rules import (
    KEY_AFTER,
    KEY_AFTER_OPEN,
    KEY_CHARS,
    KEY_WORD,
    KEYED_LOOK,
    KEYED_NEEDLES,
    MAX_KEY_CHARS,
    PRIVATE_KEY_BEGIN,
    PRIVATE_KEY_END,
    RULES,
    VALUE_REST,
    VALUE_STOP,
    Rule,
    is_secret,
    library_rules,
)

_MAX_KEY_LINES = 200
#: A line within a private key: base64, or a header such as `Proc-Type: 4,ENCRYPTED`.
_KEY_BODY = re.compile(
    r"[\s>|+\"']*(?:[A-Za-z0-9+/=]{1,200}(?:\\n)?|[A-Z][\w-]{2,30}: .{0,100})?[\s,\"';\\]*"
)
_SECRET_NAME = re.compile(r"[^A-Za-z0-9]+")


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
    data = text.encode("utf-8", "surrogatepass")
    pieces: list[bytes] = []
    done = count = 0
    for start, signals in _looked_at(_scanner(len(data)).scan(data)).items():
        if start < done:
            continue
        end = _line_end(data, start)
        line = data[start:end].decode("utf-8", "surrogatepass")
        keys = 0
        if PRIVATE_KEY_BEGIN.search(line):
            line, end, keys = _redact_private_key(line, data, end)
        first, *rest = line.split("\n")
        first, found = _redact_line(first, signals)
        if found + keys:
            pieces += [data[done:start], "\n".join([first, *rest]).encode("utf-8", "surrogatepass")]
            done = end
            count += found + keys
    if not count:
        return Redacted(text, 0)
    return Redacted(b"".join([*pieces, data[done:]]).decode("utf-8", "surrogatepass"), count)


def _looked_at(hits: Hits) -> dict[int, list[int]]:
    """The lines worth a look, by where they begin, each with the numbers of the rules that may find something."""
    lines: dict[int, list[int]] = {}
    for start, signal in zip(hits.start, hits.signal, strict=True):
        lines.setdefault(start, []).append(signal)
    return lines


def _line_end(data: bytes, start: int) -> int:
    end = data.find(b"\n", start)
    return len(data) if end < 0 else end


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
        kind = _kind_of_key(name, item) if isinstance(item, str) and isinstance(name, str) else None
        redacted = RedactedValue(_placeholder(kind), 1) if kind else redact_json(item)
        out[key] = redacted.value
        count += redacted.count
    return RedactedValue(out, count)


def _redact_line(line: str, signals: Sequence[int]) -> tuple[str, int]:
    """Apply the rules of these numbers; the one after the last rule stands for keys named like secrets."""
    rules = _rules()
    count = 0
    for number in signals:
        if number < len(rules):
            for pattern in rules[number].find:
                line, found = _replace(line, pattern, rules[number].kind)
                count += found
    if len(rules) in signals:
        line, keyed = _redact_keyed(line)
        count += keyed
    return line, count


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


def _redact_keyed(line: str) -> tuple[str, int]:
    """Replace the values of keys named like secrets, going through the line once."""
    pieces: list[str] = []
    done = count = 0
    word = KEY_WORD.search(line)
    while word is not None:
        span = _keyed_secret(line, word)
        if span is not None and span[0] >= done:
            pieces += [line[done : span[0]], _placeholder(_kind(word.group()))]
            done = span[1]
            count += 1
        word = KEY_WORD.search(line, max(word.end(), done))
    return ("".join([*pieces, line[done:]]), count) if count else (line, 0)


def _keyed_secret(line: str, word: re.Match[str]) -> tuple[int, int] | None:
    """Where the value of the key around `word` stands, if it is a secret."""
    name = line[max(0, word.start() - MAX_KEY_CHARS) : word.start()]
    outside = name.rstrip(KEY_CHARS)
    lead = name[len(outside) :]
    opening = "-" if lead[:1] == "-" else outside[-1:]
    after = KEY_AFTER.match(line, word.end())
    if after is None and opening in KEY_AFTER_OPEN:
        after = KEY_AFTER_OPEN[opening].match(line, word.end())
    if after is None:
        return None
    if word["weak"] and not any(
        map(str.isdigit, line[after.end("separator") : after.end("separator") + 200])
    ):
        return None
    start, end, bare = _value_span(line, after)
    key = lead.lstrip("-") + word.group() + after["rest"]
    strong = word["strong"] is not None or (opening in ("-", "<") and after["separator"][:1] in " \t>")
    spaced = (
        ":" in after["separator"]
        and after["separator"].endswith(" ")
        and not _begins_line(line, word.start() - len(lead))
    )
    value = line[start:end]
    if "[REDACTED:" in value or not is_secret(key, strong, value, bare=bare, spaced_colon=spaced):
        return None
    return start, end


def _value_span(line: str, after: re.Match[str]) -> tuple[int, int, bool]:
    """Where a key's value begins and ends, and whether it has neither quotes nor braces."""
    groups = after.groupdict()
    for name in ("quoted", "braced"):
        if groups.get(name) is not None:
            return *after.span(name), False
    start, end = after.span("bare")
    stop = VALUE_STOP.search(line, start, end + 1)
    if stop is not None and stop.start() < end:
        return start, stop.start(), True
    if end - start >= 500:
        rest = VALUE_REST.match(line, end)
        end = rest.end() if rest else end
    return start, end, True


def _begins_line(line: str, at: int) -> bool:
    """Whether a key stands where YAML, properties and printed settings have it."""
    return not line[:at].strip(" \t-{[(\"'\\,") or line[:at].rstrip()[-1:] in "{[(,\"'"


def _redact_private_key(line: str, data: bytes, end: int) -> tuple[str, int, int]:
    """Replace the key that begins in `line`, which ends at byte `end`.

    Returns:
        The text without the key (as many lines as before), where it ends in `data`, and 1.
    """
    begin = PRIVATE_KEY_BEGIN.search(line)
    closing = PRIVATE_KEY_END.search(line)
    if begin is None:
        return line, end, 0
    if closing is not None and closing.start() > begin.start():
        return line[: begin.start()] + _placeholder("private_key") + line[closing.end() :], end, 1
    lines = 1
    while end < len(data) and lines < _MAX_KEY_LINES:
        following = _line_end(data, end + 1)
        text = data[end + 1 : following].decode("utf-8", "replace")
        closed = PRIVATE_KEY_END.search(text)
        if not closed and not _KEY_BODY.fullmatch(text):
            break
        end = following
        lines += 1
        if closed:
            break
    return line[: begin.start()] + "\n".join([_placeholder("private_key")] * lines), end, 1


def _kind_of_key(name: str, value: str) -> str | None:
    """The kind of secret that the value of a JSON key is, or None."""
    words = list(KEY_WORD.finditer(name[:MAX_KEY_CHARS]))
    for word in words:
        if is_secret(name, word["strong"] is not None, value, bare=False, spaced_colon=False):
            return _kind(word.group())
    return None


def _kind(name: str) -> str:
    return _SECRET_NAME.sub("_", name).strip("_").lower()


def _placeholder(kind: str) -> str:
    return f"[REDACTED:{kind}]"


@cache
def _rules() -> tuple[Rule, ...]:
    return (*RULES, *library_rules())


@cache
def _signals() -> tuple[Signal, ...]:
    looks = [Signal(rule.kind, rule.look, rule.needles, "message", 0.0) for rule in _rules()]
    looks.append(Signal("keyed", KEYED_LOOK, KEYED_NEEDLES, "message", 0.0, caseless=True))
    looks.append(
        Signal(
            "private_key",
            rb"(BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|PuTTY-User-Key)",
            (b"PRIVATE KEY", b"PuTTY-User-Key"),
            "message",
            0.0,
        )
    )
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
