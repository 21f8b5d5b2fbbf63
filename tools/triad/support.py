"""How well a text carries a claim: features of one claim against the sentences it should follow from.

After the literature: n-gram precision (Lin 2004, ROUGE), copied fragments (Grusky et al. 2018, Newsroom), names and
numbers that the source lacks (Nan et al. 2021), words that belong together in the claim but not in the source (in the
spirit of the dependency arcs of Goyal and Durrett 2020), denials and opposites (Pagnoni et al. 2021, FRANK), and the
cosine with the nearest sentence where an embedder is handed in.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

from tools.triad.lexicon import lexicon
from tools.triad.words import Token, sentences, stem, tokens

Embed = Callable[[Sequence[str]], list[list[float]]]

#: Names of the features of a claim, in the order of `lexical`, then the two that need an embedder.
LEXICAL = (
    "unigrams", "words", "bigrams", "bigrams_copied", "trigrams_copied", "density", "best_window", "far", "unknown_names",
    "unknown_numbers", "unknown_identifiers", "any_unknown", "loose_names", "loose_numbers", "apart", "negation",
    "opposite",
)  # fmt: skip
DENSE = ("cosine", "cosine_copied")
#: Above these shares of known n-grams, or this cosine, a claim counts as more and more copied.
COPIED_BIGRAMS, COPIED_TRIGRAMS, COPIED_COSINE = 0.9, 0.85, 0.9
#: Two words belong together when at most this many tokens lie between them in a sentence of the source.
NEAR = 10
WINDOW = 3
MAX_SOURCE_SENTENCES = 400


@cache
def _opposites() -> dict[str, set[str]]:
    table: dict[str, set[str]] = defaultdict(set)
    for left, right in lexicon().opposites:
        table[stem(left)].add(stem(right))
        table[stem(right)].add(stem(left))
    return dict(table)


#: `main`.`sales`.`orders` is main.sales.orders.
_QUOTES = re.compile(r"[`'\"]")


@dataclass
class Source:
    """Contexts, read once for all claims of an answer."""

    texts: list[str]
    rows: list[list[Token]]
    stems: set[str] = field(default_factory=set)
    grams: dict[int, set[tuple[str, ...]]] = field(default_factory=dict)
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    plain: str = ""

    @classmethod
    def read(cls, contexts: Sequence[str]) -> Source:
        """Sentences of all contexts; what lies behind the first 400 is left out. Don't change what it gives."""
        return _read(tuple(contexts))

    @classmethod
    def _of(cls, contexts: Sequence[str]) -> Source:
        texts = [sentence for context in contexts for sentence in sentences(context)][:MAX_SOURCE_SENTENCES]
        source = cls(
            texts=texts,
            rows=[tokens(text) for text in texts],
            plain=_QUOTES.sub("", "\n".join(contexts).lower()),
        )
        source.grams = {2: set(), 3: set()}
        places: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, row in enumerate(source.rows):
            stems = [token.stem for token in row]
            source.stems.update(stems)
            for size, grams in source.grams.items():
                grams.update(zip(*(stems[i:] for i in range(size)), strict=False))
            for place, word in enumerate(stems):
                places[word].append((number, place))
        source.places = dict(places)
        return source

    def has(self, token: Token) -> bool:
        """Whether the token, or the identifier as it stands, occurs."""
        return token.stem in self.stems or (token.kind == "identifier" and token.stem in self.plain)


@lru_cache(maxsize=64)
def _read(contexts: tuple[str, ...]) -> Source:
    # Many answers to one question, or many claims over one text, come one after the other.
    return Source._of(contexts)


def lexical(claim: Sequence[Token], source: Source) -> list[float]:
    """The features named in `LEXICAL` of one claim, each 0..1."""
    stems = [token.stem for token in claim]
    unigrams = coverage(claim, source)
    bigrams, trigrams = _share(stems, source.grams[2], 2), _share(stems, source.grams[3], 3)
    window, sentence = _best_window(claim, source)
    names = _unknown([token for token in claim if token.name], source)
    numbers = _unknown([token for token in claim if token.kind == "number"], source)
    plain = [token for token in claim if token.kind == "word" and token.content and not token.part]
    return [
        unigrams,
        1 - _unknown(plain, source),
        bigrams,
        max(0.0, bigrams - COPIED_BIGRAMS) / (1 - COPIED_BIGRAMS),
        max(0.0, trigrams - COPIED_TRIGRAMS) / (1 - COPIED_TRIGRAMS),
        _density(stems, source),
        window,
        max(0.0, unigrams - window),
        names,
        numbers,
        _unknown([token for token in claim if token.kind == "identifier"], source),
        float(names > 0 or numbers > 0),
        _loose(claim, source, lambda token: token.name),
        _loose(claim, source, lambda token: token.kind == "number"),
        _apart(claim, source),
        _negation(claim, sentence),
        _opposite(claim, sentence),
    ]


