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
from typing import Literal
from urllib.parse import unquote

from tools.injection_disguises import FOREIGN, LETTERS, MARKUP
from tools.injection_rules import ENOUGH, GROUPS, HINTS, ORDERS
from tools.injection_scan import Place, places, worth_compiling

Kind = Literal["order", "markup", "tool_call", "hidden", "encoded"]

#: Hints count together when they stand within so many characters of one line.
_NEAR = 240
_MAX_FINDINGS = 20
_SHOWN = 200
#: While scanning does not pay, sources are examined whole in pieces of so many bytes.
_PIECE = 4000
#: So much of a source, in bytes, is collected before it is scanned.
_BLOCK = 1 << 20
#: The end of a block that is scanned again with the next: what begins in one block may end in the other.
_OVERLAP = 1000
#: So many different places of one source are examined; a log of nothing else need not be read to its end.
_MAX_PLACES = 20_000
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e01ef]"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
_SPACED = re.compile(r"(?<![A-Za-z])(?:[A-Za-z][ ._*-]{1,3}){5,}[A-Za-z](?![A-Za-z])")
_SQUEEZED = re.compile(
    r"(?:ignore|disregard|forget)(?:all|any|the|your|every|of|previous|prior|above|earlier|system){0,5}(?:instruction|prompt|rule|directive|polic)"
)
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,8000}={0,2}")
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}){16,4000}(?![0-9a-fA-F])")
_ESCAPED = re.compile(r"(?:\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}){6,}")
_PERCENT = re.compile(r"[^\s%]{0,200}(?:%[0-9a-fA-F]{2}[^\s%]{0,200}){3,400}")
_PLUS = re.compile(r"(?:[A-Za-z,.]{1,20}\+){3,40}[A-Za-z]{1,20}")
_DIGITS = re.compile(r"\d+")
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
    watch = Watch()
    watch.feed(text.encode("utf-8", "surrogatepass"))
    return watch.finish()


class Watch:
    """Looks for orders in a source as it streams by: every byte of it, in bounded memory."""

    def __init__(self) -> None:
        self._findings: dict[tuple[int, str], Finding] = {}
        self._examined: set[int] = set()
        self._block = bytearray()
        self._line = 1

    def feed(self, data: bytes) -> None:
        """The next bytes of the source: text in UTF-8, cut anywhere."""
        if len(self._findings) >= _MAX_FINDINGS:
            return
        self._block += data
        if len(self._block) >= _BLOCK:
            self._scan(keep=_OVERLAP)

    def finish(self) -> list[Finding]:
        """What was found, in order. The source has ended."""
        if self._block and len(self._findings) < _MAX_FINDINGS:
            self._scan(keep=0)
        self._block.clear()
        return sorted(self._findings.values(), key=lambda found: (found.line, -found.score))[:_MAX_FINDINGS]

    def _scan(self, keep: int) -> None:
        data = bytes(self._block)
        for place in places(data) if worth_compiling(len(data)) else _pieces(data):
            self._examine_place(data, place)
            if len(self._findings) >= _MAX_FINDINGS:
                break
        begin = len(data) - keep if keep else len(data)
        self._line += data.count(b"\n", 0, begin)
        self._block = bytearray(data[begin:])

    def _examine_place(self, data: bytes, place: Place) -> None:
        passage = data[place.start : place.end].decode("utf-8", "replace")
        key = hash((passage if place.kind == "encoded" else _DIGITS.sub("0", passage), place.kind))
        if key in self._examined or len(self._examined) >= _MAX_PLACES:
            return
        self._examined.add(key)
        line = self._line + data.count(b"\n", 0, place.start)
        for finding in _EXAMINE[place.kind](passage, line):
            self._findings.setdefault((finding.line, finding.kind), finding)


