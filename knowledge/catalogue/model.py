"""The catalogue's words: what a failure class is, and how one is recognised."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from core.actions import Action
from core.incident import Category

#: Actions a class may name: the others depend on the run or on the policy, never on the class alone.
DEFAULTS = frozenset({Action.RETRY, Action.RETRY_WITH_NEW_PARAMS, Action.NOTIFY_OWNER, Action.ESCALATE})
_CHANGE = re.compile(r"x\d+(\.\d+)?|up|=.+")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _text(value: Any) -> Any:
    """YAML reads an unquoted SQLSTATE or exit code as a number; a rule means its digits."""
    return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in _listed(value) or []]


Texts = Annotated[list[str], BeforeValidator(_text)]


class Part(BaseModel):
    """Base of the catalogue's parts: an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(Part):
    """One way to recognise a class: every key given must hold, and of a list any one.

    `condition` is a Spark or Delta error condition (`UNRESOLVED_COLUMN` covers its subclasses; `*` is a glob),
    `sqlstate` and `exception` may hold globs too; an `exception` without a dot is compared with the last part
    of the class's name. `text` is a regular expression, without regard to case, over one exception's
    `name: message`, or over the text of a block that is no exception; one of capitals only is a code and means
    that very word. `frame` looks into the whole block
    (the stack, the code lines; `frame_unless` is what must not stand there), `elsewhere` at everything else that was read of the same task (`elsewhere_unless` is what must not stand there), `unless` is what must
    not stand in the exception's text. `event` is a cluster
    event's or termination reason's code, `termination` a Jobs API termination code or result state.
    `strength` (1..100) says how much the rule proves; by default that follows from its keys.
    """

    condition: Texts = Field(default_factory=list)
    sqlstate: Texts = Field(default_factory=list)
    exception: Texts = Field(default_factory=list)
    text: Texts = Field(default_factory=list)
    frame: Texts = Field(default_factory=list)
    frame_unless: Texts = Field(default_factory=list)
    elsewhere: Texts = Field(default_factory=list)
    elsewhere_unless: Texts = Field(default_factory=list)
    unless: Texts = Field(default_factory=list)
    event: Texts = Field(default_factory=list)
    termination: Texts = Field(default_factory=list)
    exit_code: Texts = Field(default_factory=list)
    kind: Texts = Field(default_factory=list)
    strength: int | None = Field(default=None, ge=1, le=100)

    @model_validator(mode="after")
    def _says_something(self) -> Rule:
        if not any(
            (
                self.condition,
                self.sqlstate,
                self.exception,
                self.text,
                self.event,
                self.termination,
                self.exit_code,
            )
        ):
            raise ValueError(
                "a rule needs at least one of condition, sqlstate, exception, text, event, termination, exit_code"
            )
        return self

    @cached_property
    def proves(self) -> float:
        """The rule's strength, 0..1: what is named exactly proves more than what is merely of a kind."""
        if self.strength is not None:
            return self.strength / 100
        if self.condition:
            return 0.92
        if self.text and self.exception:
            return 0.9
        if self.event:
            return 0.85
        if self.text:
            return 0.8
        if self.exception:
            return 0.6
        if self.sqlstate:
            return 0.35 if all("*" in s for s in self.sqlstate) else 0.55
        return 0.5 if self.exit_code else 0.3


class Change(Part):
    """One setting that a rerun of this class may change, and by how much.

    `setting` is a Spark setting, a field of the cluster (`node_type_id`, `driver_node_type_id`, `num_workers`),
    `timeout_seconds`, or `parameter:REGEX` for job parameters of such a name. `by` is `xN` (times N), `up`
    (the next bigger node type of the family) or `=VALUE`. `unset` is what is proposed where the setting has no
    value yet; without it such a setting is left alone. `unknown` is what is suggested where the run's settings
    are not known at all, by default `unset`.
    """

    setting: str = Field(min_length=1)
    by: str
    unset: str | None = None
    unknown: str | None = None

    @field_validator("by")
    @classmethod
    def _understood(cls, value: str) -> str:
        if not _CHANGE.fullmatch(value):
            raise ValueError("must be xN (such as x2 or x0.5), up, or =VALUE")
        return value


class FailureClass(Part):
    """One failure class: what it is, how it is recognised, and what may be done about it.

    `transient`: a rerun alone can help. `symptom`: the class names what was seen rather than why, so that any
    real cause found in the same run wins over it. `beats` names classes that this one explains. `cause` is the
    root cause as a sentence: the first template whose `{facts}` are all known is used, the last needs none but
    `{message}`, `{exception}` and `{where}`. `facts` are regular expressions whose first group is the value.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    title: str = Field(min_length=3)
    category: Category
    transient: bool = False
    symptom: bool = False
    action: Action
    recognise: list[Rule] = Field(default_factory=list)
    beats: list[str] = Field(default_factory=list)
    change: list[Change] = Field(default_factory=list)
    facts: dict[str, Texts] = Field(default_factory=dict)
    cause: Texts = Field(min_length=1)
    owner: str = Field(min_length=10)
    runbook: str = ""
    references: list[str] = Field(default_factory=list)
    family: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> FailureClass:
        if self.action not in DEFAULTS:
            raise ValueError(f"action must be one of {', '.join(sorted(DEFAULTS))}")
        if self.action is Action.RETRY and not self.transient:
            raise ValueError("action RETRY needs transient: true, since a rerun alone must be able to help")
        if self.action is Action.RETRY_WITH_NEW_PARAMS and not self.change:
            raise ValueError("action RETRY_WITH_NEW_PARAMS needs at least one change")
        return self


class Placement(Part):
    """Where an error that no class names belongs, by its SQLSTATE."""

    sqlstate: Texts
    failure_class: str


class Family(Part):
    """One file of the catalogue."""

    family: str = Field(pattern=r"^[a-z][a-z0-9_]+$")
    about: str = ""
    classes: list[FailureClass]


def placeholders(template: str) -> set[str]:
    """The names in braces of a cause template."""
    return set(_PLACEHOLDER.findall(template))
