"""Reading plain text for the triad: sentences, tokens, stems, numbers, names and identifiers. No model, no data set."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from tools.triad.lexicon import lexicon

Kind = Literal["word", "number", "identifier"]

_SENTENCE = re.compile(r"(?<=[.!?;])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9`\[])|\n+|(?<=[。！？])|(?<=\w)\s*[•·]\s*")
#: Of a text without any capital.
_SENTENCE_LOWER = re.compile(r"(?<=[.!?;])[\"')\]]*\s+(?=[\"'(\[]*\w)|\n+|(?<=\w)\s*[•·]\s*")
_ABBREVIATION = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|St|Sgt|Gen|Lt|Col|Prof|Sen|Rep|Gov|No|vs|Inc|Ltd|Co|Jr|Sr|e\.g|i\.e|approx|"
    r"[A-Z]|[A-Z]\.[A-Z])\.$"
)
_ABBREVIATION_LOWER = re.compile(
    r"\b(?:mr|mrs|ms|dr|st|sgt|gen|lt|col|prof|sen|rep|gov|vs|inc|ltd|jr|sr|e\.g|i\.e|approx|[a-z]|[a-z]\.[a-z])\.$"
)
_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+(?:[.,]\d+)*|[^\W\d_]+")
_RAW = re.compile(
    # Scripts without spaces go by the character.
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
    r"|[$£€]?\d+(?:[.,]\d+)*(?:%|(?:st|nd|rd|th|bn|[kKmMbBgG][bB]?)\b)?"
    r"|[^\W\d_][\w]*(?:(?:['’./:-]|\(\)\.)\w+)*"
    r"|_+\w+",
)
_JOINED = re.compile(r"[_./:()\\]|\d")
_CAMEL = re.compile(r"[a-z][A-Z]|[A-Z]{2,}[a-z]")

_SCALE = {"k": 1e3, "m": 1e6, "b": 1e9, "bn": 1e9, "g": 1e9, "kb": 1e3, "mb": 1e6, "gb": 1e9}


@dataclass(frozen=True)
class Token:
    """One token: as written, its stem (a number's canonical value), what it is, and whether it carries meaning."""

    text: str
    stem: str
    kind: Kind
    #: Written with a capital where no sentence begins: a name, as far as one can tell.
    name: bool = False
    #: Cut from an identifier.
    part: bool = False

    @property
    def content(self) -> bool:
        """Whether it says something by itself."""
        return self.kind != "word" or self.text.lower() not in lexicon().stop


def sentences(text: str) -> list[str]:
    """Sentences, list items and lines of a text, in order, none empty."""
    lower = text.islower()
    ends, abbreviation = (_SENTENCE_LOWER, _ABBREVIATION_LOWER) if lower else (_SENTENCE, _ABBREVIATION)
    found: list[list[str]] = []
    for part in (piece.strip() for piece in ends.split(text) if piece and piece.strip()):
        # An abbreviation is short: looking at the end alone keeps this linear.
        if found and abbreviation.search(found[-1][-1][-12:]):
            found[-1].append(part)
        else:
            found.append([part])
    return [" ".join(parts) for parts in found]


def tokens(sentence: str) -> list[Token]:
    """The tokens of one sentence; an identifier gives itself and then its parts."""
    found: list[Token] = []
    for number, match in enumerate(_RAW.finditer(sentence)):
        raw = match[0]
        if raw[0].isdigit() or raw[0] in "$£€":
            found.append(Token(raw, number_value(raw), "number"))
        elif _identifier(raw):
            found.append(Token(raw, raw.lower(), "identifier"))
            pieces = (_word(piece, name=False) for piece in _PIECE.findall(raw) if len(piece) > 1)
            found.extend(replace(piece, part=True) for piece in pieces)
        else:
            found.extend(_plain(raw, first=number == 0))
    return found


def _plain(raw: str, *, first: bool) -> list[Token]:
    pieces = re.split(r"[-:/.]", re.sub(r"['’]s\b", "", raw))
    return [
        _word(piece, name=piece[0].isupper() and not (first and i == 0))
        for i, piece in enumerate(pieces)
        if piece
    ]


def _word(text: str, *, name: bool) -> Token:
    lower = text.lower().replace("’", "'")
    if lower in lexicon().numbers and not name:
        return Token(text, lexicon().numbers[lower], "number")
    if lower[0].isdigit():
        return Token(text, number_value(lower), "number")
    return Token(text, stem(lower), "word", name=name and lower not in lexicon().stop)


def _identifier(raw: str) -> bool:
    if not _JOINED.search(raw) and not _CAMEL.search(raw):
        return False
    return not re.fullmatch(r"(?:[A-Z]\.)+[A-Z]?|[A-Za-z]+(?:['’-][A-Za-z]+)+", raw)


def number_value(raw: str) -> str:
    """A canonical form of a number: `1,200` and `1200`, `2.50` and `2.5`, `3k` and `3000` are the same."""
    plain = raw.lower().lstrip("$£€").replace(",", "")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%|st|nd|rd|th|[kmbg]b?|bn)?", plain)
    if match is None:
        return plain
    value = float(match[1]) * _SCALE.get(match[2] or "", 1.0)
    return f"{value:.6g}" if value != int(value) else str(int(value))


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A light English stem: inflection goes, derivation mostly stays."""
    if word in lexicon().irregular:
        return lexicon().irregular[word]
    if len(word) <= 3:
        return word
    for ending, put in (
        ("ies", "y"),
        ("ied", "y"),
        ("sses", "ss"),
        ("ing", ""),
        ("edly", ""),
        ("ed", ""),
        ("ly", ""),
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return _trim(word[: -len(ending)] + put)
    if word.endswith("es") and word[:-2].endswith(("s", "x", "z", "ch", "sh")):
        return _trim(word[:-2])
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return _trim(word[:-1])
    return _trim(word)


def _trim(word: str) -> str:
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiousl":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word.endswith("e") else word
