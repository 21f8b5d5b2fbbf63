"""What an answer claims: its sentences, without what models say around them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from tools.triad.words import sentences

_MATERIAL = r"(?:the )?(?:given |provided |above |retrieved )?(?:passages?|contexts?|information|articles?|texts?|sources?|data|documents?)"
#: "Sure! Here is a summary in 40 words:", "I hope this helps."
_FRAME = re.compile(
    r"\W*(?:sure|certainly|of course|okay|ok|absolutely|great question|good question|you're welcome)\W*"
    r"|(?:\w+[!,.]\s+)?here(?:'s|’s| is| are)\b[^.]*:"
    r"|(?:summary|answer|overview|response|steps|note)\W*"
    r"|(?:i hope (?:this|that|it)|let me know|please let me know|feel free)\b.*"
    rf"|(?:based on|according to) {_MATERIAL}\b[^.,]*:"
    r"|\W*\d{0,2}\W*",
    re.IGNORECASE | re.DOTALL,
)
#: "According to the passage, ", "Based on the information provided, "
_LEAD = re.compile(
    rf"(?:based on|according to|as per) {_MATERIAL}(?: \d+)?(?: (?:provided|given|above))?,\s*", re.IGNORECASE
)
_MARK = re.compile(
    r"^(?:[-*•–]|\d{1,2}[.)])\s+|\s*\[\d{1,2}\]|\s*\((?:passages?|sources?)\s[^)]{1,20}\)", re.IGNORECASE
)
#: A sentence that says no more than that the contexts don't.
_DECLINES = re.compile(
    r"\bunable to (?:answer|determine|provide)|\bnot enough (?:information|context)|\bi (?:do not|don't|don’t) know\b"
    r"|\b(?:is|are|was|were) not (?:mentioned|provided|specified|stated|given|clear from)\b"
    r"|\b(?:cannot|can't|can not) (?:be (?:determined|answered)|answer|determine)\b|\bno (?:information|mention) (?:about|on|of|is)\b"
    rf"|\b{_MATERIAL} (?:does|do)(?: not|n't|n’t) (?:mention|provide|specify|state|contain|say|give|include)\b",
    re.IGNORECASE,
)


def claims(answer: str) -> list[str]:
    """The sentences of an answer that claim something, without list marks and references."""
    found = []
    for sentence in sentences(answer):
        plain = _LEAD.sub("", _MARK.sub("", sentence).strip(), count=1).strip()
        if plain and not _FRAME.fullmatch(plain) and not declines(plain):
            found.append(plain)
    return found


def declines(text: str) -> bool:
    """Whether a text says that the contexts don't tell."""
    return _DECLINES.search(text) is not None


def as_lines(context: str) -> str:
    """A record in JSON (or as Python prints it) as lines of `key: value`, any other text as it is."""
    if not context.lstrip().startswith(("{", "[{")):
        return context
    for parse in (json.loads, ast.literal_eval):
        try:
            record = parse(context)
            if isinstance(record, dict | list):
                return "\n".join(_lines(record, ()))
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return context


def _lines(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, (*path[-1:], _spaced(str(key))))
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(inner, path)
    elif value is not None:
        said = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
        yield f"{' '.join(path)}: {said}" if path else said


def _spaced(key: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", key)
