"""What a place in a log holds if an order may stand there: patterns for hyperscan, which reads all of them in one pass.

A rule's own pattern is its trigger, so that an ordinary log, which no rule matches, costs one fast pass and nothing
else. What was made unreadable is triggered by its outer form (invisible characters, mixed alphabets), or by how
telling words look once encoded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

from tools.base64_forms import base64_forms
from tools.injection_disguises import FOREIGN, MARKUP, TELLING
from tools.injection_rules import HINTS, ORDERS, TELLING_GROUPS

#: What a trigger tells of: a rule, hints of one line, or something encoded.
Kind = Literal["rule", "hint", "encoded"]


class Trigger(NamedTuple):
    """A pattern over bytes."""

    pattern: bytes
    caseless: bool = True
    kind: Kind = "rule"


@cache
def triggers() -> tuple[Trigger, ...]:
    """All triggers: the rules', the weak hints', and those of hidden and encoded text."""
    found = [_of_rule(pattern) for _, _, pattern in (*ORDERS, *FOREIGN, *MARKUP)]
    found += [_of_rule(hint.pattern)._replace(kind="hint") for hint in HINTS if hint.group in TELLING_GROUPS]
    return (*found, *_HIDDEN, *_encoded())


_HIDDEN = (
    # Zero-width and other invisible characters, tag characters, and those that turn text around.
    Trigger(
        rb"\xe2\x80[\x8b-\x8f\xaa-\xae]|\xe2\x81[\xa0-\xaf]|\xc2\xad|\xcd\x8f|\xe1\x85[\x9f\xa0]|\xf3\xa0[\x80-\x87]",
        caseless=False,
    ),
    # Words of Latin and Cyrillic or Greek letters; full-width and mathematical letters.
    Trigger(rb"[A-Za-z]{2}[\xce-\xd3][\x80-\xbf]|[\xce-\xd3][\x80-\xbf][A-Za-z]{2}", caseless=False),
    Trigger(
        rb"(\xef\xbc[\xa1-\xba]|\xef\xbd[\x81-\x9a]){3}|(\xf0\x9d[\x90-\x9f][\x80-\xbf]){3}", caseless=False
    ),
    Trigger(rb"(^|[^A-Za-z])([A-Za-z][ ._*-]){6}"),
    Trigger(rb"1gn[o0]r|ign0r|pr3v|prev[1i]0|1nstr|[1i]nstruct[1i]0|syst3m|d[i1]sr3g|4ppr0v|appr0v"),
)
_UNREADABLE = (
    rb"(\\u00[0-9a-f]{2}){5}",
    rb"(\\x[2-7][0-9a-f]){5}",
    rb"(%[4-7][0-9a-f]){5}",
    rb"(&#x?[0-9a-f]{2,4};){5}",
    rb"&lt;/?(\||system|assistant|instruction|evidence|tool_call|untrusted)",
    rb"(you|ignore|disregard|all|must|please|agent|approve)(%20|\+)(all|any|the|previous|prior|retry|now|must|this|approve)(%20|\+)",
)


def _encoded() -> Iterator[Trigger]:
    for pattern in _UNREADABLE:
        yield Trigger(pattern, kind="encoded")
    words = sorted({form for word in TELLING for form in (word, word.capitalize(), word.upper())})
    inside = sorted({form for word in words for form in base64_forms(word)})
    for start in range(0, len(inside), 40):
        yield Trigger(
            "|".join(map(re.escape, inside[start : start + 40])).encode(), caseless=False, kind="encoded"
        )
    plain = sorted({word.encode().hex() for word in words})
    yield Trigger("|".join(plain).encode(), kind="encoded")
    yield Trigger(
        "|".join(sorted({codecs.encode(word, "rot13") for word in TELLING})).encode(), kind="encoded"
    )


def _of_rule(pattern: re.Pattern[str]) -> Trigger:
    """A pattern that matches wherever the rule's does, as bytes; it may match elsewhere too."""
    # A rule may say by `(?#)` that what stands before is telling enough: a long pattern takes long to compile.
    text = pattern.pattern.partition("(?#)")[0]
    caseless = bool(pattern.flags & re.IGNORECASE)
    # Within a line any distance will do: counting is what costs.
    text = re.sub(r"\[\^\\n\]\{0,\d+\}\??", r"[^\\n]*", text)
    text = _without_lookaround(text)
    text = re.sub(r"\\u([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), text)
    if not text.isascii():
        text = text.replace(r"\b", "")  # which knows letters of ASCII alone
        # Distances are in characters, of up to three bytes.
        text = re.sub(r"\{0,(\d+)\}", lambda m: f"{{0,{3 * int(m[1])}}}", text)
        text = re.sub(r"[^\x00-\x7f]", lambda m: _either_case(m.group(), caseless), text)
    return Trigger(text.encode(), caseless)


def _without_lookaround(text: str) -> str:
    """A pattern without what it only looks at, before or after; hyperscan can't."""
    while (found := re.search(r"\(\?<?[=!]", text)) is not None:
        depth, end = 0, found.start()
        for piece in re.finditer(r"\\.|\[(?:\\.|[^\]\\])*\]|[()]", text[found.start() :]):
            depth += {"(": 1, ")": -1}.get(piece.group(), 0)
            if not depth:
                end = found.start() + piece.end()
                break
        text = text[: found.start()] + text[end:]
    return text


def _either_case(letter: str, caseless: bool) -> str:
    cases = sorted({letter.lower(), letter.upper()}) if caseless else [letter]
    return f"(?:{'|'.join(cases)})"