def coverage(claim: Sequence[Token], source: Source) -> float:
    """Share of the claim's weight whose words the source has."""
    total = sum(map(_weight, claim))
    return sum(_weight(token) for token in claim if source.has(token)) / total if total else 1.0


def _weight(token: Token) -> float:
    if not token.content:
        return 0.2
    return 1.5 if token.name or token.kind != "word" else 1.0


def _share(stems: Sequence[str], grams: set[tuple[str, ...]], size: int) -> float:
    mine = list(zip(*(stems[i:] for i in range(size)), strict=False))
    return sum(gram in grams for gram in mine) / len(mine) if mine else 1.0


def _density(stems: Sequence[str], source: Source) -> float:
    """Copied fragments, squared lengths over length (Newsroom's density), on a logarithmic scale to 0..1."""
    if not stems:
        return 1.0
    squares = sum(size * size for size in _fragments(stems, source))
    return math.log1p(squares / len(stems)) / math.log1p(len(stems))


def _fragments(stems: Sequence[str], source: Source) -> list[int]:
    """Lengths of the runs copied from one sentence, the longest at each place, from the left."""
    sizes, start = [], 0
    while start < len(stems):
        longest = max(
            (_run(stems[start:], source.rows[n][p:]) for n, p in source.places.get(stems[start], ())),
            default=0,
        )
        if longest:
            sizes.append(longest)
        start += max(1, longest)
    return sizes


def _run(stems: Sequence[str], row: Sequence[Token]) -> int:
    """How many tokens the two begin with in common."""
    size = 0
    while size < min(len(stems), len(row)) and stems[size] == row[size].stem:
        size += 1
    return size


def _best_window(claim: Sequence[Token], source: Source) -> tuple[float, list[Token]]:
    """The largest share of the claim's weight that three neighbouring sentences hold; the best single sentence."""
    total = sum(map(_weight, claim)) or 1.0
    held: dict[int, dict[int, float]] = {1: defaultdict(float), WINDOW: defaultdict(float)}
    for token in claim:
        numbers = {number for number, _ in source.places.get(token.stem, ())}
        for width, shares in held.items():
            for start in {number - back for number in numbers for back in range(width) if number >= back}:
                shares[start] += _weight(token)
    if not held[1]:
        return 0.0, []
    best = max(held[1], key=lambda number: (held[1][number], -number))
    return max(held[WINDOW].values()) / total, source.rows[best]


def _unknown(some: Sequence[Token], source: Source) -> float:
    """Share of these tokens that the source does not have, 0 when there are none."""
    return sum(not source.has(token) for token in some) / len(some) if some else 0.0


def _loose(claim: Sequence[Token], source: Source, chosen: Callable[[Token], bool]) -> float:
    """Share of the chosen tokens that the source has, but never near a content word that stands by them here."""
    loose = total = 0
    for place, token in enumerate(claim):
        if not chosen(token) or token.stem not in source.places:
            continue
        beside = [
            other.stem
            for other in claim[max(0, place - 4) : place + 5]
            if other.content and other.stem != token.stem and other.stem in source.places
        ]
        if not beside:
            continue
        total += 1
        loose += 1 - sum(_near(token.stem, other, source) for other in beside) / len(beside)
    return loose / total if total else 0.0


def _apart(claim: Sequence[Token], source: Source) -> float:
    """Share of the claim's neighbouring content words, of those the source has, that it never has together."""
    words = [token.stem for token in claim if token.content and token.stem in source.places]
    pairs = [(words[i], words[j]) for i in range(len(words)) for j in (i + 1, i + 2) if j < len(words)]
    pairs = [pair for pair in pairs if pair[0] != pair[1]]
    return sum(not _near(left, right, source) for left, right in pairs) / len(pairs) if pairs else 0.0


def _near(left: str, right: str, source: Source) -> bool:
    """Whether a sentence of the source has both, close to each other."""
    rights: dict[int, list[int]] = defaultdict(list)
    for number, place in source.places.get(right, ()):
        rights[number].append(place)
    return any(
        abs(other - place) <= NEAR
        for number, place in source.places.get(left, ())
        for other in rights.get(number, ())
    )


def _negation(claim: Sequence[Token], sentence: Sequence[Token]) -> float:
    """1 when just one of the two denies something."""
    return float(_denies(claim) != _denies(sentence)) if sentence else 0.0


def _denies(some: Sequence[Token]) -> bool:
    return any(token.text.lower().replace("’", "'") in lexicon().negations for token in some)


def _opposite(claim: Sequence[Token], sentence: Sequence[Token]) -> float:
    """Whether the best sentence says the opposite of a word of the claim that it does not have itself."""
    there = {token.stem for token in sentence}
    return float(
        any(_opposites().get(token.stem, set()) & there and token.stem not in there for token in claim)
    )


def dense(cosine: float) -> list[float]:
    """The features named in `DENSE`, from the cosine of a claim and its nearest sentence."""
    return [cosine, max(0.0, cosine - COPIED_COSINE) / (1 - COPIED_COSINE)]
