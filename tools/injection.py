"""Notices text that gives orders to whoever reads it with a model: prompt injection in logs, names and outputs.

A finding changes nothing by itself: log text never chooses an action. It is shown to the reviewer and lowers the
trust in a model's answer. The rules look for orders to an agent, for imitations of a conversation's markup or of
tool calls, and for ways to hide either (invisible characters, look-alike letters, encodings).
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import unquote

from tools.injection_rules import AGENT_WORDS, FIRST_ENCODED, FOREIGN, LETTERS, MARKUP, ORDERS, TRIGGERS, WEAK
from tools.log_reader.scan import FastScanner, Scanner, SlowScanner

Kind = Literal["order", "markup", "tool_call", "hidden", "encoded"]

#: Weak hints count together when they stand this close, in characters.
_NEAR = 250
_ENOUGH = 0.9
_MAX_FINDINGS = 20
_SHOWN = 200
#: Shorter texts are examined whole; longer ones where a trigger stands, in pieces of at most `_LONGEST`.
_SHORT = 2000
_LONGEST = 8000
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_SPACED = re.compile(r"(?<![A-Za-z])(?:[A-Za-z][ ._*-]){5,}[A-Za-z](?![A-Za-z])")
_SQUEEZED = re.compile(
    r"(?:ignore|disregard|forget)(?:all|any|the|your|every|of){0,3}(?:previous|prior|above|earlier|system)\w{0,20}(?:instruction|prompt|rule|directive)"
)
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,4000}={0,2}")
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){16,2000}(?![0-9a-fA-F])")
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|%[0-9a-fA-F]{2}|&#x?[0-9a-fA-F]{2,6};){6,}")
_LEET = str.maketrans("013457@$!|", "oieastasil")


@dataclass(frozen=True, slots=True)
class Finding:
    """One suspicious passage: where (line, from 1), what kind, how sure (0..1), and the passage itself, shortened."""

    kind: Kind
    line: int
    text: str
    score: float


def suspected(text: str) -> list[Finding]:
    """The passages of a text that look like orders to a model or an agent; empty for an ordinary text."""
    findings: dict[tuple[int, str], Finding] = {}
    for line, passage, only_encoded in _passages(text):
        for finding in _encoded(passage, line) if only_encoded else _examine(passage, line):
            findings.setdefault((finding.line, finding.kind), finding)
        if len(findings) >= _MAX_FINDINGS:
            break
    return sorted(findings.values(), key=lambda finding: (finding.line, -finding.score))


def _passages(text: str) -> Iterator[tuple[int, str, bool]]:
    """The parts of a text that are worth examining: first line, text, and whether only encodings matter in it."""
    if len(text) <= _SHORT:
        yield 1, text, False
        return
    hits = _scanner().scan(text.encode("utf-8", "surrogatepass"))
    encoded: dict[int, bool] = {}
    for line, signal in zip(hits.lines(hits.start), hits.signal, strict=True):
        encoded[line] = encoded.get(line, True) and signal in (FIRST_ENCODED, FIRST_ENCODED + 1)
    lines = text.split("\n")
    done = 0
    for line, only_encoded in encoded.items():
        if line < done:
            continue
        first = line if only_encoded else max(done, line - 1)
        done = line + (1 if only_encoded else 3)
        passage = "\n".join(lines[first:done])
        for start in range(0, len(passage), _LONGEST - 500):
            yield first + 1 + passage.count("\n", 0, start), passage[start : start + _LONGEST], only_encoded


@cache
def _scanner() -> Scanner:
    try:
        return FastScanner(TRIGGERS)
    except ImportError:
        return SlowScanner(TRIGGERS)


def _examine(passage: str, line: int) -> Iterator[Finding]:
    plain = _plain(passage)
    yield from _matches(plain, line, None)
    hidden = _unhidden(passage)
    if hidden != plain:
        yield from _matches(hidden, line, "hidden")
    if _SPACED.search(passage) and _SQUEEZED.search(re.sub(r"[^a-z]", "", passage.lower())):
        yield Finding("hidden", line, _shown(passage, 0), 0.9)
    tagged = "".join(chr(ord(c) - 0xE0000) for run in _TAGS.findall(passage) for c in run)
    if tagged:
        yield Finding("hidden", line, tagged[:_SHOWN], 1.0)
    yield from _encoded(passage, line)


def _encoded(passage: str, line: int) -> Iterator[Finding]:
    for decoded in _decoded(passage):
        yield from _matches(_plain(decoded), line, "encoded")


def _matches(text: str, line: int, kind: Kind | None) -> Iterator[Finding]:
    """Findings of the rules; `kind` replaces the rules' own where the text had to be uncovered first."""
    hints: list[tuple[int, float, str]] = []
    for rule_kind, score, pattern in (*ORDERS, *FOREIGN, *MARKUP):
        for match in pattern.finditer(text):
            number = line + text.count("\n", 0, match.start())
            yield Finding(kind or rule_kind, number, _shown(text, match.start()), score)
            break
    for score, pattern in WEAK:
        match = pattern.search(text)
        if match:
            hints.append((match.start(), score, pattern.pattern))
    close = [score for at, score, _ in hints if abs(at - hints[0][0]) <= _NEAR] if hints else []
    if sum(close) >= _ENOUGH and len(close) > 2 and AGENT_WORDS.search(text):
        at = min(at for at, _, _ in hints)
        yield Finding(kind or "order", line + text.count("\n", 0, at), _shown(text, at), min(0.9, sum(close)))


def _shown(text: str, at: int) -> str:
    start = max(text.rfind("\n", 0, at) + 1, at - 60)
    return " ".join(text[start : start + _SHOWN].split())


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _unhidden(text: str) -> str:
    """The text as a reader's eye or a model's tokenizer may take it: no invisible characters, plain letters."""
    bare = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text)).translate(LETTERS)
    bare = "".join(c for c in bare if not unicodedata.combining(c))
    bare = _SPACED.sub(lambda m: re.sub(r"[ ._*-]", "", m.group()), bare)
    return re.sub(
        r"\b(?=\w*[a-zA-Z])(?=\w*[013457@$!|])[\w@$!|]{4,}", lambda m: m.group().translate(_LEET), bare
    )


def _decoded(text: str) -> Iterator[str]:
    """What the encoded parts of a text say, where they say something readable."""
    for match in _BASE64.finditer(text):
        raw = match.group()
        padded = raw.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            yield from _readable(base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True))
        except (binascii.Error, ValueError):
            continue
    for match in _HEX.finditer(text):
        yield from _readable(bytes.fromhex(match.group()))
    for match in _ESCAPED.finditer(text):
        raw = match.group()
        if raw.startswith("\\"):
            yield re.sub(
                r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})", lambda m: chr(int(m[1] or m[2], 16)), raw
            )
    if "%" in text:
        yield from (unquote(part) for part in re.findall(r"\S*(?:%[0-9a-fA-F]{2}\S*){3,}", text))
    if "&#" in text or "&lt;" in text:
        yield html.unescape(text)
    if re.search(r"vtaber|qvfertneq|vafgehpgvba", text, re.IGNORECASE):
        yield codecs.decode(text, "rot13")


def _readable(data: bytes) -> Iterator[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    if len(text) >= 12 and sum(c.isprintable() or c.isspace() for c in text) >= 0.95 * len(text):
        yield text