def _pieces(data: bytes) -> Iterator[Place]:
    """All of a short source, in pieces that overlap."""
    start = 0
    while start < len(data):
        end = start + _PIECE
        end = data.rfind(b"\n", start + _PIECE // 2, end) + 1 or end
        yield Place(start, min(end, len(data)), "rule")
        if end >= len(data):
            return
        start = max(start + 1, data.rfind(b"\n", start, end - _OVERLAP // 2) + 1, end - _OVERLAP)


def _examine(passage: str, line: int) -> Iterator[Finding]:
    plain = _plain(passage)
    yield from _matches(plain, line, None)
    hidden = _unhidden(passage)
    if hidden != plain:
        yield from _matches(hidden, line, "hidden")
    for number, said in enumerate(passage.split("\n"), line):
        if _SPACED.search(said) and _SQUEEZED.search(re.sub(r"[^a-z]", "", said.lower())):
            yield Finding("hidden", number, _shown(said, 0), 0.9)
    tagged = "".join(chr(ord(c) - 0xE0000) for run in _TAGS.findall(passage) for c in run)
    if tagged:
        yield Finding("hidden", line, tagged[:_SHOWN], 1.0)
    yield from _encoded(passage, line)


def _encoded(passage: str, line: int) -> Iterator[Finding]:
    for at, decoded in _decoded(passage):
        yield from _matches(_plain(decoded), line + passage.count("\n", 0, at), "encoded")


def _matches(text: str, line: int, kind: Kind | None) -> Iterator[Finding]:
    """Findings of the rules; `kind` replaces the rules' own where the text had to be uncovered first."""
    for rule_kind, score, pattern in (*ORDERS, *FOREIGN, *MARKUP):
        match = pattern.search(text)
        if match:
            number = line + text.count("\n", 0, match.start())
            yield Finding(kind or rule_kind, number, _shown(text, match.start()), score)
    yield from _hints(text, line, kind)


def _hints(text: str, line: int, kind: Kind | None = None) -> Iterator[Finding]:
    """Sentences that no rule knows, but with enough hints of an order."""
    for number, said in enumerate(text.split("\n"), line):
        for start in range(0, max(1, len(said) - _NEAR // 2), _NEAR // 2):
            part = said[start : start + _NEAR]
            best: dict[str, float] = {}
            for hint in HINTS:
                if hint.score > best.get(hint.group, 0.0) and hint.pattern.search(part):
                    best[hint.group] = hint.score
            score = sum(best.values())
            if len(best) >= GROUPS and score >= ENOUGH:
                yield Finding(kind or "order", number, _shown(part, 0), min(0.9, score))
                break


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
        r"\b(?=\w*[a-zA-Z])(?=\w*[013457@$!|])[\w@$!|]{3,}", lambda m: m.group().translate(_LEET), bare
    )


def _decoded(text: str) -> Iterator[tuple[int, str]]:
    """What the encoded parts of a text say, where they say something readable; each with where it stands."""
    for match in _BASE64.finditer(text):
        raw = match.group()
        padded = raw.replace("-", "+").replace("_", "/").rstrip("=")
        try:
            decoded = base64.b64decode(padded[: len(padded) - (len(padded) % 4 == 1)] + "==", validate=False)
        except (binascii.Error, ValueError):
            continue
        yield from ((match.start(), said) for said in _readable(decoded))
    for match in _HEX.finditer(text):
        yield from ((match.start(), said) for said in _readable(bytes.fromhex(match.group())))
    for match in _ESCAPED.finditer(text):
        letter = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
        yield match.start(), letter.sub(lambda m: chr(int(m[1] or m[2], 16)), match.group())
    if "%" in text:
        yield from ((m.start(), unquote(m.group())) for m in _PERCENT.finditer(text))
    if "+" in text:
        yield from ((m.start(), m.group().replace("+", " ")) for m in _PLUS.finditer(text))
    if "&#" in text or "&lt;" in text:
        yield 0, html.unescape(text)
    if re.search(r"vtaber|qvfertneq|vafgehpgvba|nccebir|cerivbhf", text, re.IGNORECASE):
        yield 0, codecs.decode(text, "rot13")


def _readable(data: bytes) -> Iterator[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    if len(text) >= 12 and sum(c.isprintable() or c.isspace() for c in text) >= 0.95 * len(text):
        yield text


_EXAMINE = {"rule": _examine, "hint": _hints, "encoded": _encoded}
