"""Answers made from a passage by rule: faithful ones (copied, joined, shortened) and unfaithful ones.

The unfaithful ones err as summarizers do (Pagnoni et al. 2021, FRANK): another name, another number, a denial, the
opposite word, two sentences spliced into a relation that never was, something from nowhere.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from tools.triad.lexicon import lexicon
from tools.triad.words import sentences

_NAME = re.compile(r"(?<=[a-z,] )(?:[A-Z][a-zé]+)(?: [A-Z][a-zé]+)?")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w.]*\w)")
_VERB = re.compile(
    r"\b(?:is|was|are|were|has|had|have|will|can|may|said|[a-z]{3,}ed|won|took|ran|rose|fell|began)\b"
)
_DENY = re.compile(r"\b(is|was|are|were|will|can|may|must|should|could|would|had|has|have)\b(?! not)")
_DENIED = re.compile(r"\b(not |no longer |never )")
_TURN: dict[str, list[str]] = {}
for _left, _right in lexicon().opposites:
    _TURN.setdefault(_left, []).append(_right)
    _TURN.setdefault(_right, []).append(_left)

Answer = tuple[str, bool, str]


def faithful(text: str) -> Iterator[Answer]:
    """(answer, True, how) made from the passage alone."""
    rows = sentences(text)
    for row in rows:
        yield row, True, "copied"
        if (short := _shortened(row)) is not None:
            yield short, True, "shortened"
    for left, right in zip(rows, rows[2:], strict=False):
        yield f"{left} {right}", True, "joined"


def unfaithful(
    text: str, written: Sequence[str], foreign: Sequence[str], rng: random.Random
) -> Iterator[Answer]:
    """(answer, False, how) made from the passage's sentences and its written faithful answers."""
    rows = [*sentences(text)[::3], *written]
    names, numbers = _NAME.findall(text), _NUMBER.findall(text)
    strangers = [name for other in foreign for name in _NAME.findall(other)]
    for row in rows:
        yield from _changed(_swapped(row, _NAME, names, rng), row, "name of the passage")
        yield from _changed(_swapped(row, _NAME, strangers, rng), row, "strange name")
        yield from _changed(_swapped(row, _NUMBER, numbers, rng), row, "number of the passage")
        yield from _changed(_swapped(row, _NUMBER, [str(rng.randint(2, 90))], rng), row, "strange number")
        yield from _changed(_denied(row), row, "denial")
        yield from _changed(_turned(row, rng), row, "opposite")
    own = sentences(text)
    for left in own:
        right = rng.choice(own)
        if right != left and (spliced := _spliced(left, right)) is not None:
            yield spliced, False, "spliced"
    for row in own[::3]:
        other = rng.choice(sentences(rng.choice(list(foreign))))
        yield other, False, "from nowhere"
        yield f"{row.rstrip('.')}, and {other[0].lower()}{other[1:]}", False, "half from nowhere"


def _changed(new: str | None, old: str, how: str) -> Iterator[Answer]:
    if new is not None and new != old:
        yield new, False, how


def _shortened(row: str) -> str | None:
    for pattern in (r", (?:who|which|whose|where|while|although|because|since|after|but|and)\b.*$", r"; .*$"):
        short = re.sub(pattern, ".", row)
        if short != row and len(short.split()) > 4:
            return short
    short = re.sub(
        r"^(?:In|On|At|After|From|By|With|Since|Today|Last)\b[^,]*, (\w)", lambda m: m[1].upper(), row
    )
    return short if short != row and len(short.split()) > 4 else None


def _swapped(row: str, what: re.Pattern[str], others: Sequence[str], rng: random.Random) -> str | None:
    here = list(what.finditer(row))
    others = [other for other in others if all(other not in m[0] and m[0] not in other for m in here)]
    if not here or not others:
        return None
    match = rng.choice(here)
    return row[: match.start()] + rng.choice(others) + row[match.end() :]


def _denied(row: str) -> str | None:
    if (match := _DENIED.search(row)) is not None:
        return row[: match.start()] + row[match.end() :]
    return _DENY.sub(r"\1 not", row, count=1)


def _turned(row: str, rng: random.Random) -> str | None:
    words = [match for match in re.finditer(r"[A-Za-z]+", row) if match[0].lower() in _TURN]
    if not words:
        return None
    match = rng.choice(words)
    return row[: match.start()] + rng.choice(_TURN[match[0].lower()]) + row[match.end() :]


def _spliced(left: str, right: str) -> str | None:
    head, tail = _VERB.search(left), _VERB.search(right)
    if head is None or tail is None or head.start() < 4 or len(right) - tail.start() < 15:
        return None
    return left[: head.start()] + right[tail.start() :]
