"""Regular expressions with a quick look first: most of the catalogue's patterns can't match most texts.

A pattern's literals are pieces of text of which every match holds at least one; looking for them in a lowered
text is some hundred times cheaper than the expression itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FLAGS = re.IGNORECASE | re.MULTILINE
_SHORTEST = 3
#: A code, such as ENOTFOUND: a word of its own and in capitals, or it would be found in FileNotFoundError.
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,}")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One expression, without regard to case, `^` and `$` at every line."""

    compiled: re.Pattern[str]
    literals: tuple[str, ...]

    @classmethod
    def of(cls, source: str) -> Pattern:
        """Compile `source` and find its literals. Only capitals, it is a code and means that very word."""
        if _CODE.fullmatch(source):
            return cls(re.compile(rf"\b{source}\b"), (source.lower(),))
        found = _literals(source)
        return cls(re.compile(source, _FLAGS), tuple(sorted(found)) if found else ())

    def search(self, text: str, lowered: str) -> re.Match[str] | None:
        """The first match in `text`, of which `lowered` is the lower case."""
        if self.literals and not any(literal in lowered for literal in self.literals):
            return None
        return self.compiled.search(text)


def any_match(patterns: Sequence[Pattern], text: str, lowered: str) -> bool:
    """Whether any of the patterns matches."""
    return any(pattern.search(text, lowered) for pattern in patterns)


def _literals(source: str) -> set[str] | None:
    """Lower-case literals of which every match of `source` holds one, or None when that can't be said."""
    out: set[str] = set()
    for branch in _branches(source):
        found = _of_branch(branch)
        if not found:
            return None
        out |= found
    return out


def _branches(source: str) -> list[str]:
    """The alternatives of an expression at its top level."""
    bars = [at for at, char, depth in _structure(source, 0) if char == "|" and depth == 0]
    starts, ends = [0, *(at + 1 for at in bars)], [*bars, len(source)]
    return [source[start:end] for start, end in zip(starts, ends, strict=True)]


def _of_branch(branch: str) -> set[str] | None:
    """The longest run of plain characters of one alternative, else the literals of a group it must pass."""
    runs, run, groups, at = [], "", [], 0
    while at < len(branch):
        char = branch[at]
        after = branch[at + 1 : at + 2]
        if char == "(":
            end = _group_end(branch, at)
            if branch[end + 1 : end + 2] not in ("?", "*", "{") and not branch.startswith(("(?!", "(?<"), at):
                groups.append(re.sub(r"^\?(?::|P<\w+>|[aiLmsux]+\))?", "", branch[at + 1 : end]))
            runs.append(run)
            run, at = "", end
        elif char == "[":
            runs.append(run)
            run, at = "", _class_end(branch, at)
        elif char == "\\":
            plain = after if not (after.isalnum()) else ""
            run, runs = (run + plain, runs) if plain else ("", [*runs, run])
            at += 1
        elif char in "?*{":
            runs.append(run[:-1])
            run = ""
            if char == "{":
                at = branch.find("}", at)
        elif char in ".^$+":
            runs.append(run)
            run = ""
        else:
            run += char
        at += 1
    best = max([*runs, run], key=len).lower()
    if len(best) >= _SHORTEST:
        return {best}
    inner = [found for group in groups if (found := _literals(group))]
    return max(inner, key=lambda found: min(map(len, found)), default=None)


def _class_end(source: str, at: int) -> int:
    """The index of the bracket that closes the character class opened at `at`."""
    at += 1
    if source[at : at + 1] == "^":
        at += 1
    if source[at : at + 1] == "]":
        at += 1
    while at < len(source) and source[at] != "]":
        at += 2 if source[at] == "\\" else 1
    return at


def _group_end(source: str, at: int) -> int:
    """The index of the parenthesis that closes the group opened at `at`."""
    closing = (i for i, char, depth in _structure(source, at) if char == ")" and depth == 0)
    return next(closing, len(source))


def _structure(source: str, at: int) -> Iterator[tuple[int, str, int]]:
    """Each character from `at` on with its index and the depth of groups behind it; no escapes, no classes."""
    depth = 0
    while at < len(source):
        char = source[at]
        if char == "\\":
            at += 1
        elif char == "[":
            at = _class_end(source, at)
        else:
            depth += (char == "(") - (char == ")")
            yield at, char, depth
        at += 1
