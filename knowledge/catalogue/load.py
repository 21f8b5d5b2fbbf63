"""Reads the catalogue: our own YAML files, and the user's folder laid over them.

Each mistake is reported with its file and line, since the people who extend the catalogue write YAML, not Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from core.errors import ConfigurationError
from knowledge.catalogue.model import FailureClass, Family, Placement, placeholders

OURS = Path(__file__).parent
#: The class of everything that nothing recognises.
UNKNOWN = "unknown"
#: Facts that every failure has, so that any template may use them.
ALWAYS = frozenset({"message", "exception", "where"})
_PHRASE = re.compile(r"<<(\w+)>>")
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Catalogue:
    """All failure classes by name, and the two tables that place what no class names."""

    classes: Mapping[str, FailureClass]
    #: (SQLSTATE or glob, class), most exact first.
    placements: tuple[tuple[str, str], ...] = ()
    #: Spark error condition -> SQLSTATE, for messages that don't print it.
    conditions: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> FailureClass:
        """The class of this name, or the unknown one (a model or an older row may name what isn't there)."""
        return self.classes.get(name) or self.classes[UNKNOWN]

    def __contains__(self, name: str) -> bool:
        return name in self.classes

    def placed(self, sqlstate: str) -> FailureClass | None:
        """The class of an unseen error by its SQLSTATE: the longest prefix that the table knows."""
        for prefix, name in self.placements:
            if sqlstate.startswith(prefix):
                return self.classes[name]
        return None

    def sqlstate_of(self, condition: str) -> str | None:
        """The SQLSTATE of a Spark error condition, with or without its subclass."""
        return self.conditions.get(condition.split(".", 1)[0])


def load_catalogue(users: Path | None = None) -> Catalogue:
    """The catalogue, with the families of the folder `users` over ours; a class of the same name replaces ours.

    Raises:
        ConfigurationError: A file is not what it should be; the message names the file and the line.
    """
    return _load(users.resolve() if users else None)


@cache
def _load(users: Path | None) -> Catalogue:
    if users is not None and not users.is_dir():
        raise ConfigurationError(f"PITSTOP_CATALOGUE_DIR: {users} is not a folder.")
    phrases: dict[str, list[str]] = {}
    classes: dict[str, FailureClass] = {}
    placements: dict[str, str] = {}
    conditions: dict[str, str] = {}
    for folder in filter(None, (OURS, users)):
        files = [_File.read(path) for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml")))]
        for file in files:
            phrases.update(file.table("phrases", list))
        for file in files:
            conditions.update(
                {name: state for state, names in file.table("conditions", list).items() for name in names}
            )
            placements.update(file.placements())
        ours: dict[str, FailureClass] = {}
        for file in files:
            for found in file.classes(phrases):
                if found.name in ours:
                    raise file.mistake(f"the class {found.name} is defined twice in this folder")
                ours[found.name] = found
        classes.update(ours)
    _check_names(classes, placements)
    longest = sorted(placements.items(), key=lambda item: -len(item[0]))
    return Catalogue(classes, tuple(longest), conditions)


def _check_names(classes: Mapping[str, FailureClass], placements: Mapping[str, str]) -> None:
    """Every class that another one names must exist, and no two may explain each other away."""
    named = [(f"class {c.name}", b) for c in classes.values() for b in c.beats]
    named += [(f"sqlstate {state}", name) for state, name in placements.items()]
    for who, name in [*named, ("the engine", UNKNOWN)]:
        if name not in classes:
            raise ConfigurationError(f"Catalogue: {who} names the class {name}, which does not exist.")
    for found in classes.values():
        for other in found.beats:
            if found.name in classes[other].beats:
                raise ConfigurationError(
                    f"Catalogue: {found.name} and {other} each beat the other; only one can."
                )


@dataclass(frozen=True)
class _File:
    """One YAML file with the line of every node, so that a mistake can be pointed at."""

    path: Path
    raw: Mapping[str, Any]
    node: yaml.Node

    @classmethod
    def read(cls, path: Path) -> _File:
        try:
            text = path.read_text(encoding="utf-8")
            node = yaml.compose(text, Loader=_YAML)
            raw = yaml.load(text, Loader=_YAML)  # noqa: S506 - a safe loader, the fast one where libyaml is there
        except OSError as error:
            raise ConfigurationError(f"Catalogue: {path} can't be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"Catalogue: {path} is not UTF-8 text.") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{path}:{mark.line + 1}" if mark else str(path)
            raise ConfigurationError(
                f"Catalogue: {where}: not YAML: {getattr(error, 'problem', error)}."
            ) from error
        if not isinstance(raw, dict) or node is None:
            raise ConfigurationError(
                f"Catalogue: {path}:1: a mapping with `family` and `classes` is expected."
            )
        return cls(path, raw, node)

    def mistake(self, message: str, loc: Iterable[int | str] = ()) -> ConfigurationError:
        return ConfigurationError(f"Catalogue: {self.path}:{self.line(loc)}: {message}.")

    def line(self, loc: Iterable[int | str]) -> int:
        """The line (from 1) of the node at a pydantic location, or of its nearest parent that exists."""
        node = self.node
        for key in loc:
            found = None
            if isinstance(node, yaml.MappingNode):
                found = next((v for k, v in node.value if k.value == str(key)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
                found = node.value[key]
            if found is None:
                break
            node = found
        return node.start_mark.line + 1

    def table(self, name: str, kind: type) -> dict[str, Any]:
        table = self.raw.get(name, {})
        if not isinstance(table, dict) or not all(isinstance(v, kind) for v in table.values()):
            raise self.mistake(f"`{name}` must map each name to a list", (name,))
        return {str(key): value for key, value in table.items()}

    def placements(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for number, entry in enumerate(self.raw.get("placements", [])):
            try:
                placement = Placement.model_validate(entry)
            except ValidationError as error:
                raise self._wrong(error, ("placements", number)) from error
            found.update({state.rstrip("*"): placement.failure_class for state in placement.sqlstate})
        return found

    def classes(self, phrases: Mapping[str, list[str]]) -> list[FailureClass]:
        if "classes" not in self.raw:
            return []
        body = {k: v for k, v in self.raw.items() if k not in ("phrases", "conditions", "placements")}
        try:
            family = Family.model_validate(body)
        except ValidationError as error:
            raise self._wrong(error, ()) from error
        return [self._finished(c, family.family, n, phrases) for n, c in enumerate(family.classes)]

    def _finished(
        self, found: FailureClass, family: str, number: int, phrases: Mapping[str, list[str]]
    ) -> FailureClass:
        """The class with its phrases filled in, every pattern compiled once to prove it is one."""
        at = ("classes", number)
        rules = []
        for index, rule in enumerate(found.recognise):
            given = {}
            for key in ("text", "frame", "frame_unless", "elsewhere", "elsewhere_unless", "unless"):
                where = (*at, "recognise", index, key)
                given[key] = [self._pattern(p, phrases, where) for p in getattr(rule, key)]
            rules.append(rule.model_copy(update=given))
        facts = {
            name: [self._pattern(p, phrases, (*at, "facts", name), groups=1) for p in patterns]
            for name, patterns in found.facts.items()
        }
        known = ALWAYS | set(facts)
        for template in found.cause:
            if missing := placeholders(template) - known:
                raise self.mistake(f"the cause names {{{missing.pop()}}}, which is no fact", (*at, "cause"))
        if placeholders(found.cause[-1]) - ALWAYS:
            raise self.mistake("the last cause must do without facts that may be missing", (*at, "cause"))
        return found.model_copy(
            update={"recognise": rules, "facts": facts, "family": family, "runbook": found.runbook or family}
        )

    def _pattern(
        self, pattern: str, phrases: Mapping[str, list[str]], loc: tuple[int | str, ...], *, groups: int = 0
    ) -> str:
        for name in _PHRASE.findall(pattern):
            if name not in phrases:
                raise self.mistake(f"there is no phrase <<{name}>>", loc)
        filled = _PHRASE.sub(lambda m: "(?:" + "|".join(map(re.escape, phrases[m[1]])) + ")", pattern)
        try:
            compiled = re.compile(filled)
        except re.error as error:
            raise self.mistake(f"{pattern!r} is not a regular expression: {error}", loc) from error
        if compiled.groups < groups:
            raise self.mistake(f"{pattern!r} needs a group in parentheses around the value", loc)
        return filled

    def _wrong(self, error: ValidationError, prefix: tuple[int | str, ...]) -> ConfigurationError:
        lines = []
        for fault in error.errors()[:5]:
            loc = (*prefix, *fault["loc"])
            what = ".".join(map(str, loc[-2:]))
            lines.append(
                f"{self.path}:{self.line(loc)}: {what}: {fault['msg'].removeprefix('Value error, ')}"
            )
        return ConfigurationError("Catalogue: " + "; ".join(lines) + ".")
