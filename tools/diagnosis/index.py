"""Finds, for a unit, the few rules that can hold at all, so that the other thousand are not tried."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from knowledge.catalogue import FailureClass, Rule
from tools.diagnosis.patterns import Pattern
from tools.diagnosis.unit import Unit

#: So many letters of a pattern's literal stand for it in the index.
_GRAM = 3


@dataclass(frozen=True, eq=False)
class Compiled:
    failure_class: FailureClass
    rule: Rule
    exceptions: tuple[str, ...]
    text: tuple[Pattern, ...]
    frame: tuple[Pattern, ...]
    frame_unless: tuple[Pattern, ...]
    elsewhere: tuple[Pattern, ...]
    elsewhere_unless: tuple[Pattern, ...]
    unless: tuple[Pattern, ...]


class Index:
    """Rules by what must be there for them to hold: an exception's name, a condition, a code, a piece of text."""

    def __init__(self, rules: Iterable[Compiled]) -> None:
        self._by_exception: dict[str, list[Compiled]] = defaultdict(list)
        self._by_condition: dict[str, list[Compiled]] = defaultdict(list)
        self._by_gram: dict[str, list[Compiled]] = defaultdict(list)
        #: By the name of the unit's field without which the rule can't hold.
        self._by_field: dict[str, list[Compiled]] = defaultdict(list)
        rules = list(rules)
        grams = Counter(
            gram for rule in rules for p in rule.text for lit in p.literals for gram in grams_of(lit)
        )
        for rule in rules:
            self._add(rule, grams)

    def candidates(self, unit: Unit) -> Iterator[Compiled]:
        """The rules that can hold for the unit, each once."""
        seen: set[int] = set()
        for rule in self._found(unit):
            if id(rule) not in seen:
                seen.add(id(rule))
                yield rule

    def _found(self, unit: Unit) -> Iterator[Compiled]:
        yield from self._by_field[""]
        if unit.exception:
            yield from self._by_exception.get(last_name(unit.exception), ())
        if unit.condition:
            yield from self._by_condition.get(unit.condition.split(".", 1)[0], ())
        for name in ("exception", "condition", "codes", "sqlstate", "termination", "exit_code"):
            if getattr(unit, name):
                yield from self._by_field[name]
        for gram in grams_of(unit.lowered):
            yield from self._by_gram.get(gram, ())

    def _add(self, found: Compiled, grams: Counter[str]) -> None:
        """Put a rule where the rarest of its necessary keys finds it."""
        rule = found.rule
        if rule.condition:
            self._add_names(
                found, self._by_condition, "condition", [c.split(".", 1)[0] for c in rule.condition]
            )
        elif rule.exception:
            self._add_names(found, self._by_exception, "exception", [last_name(e) for e in rule.exception])
        elif rule.event or rule.sqlstate or rule.termination or rule.exit_code:
            field = "codes" if rule.event else "sqlstate" if rule.sqlstate else ""
            self._by_field[field or ("termination" if rule.termination else "exit_code")].append(found)
        elif all(pattern.literals for pattern in found.text):
            for literal in (literal for pattern in found.text for literal in pattern.literals):
                self._by_gram[min(grams_of(literal), key=lambda gram: grams[gram])].append(found)
        else:
            self._by_field[""].append(found)

    def _add_names(
        self, found: Compiled, index: dict[str, list[Compiled]], field: str, names: Iterable[str]
    ) -> None:
        for name in names:
            if "*" in name:
                self._by_field[field].append(found)
            else:
                index[name].append(found)


def grams_of(text: str) -> set[str]:
    """All pieces of three letters of a text."""
    return {text[at : at + _GRAM] for at in range(len(text) - _GRAM + 1)}


def last_name(exception: str) -> str:
    """The last part of an exception's class name: `Inner` of `com.acme.Outer$Inner`."""
    return exception.rsplit(".", 1)[-1].rsplit("$", 1)[-1]
