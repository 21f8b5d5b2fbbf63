"""Log templates: the lines of a log grouped by what its programs print, with the variables left out.

In the manner of Drain (He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree", ICWS 2017):
headers are removed, variables masked, lines of the same number of words compared word by word. Unlike Drain, the
decision whether a word is a variable waits until the whole log is seen: a place where a few fixed words occur
(`RUNNING`, `SUCCEEDED`) tells templates apart, a place with many words or with names is a variable.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tools.log_reader.masking import WILDCARD, mask_variables
from tools.log_reader.prefixes import PrefixFinder

#: More different signatures than this are only told apart by their number of words.
MAX_SIGNATURES = 50_000
_MAX_CACHE = 200_000
_MAX_TOKENS = 120
#: So many different plain words at one place make it a variable.
_MANY_WORDS = 5
#: Lines that differ at several places are alike when at least this share of their words is equal.
_SIMILAR = 0.6
_MAX_LEAF = 200
_MAX_ROUNDS = 6
_RUNS = re.compile(r"<\*>(?:[\s,;:/|_-]*<\*>)+")
#: A list that ends a line, as of packages or tables: how long it is says nothing of the template.
_LIST = re.compile(r"(?<=: )[\w.<>*@/-]+(?:, ?[\w.<>*@/-]+)+$")
_DIGITS = re.compile(r"\d+")
#: After these words comes a name.
_CUES = frozenset(
    {
        "user",
        "users",
        "for",
        "from",
        "by",
        "host",
        "node",
        "hosts",
        "name",
        "named",
        "id",
        "table",
        "file",
        "path",
        "job",
        "task",
    }
    | {
        "database",
        "schema",
        "column",
        "key",
        "called",
        "account",
        "role",
        "group",
        "owner",
        "client",
        "server",
        "to:",
        "at",
    }
    | {"on:", "queue", "topic", "partition", "module", "package", "process"}
)
_STATE = re.compile(r"^\W*[A-Z][A-Z_]+\W*$")
#: An access log's request: what was done tells lines apart, what it was done to does not.
_METHOD = re.compile(r"^[\"'(\[]?(?:GET|POST|PUT|DELETE|HEAD|PATCH|OPTIONS)$")
_NAME_LIKE = re.compile(r"<\*>|[/\\@=]|\w\.\w|_\w|^[\"'`]|^\(\)$|\w[-]\w")


@dataclass(frozen=True, slots=True)
class Template:
    """One template. `id` depends on the text alone, so the same template has the same id in every log."""

    id: str
    text: str
    count: int


@dataclass(slots=True)
class Templates:
    """The templates of one log: feed it lines, then ask.

    `learn` takes lines one after the other; `templates` and `template_of` settle what was learnt so far.
    """

    _counts: Counter[tuple[str, ...]] = field(default_factory=Counter)
    _cache: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _prefixes: PrefixFinder = field(default_factory=PrefixFinder)
    _settled: dict[tuple[str, ...], tuple[str, ...]] | None = None

    @classmethod
    def of(cls, lines: Iterable[str]) -> Templates:
        """The templates of these lines."""
        templates = cls()
        for line in lines:
            templates.learn(line)
        return templates

    def learn(self, line: str) -> tuple[str, ...]:
        """Count a line; the result is its signature, for `template_of`."""
        signature = self.signature(line)
        if signature not in self._counts and len(self._counts) >= MAX_SIGNATURES:
            signature = (*[WILDCARD] * min(len(signature), 20), "...")
        self._counts[signature] += 1
        self._settled = None
        return signature

    def signature(self, line: str) -> tuple[str, ...]:
        """A line's words without its header and with its obvious variables masked."""
        content = line[self._prefixes.end(line) :]
        key = _DIGITS.sub("0", content)
        known = self._cache.get(key)
        if known is not None:
            return known
        masked = _RUNS.sub(WILDCARD, _LIST.sub(WILDCARD, mask_variables(content)))
        signature = tuple(masked.split()[:_MAX_TOKENS])
        if len(self._cache) < _MAX_CACHE:
            self._cache[key] = signature
        return signature

    def template_of(self, signature: tuple[str, ...]) -> str:
        """The id of the template that a learnt signature belongs to."""
        return template_id(self._settle().get(signature, signature))

    def knows(self, line: str) -> bool:
        """Whether a line like this one was learnt."""
        signature = self.signature(line)
        if not signature or signature in self._counts:
            return bool(signature)
        return any(_fits(signature, template) for template in self._by_length().get(len(signature), ()))

    def templates(self) -> list[Template]:
        """All templates, most frequent first."""
        counts: Counter[tuple[str, ...]] = Counter()
        settled = self._settle()
        for signature, count in self._counts.items():
            counts[settled[signature]] += count
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return [Template(template_id(words), " ".join(words), count) for words, count in ordered]

    def _settle(self) -> dict[tuple[str, ...], tuple[str, ...]]:
        if self._settled is None:
            self._settled = _merge(self._counts)
        return self._settled

    def _by_length(self) -> dict[int, list[tuple[str, ...]]]:
        by_length: dict[int, list[tuple[str, ...]]] = defaultdict(list)
        for template in set(self._settle().values()):
            if WILDCARD in template:
                by_length[len(template)].append(template)
        return by_length


