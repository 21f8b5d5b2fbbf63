"""Holds the catalogue's rules against a unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from knowledge.catalogue import Catalogue, FailureClass, Rule
from tools.diagnosis.index import Compiled, Index, last_name
from tools.diagnosis.patterns import Pattern, any_match
from tools.diagnosis.unit import Unit

#: An error condition that no class names is placed by its SQLSTATE; that proves less than a name.
_PLACED = 0.5
_PLACED_KIND = 0.38


@dataclass(frozen=True)
class Hit:
    """A class that a unit speaks for, how strongly (0..1), and how it was recognised."""

    failure_class: FailureClass
    unit: Unit
    proves: float
    by: str

    @property
    def score(self) -> float:
        return self.proves * self.unit.weight


class Matcher:
    """All rules of a catalogue, compiled once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._index = Index(_compile(c, rule) for c in catalogue.classes.values() for rule in c.recognise)
        self._named = frozenset(
            glob.split(".", 1)[0]
            for found in catalogue.classes.values()
            for rule in found.recognise
            for glob in rule.condition
            if "*" not in glob
        )

    def hits(self, unit: Unit) -> list[Hit]:
        """The classes that the unit speaks for, each by its strongest rule."""
        best: dict[str, Hit] = {}
        for compiled in self._index.candidates(unit):
            name = compiled.failure_class.name
            proves = compiled.rule.proves
            if (name in best and best[name].proves >= proves) or not _holds(compiled, unit):
                continue
            best[name] = Hit(compiled.failure_class, unit, proves, _by(compiled.rule))
        if unit.condition or unit.sqlstate:
            placed = self._placed(unit)
            if placed and placed.failure_class.name not in best:
                best[placed.failure_class.name] = placed
        return list(best.values())

    def _placed(self, unit: Unit) -> Hit | None:
        """The class of an error that no class names, by its SQLSTATE, printed or looked up."""
        state = unit.sqlstate or self._catalogue.sqlstate_of(unit.condition) or ""
        found = self._catalogue.placed(state) if state else None
        if found is None:
            return None
        if unit.condition.split(".", 1)[0] in self._named:
            return None
        return Hit(found, unit, _PLACED if unit.condition else _PLACED_KIND, "sqlstate")


def _compile(failure_class: FailureClass, rule: Rule) -> Compiled:
    return Compiled(
        failure_class,
        rule,
        tuple(rule.exception),
        tuple(map(Pattern.of, rule.text)),
        tuple(map(Pattern.of, rule.frame)),
        tuple(map(Pattern.of, rule.frame_unless)),
        tuple(map(Pattern.of, rule.elsewhere)),
        tuple(map(Pattern.of, rule.elsewhere_unless)),
        tuple(map(Pattern.of, rule.unless)),
    )


def _by(rule: Rule) -> str:
    for key in ("condition", "event", "exception", "text", "sqlstate", "exit_code", "termination"):
        if getattr(rule, key):
            return key
    return "kind"


def _holds(compiled: Compiled, unit: Unit) -> bool:
    """Whether every key that the rule has holds; the cheap ones first."""
    rule = compiled.rule
    if rule.kind and unit.kind not in rule.kind:
        return False
    if rule.condition and not (unit.condition and _condition(rule.condition, unit.condition)):
        return False
    if rule.sqlstate and not (unit.sqlstate and _globbed(rule.sqlstate, unit.sqlstate)):
        return False
    if compiled.exceptions and not (unit.exception and named(compiled.exceptions, unit.exception)):
        return False
    if rule.event and not any(_globbed(rule.event, code) for code in unit.codes):
        return False
    if rule.termination and not (unit.termination and _globbed(rule.termination, unit.termination)):
        return False
    if rule.exit_code and unit.exit_code not in rule.exit_code:
        return False
    if compiled.text and not any_match(compiled.text, unit.text, unit.lowered):
        return False
    if compiled.frame and not any_match(compiled.frame, unit.frame, unit.frame_lowered):
        return False
    if compiled.frame_unless and any_match(compiled.frame_unless, unit.frame, unit.frame_lowered):
        return False
    if compiled.elsewhere and not any_match(compiled.elsewhere, unit.task.text, unit.task.lowered):
        return False
    if compiled.elsewhere_unless and any_match(compiled.elsewhere_unless, unit.task.text, unit.task.lowered):
        return False
    return not any_match(compiled.unless, unit.text, unit.lowered)


def named(globs: Sequence[str], exception: str) -> bool:
    """Whether an exception's class is meant: a glob without a dot is held against the last part of its name."""
    last = last_name(exception)
    return any(_glob(glob, exception if "." in glob else last) for glob in globs)


def _condition(globs: Sequence[str], condition: str) -> bool:
    """Whether a condition is meant: `A` covers `A` and `A.B`, `A.B` only itself."""
    head = condition.split(".", 1)[0]
    return any(_glob(glob, condition if "." in glob else head) for glob in globs)


def _globbed(globs: Sequence[str], value: str) -> bool:
    return any(_glob(glob, value) for glob in globs)


def _glob(glob: str, value: str) -> bool:
    return fnmatchcase(value, glob) if "*" in glob else value == glob
