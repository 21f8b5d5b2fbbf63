"""What Pitstop may do for which job: the policy file, validated, and the rules picked out for one incident.

The file is YAML: `defaults` plus a list of `jobs`, each with a `match` (name glob, tag, failure class) and the
fields it overrides. Later matches win over earlier ones.
"""

from __future__ import annotations

import fnmatch
import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.actions import Action
from core.errors import ConfigurationError
from core.quiet_hours import QuietHours


class Mode(StrEnum):
    """How far Pitstop may go by itself."""

    OBSERVE = "observe"
    APPROVE = "approve"
    AUTO = "auto"


class Strict(BaseModel):
    """Base of the policy's parts: an unknown key is a mistake, and is said to be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Backoff(Strict):
    """Wait before attempt n >= 2: `base_seconds * factor**(n-2)`, at most `max_seconds`, spread by `jitter`."""

    base_seconds: float = Field(default=60.0, ge=0)
    factor: float = Field(default=2.0, ge=1)
    max_seconds: float = Field(default=3600.0, ge=0)
    jitter: float = Field(default=0.2, ge=0, le=1)

    def seconds(self, attempt: int, key: str) -> float:
        """Seconds to wait before `attempt`; `key` fixes the jitter, so that a replay waits as long."""
        if attempt < 2:
            return 0.0
        spread = int(hashlib.sha256(f"{key}:{attempt}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
        plain = min(self.max_seconds, self.base_seconds * self.factor ** (attempt - 2))
        return plain * (1 + self.jitter * (2 * spread - 1))


class Range(Strict):
    """Bounds of one changeable parameter; memory in MiB, times in seconds, counts as they are."""

    minimum: float | None = None
    maximum: float | None = None


class AutoRule(Strict):
    """A grant: this failure class with this action needs no person, from this confidence up."""

    failure_class: str
    action: Action
    min_confidence: float = Field(default=0.9, ge=0, le=1)
    granted_by: str = Field(min_length=3)


class Producer(Strict):
    """Which job makes a table or a model (a glob over its full name)."""

    produces: str
    job_id: int | None = None
    job_name: str | None = None


class Budget(Strict):
    """Limits on spending on language models, in US dollars."""

    per_incident_usd: float = Field(default=0.01, ge=0)
    per_day_usd: float = Field(default=5.0, ge=0)


class Groups(Strict):
    """How incidents of one cause are put to people as one question, and how fast the answer is acted on.

    Incidents whose cause is the same join one group while no more than `window_seconds` lie between them (0: no
    groups). The first message waits `settle_seconds` for others to join; later ones come `update_seconds` apart
    at the earliest. After a group's approval one repair goes first; the others follow when it is verified, at
    most `per_minute` of them in any minute and `at_once` side by side. An incident that joins after the decision
    asks again, unless its action is in `follow`.
    """

    window_seconds: float = Field(default=900.0, ge=0)
    settle_seconds: float = Field(default=10.0, ge=0)
    update_seconds: float = Field(default=300.0, ge=0)
    per_minute: int = Field(default=60, ge=1, le=6000)
    at_once: int = Field(default=20, ge=1, le=1000)
    follow: list[Action] = Field(default_factory=list)


class Rules(Strict):
    """Everything the policy says about one incident."""

    mode: Mode = Mode.APPROVE
    critical: bool = False
    max_attempts: int = Field(default=3, ge=1, le=10)
    backoff: Backoff = Backoff()
    auto: list[AutoRule] = Field(default_factory=list)
    approvers: list[str] = Field(default_factory=list)
    owners: list[str] = Field(default_factory=list)
    escalate_to: list[str] = Field(default_factory=list)
    #: Who gets the messages that ask for a decision, as `core.recipients` reads them; without: the approvers,
    #: else the owners. Naming somebody here gives nobody the right to decide.
    notify: list[str] = Field(default_factory=list)
    #: Whether who was asked by e-mail is told how it was decided (where messages can be changed, they are).
    tell_decision: bool = False
    #: Whoever started the run by hand, or edited the proposal, may not approve it: an edit then asks somebody else.
    separate_duties: bool = False
    approval_ttl_seconds: float = Field(default=4 * 3600.0, gt=0)
    on_expiry: Literal["escalate", "close"] = "escalate"
    notify_needs_approval: bool = False
    #: Parameter name -> bounds, such as `spark.executor.memory`, `num_workers`, `timeout_seconds`.
    ranges: dict[str, Range] = Field(default_factory=dict)
    producers: list[Producer] = Field(default_factory=list)
    quiet_hours: QuietHours | None = None
    budget: Budget = Budget()
    groups: Groups = Groups()
    triad_threshold: float = Field(default=0.75, ge=0, le=1)
    #: A run that goes on longer than this is a candidate for TERMINATE; None: never.
    max_run_seconds: float | None = None
    #: Exit JSON counting failures in a run that "succeeded" opens an incident.
    soft_failures: bool = True

    def quiet(self) -> QuietHours | None:
        """The hours in which messages about this incident wait; None where none do."""
        return None if self.critical else self.quiet_hours

    def seconds_to_decide(self, now: datetime) -> float:
        """How long a question that is asked at `now` stays open: its time does not run in quiet hours."""
        quiet = self.quiet()
        if quiet is None:
            return self.approval_ttl_seconds
        return (quiet.open_until(now, timedelta(seconds=self.approval_ttl_seconds)) - now).total_seconds()

    def producer_of(self, name: str) -> Producer | None:
        """The producer whose glob matches the full name of a table or model, compared without case."""
        wanted = name.lower()
        return next((p for p in self.producers if fnmatch.fnmatchcase(wanted, p.produces.lower())), None)

    def auto_rule(self, failure_class: str, action: Action, confidence: float) -> AutoRule | None:
        """The grant that covers this proposal in `auto` mode, if any."""
        if self.mode is not Mode.AUTO:
            return None
        return next(
            (
                rule
                for rule in self.auto
                if rule.failure_class == failure_class
                and rule.action is action
                and confidence >= rule.min_confidence
            ),
            None,
        )


class Match(Strict):
    """Which incidents an entry is for; all given conditions must hold."""

    name: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    failure_class: str | None = None

    def holds(self, job_name: str, tags: dict[str, str], failure_class: str | None) -> bool:
        """Whether this entry speaks of a job of this name and tags failing with this class."""
        if self.name is not None and not fnmatch.fnmatchcase(job_name.lower(), self.name.lower()):
            return False
        if any(not fnmatch.fnmatchcase(tags.get(key, ""), want) for key, want in self.tags.items()):
            return False
        return self.failure_class is None or self.failure_class == failure_class


class Entry(Strict):
    """One entry of `jobs`: whom it matches, and the fields of `Rules` it sets."""

    match: Match
    rules: dict[str, Any]


class Policy(Strict):
    """A whole policy file."""

    defaults: Rules = Rules()
    jobs: list[Entry] = Field(default_factory=list)

    def rules_for(self, job_name: str, tags: dict[str, str], failure_class: str | None = None) -> Rules:
        """The rules for one incident: the defaults with every matching entry laid over them in order."""
        merged = self.defaults.model_dump()
        for entry in self.jobs:
            if entry.match.holds(job_name, tags, failure_class):
                merged.update(entry.rules)
        return Rules.model_validate(merged)

    def has_quiet_hours(self) -> bool:
        """Whether messages about any incident wait for the morning."""
        return bool(self.defaults.quiet_hours) or any(e.rules.get("quiet_hours") for e in self.jobs)

    def approvers(self) -> set[str]:
        """Everyone whom any part of the policy names as an approver, or as the next to be asked."""
        lists = [self.defaults.approvers, self.defaults.escalate_to]
        lists += [entry.rules.get(key) or [] for entry in self.jobs for key in ("approvers", "escalate_to")]
        return {str(name).strip() for names in lists for name in names}


def load_policy(path: Path | None) -> Policy:
    """Read a policy file; None gives the defaults: everything needs a person.

    Raises:
        ConfigurationError: The file can't be read, or a key or value in it is wrong; the message names it.
    """
    if path is None:
        return Policy()
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        policy = Policy.model_validate(raw)
        for number, entry in enumerate(policy.jobs):
            try:
                Rules.model_validate({**policy.defaults.model_dump(), **entry.rules})
            except ValidationError as error:
                raise ConfigurationError(
                    f"PITSTOP_POLICY: {path}: jobs.{number}.rules: {_faults(error)}"
                ) from error
    except OSError as error:
        raise ConfigurationError(f"PITSTOP_POLICY: {path} can't be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"PITSTOP_POLICY: {path} is not YAML: {error}.") from error
    except ValidationError as error:
        raise ConfigurationError(f"PITSTOP_POLICY: {path}: {_faults(error)}") from error
    return policy


def _faults(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5]) + "."