def template_id(words: Sequence[str]) -> str:
    """Eight hex digits that stand for a template's text."""
    return hashlib.sha256(" ".join(words).encode("utf-8", "surrogatepass")).hexdigest()[:8]


def _fits(signature: tuple[str, ...], template: tuple[str, ...]) -> bool:
    return all(want in (WILDCARD, have) for have, want in zip(signature, template, strict=True))


def _merge(counts: Counter[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """For every signature its template: signatures that differ only where a variable stands share one."""
    template = {signature: signature for signature in counts}
    for _ in range(_MAX_ROUNDS):
        moved = _moves(set(template.values())) or _similar(set(template.values()))
        if not moved:
            break
        for signature, words in template.items():
            template[signature] = moved.get(words, words)
    return template


def _moves(current: set[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """What becomes of templates that are equal but for one place, where that place is a variable."""
    groups: dict[tuple[int, tuple[str, ...]], set[str]] = defaultdict(set)
    for words in current:
        for place in range(len(words)):
            groups[place, words[:place] + words[place + 1 :]].add(words[place])
    moved: dict[tuple[str, ...], tuple[str, ...]] = {}
    for (place, rest), values in sorted(groups.items()):
        if len(values) > 1 and _is_variable(place, rest[place - 1] if place else "", values):
            merged = (*rest[:place], WILDCARD, *rest[place:])
            for value in values:
                moved[(*rest[:place], value, *rest[place:])] = merged
    return moved


def _similar(current: set[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """What becomes of templates that differ at several places, all of which look like variables."""
    leaves: dict[tuple[int, str], list[tuple[str, ...]]] = defaultdict(list)
    moved: dict[tuple[str, ...], tuple[str, ...]] = {}
    for words in sorted(current):
        leaf = leaves[len(words), words[0] if words else ""]
        for index, other in enumerate(leaf[:_MAX_LEAF]):
            merged = _merged(words, other)
            if merged is not None:
                moved[words] = moved[other] = leaf[index] = merged
                break
        else:
            leaf.append(words)
    return {words: merged for words, merged in moved.items() if words != merged}


def _merged(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...] | None:
    places = [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if not places or len(places) > len(one) * (1 - _SIMILAR):
        return None
    if all(
        _is_variable(place, one[place - 1] if place else "", {one[place], other[place]}) for place in places
    ):
        return tuple(WILDCARD if place in places else word for place, word in enumerate(one))
    return None


def _is_variable(place: int, before: str, values: set[str]) -> bool:
    """Whether the words that stand at one place of otherwise equal lines are values of a variable."""
    if all(WILDCARD in value for value in values):
        return True
    if not place:
        return False
    if all(_METHOD.match(value) for value in values):
        return False
    if WILDCARD in values or all(_NAME_LIKE.search(value) for value in values):
        return True
    if any(_STATE.match(value) for value in values):
        return len(values) > 4 * _MANY_WORDS
    return before.lower().rstrip(":=") in _CUES or len(values) >= _MANY_WORDS
