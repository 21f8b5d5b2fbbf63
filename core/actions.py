"""What Pitstop can propose, and the exact parameters of each proposal.

A proposal is data that a person reads, may edit, and approves by its hash; the same data is what `act` sends.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from core.errors import InvalidInput

TaskKey = Annotated[str, StringConstraints(min_length=1, max_length=100)]
MAX_TASKS = 1000


class Action(StrEnum):
    """The seven things Pitstop may do about a failed run."""

    RETRY = "RETRY"
    RETRY_WITH_NEW_PARAMS = "RETRY_WITH_NEW_PARAMS"
    RUN_UPSTREAM = "RUN_UPSTREAM"
    NOTIFY_OWNER = "NOTIFY_OWNER"
    ESCALATE = "ESCALATE"
    TERMINATE = "TERMINATE"
    PROPOSE_FIX = "PROPOSE_FIX"


#: Actions that start work or stop work at Databricks: never without an approval row.
CHANGES_THE_WORLD = frozenset(
    {Action.RETRY, Action.RETRY_WITH_NEW_PARAMS, Action.RUN_UPSTREAM, Action.TERMINATE}
)
#: Actions that only tell people something.
TELLS_PEOPLE = frozenset({Action.NOTIFY_OWNER, Action.ESCALATE})


class Params(BaseModel):
    """Base of every action's parameters: unknown keys are refused, values are not coerced silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RetryParams(Params):
    """Repair the run: run these failed tasks (and what depends on them) again."""

    task_keys: list[TaskKey] = Field(default_factory=list, max_length=MAX_TASKS)


class SettingChange(Params):
    """One change to a job's compute settings, restored after the retry.

    `path` addresses the value in the job's settings: `job_clusters[KEY].new_cluster.FIELD`,
    `tasks[KEY].new_cluster.FIELD`, `tasks[KEY].timeout_seconds` or `timeout_seconds`; a Spark setting is
    `...new_cluster.spark_conf[NAME]`. `current` is the value the proposal was derived from, None when unset.
    """

    path: str = Field(min_length=1, max_length=300)
    current: str | int | float | bool | None = None
    proposed: str | int | float | bool


class RetryWithNewParams(Params):
    """Repair the run with other job parameters, or with compute settings changed for this repair only."""

    task_keys: list[TaskKey] = Field(default_factory=list, max_length=MAX_TASKS)
    job_parameters: dict[str, str] = Field(default_factory=dict, max_length=100)
    settings: list[SettingChange] = Field(default_factory=list, max_length=20)


class RunUpstreamParams(Params):
    """Run the job that makes what is missing, then repair the failed tasks."""

    job_id: int = Field(gt=0)
    produces: str = Field(min_length=1, max_length=300)
    job_parameters: dict[str, str] = Field(default_factory=dict, max_length=100)
    task_keys: list[TaskKey] = Field(default_factory=list, max_length=MAX_TASKS)


class NotifyParams(Params):
    """Tell the job's owners what they have to mend."""

    recipients: list[str] = Field(default_factory=list, max_length=50)
    message: str = Field(default="", max_length=4000)


class EscalateParams(Params):
    """Wake the next person: Pitstop does not know, or may not go on."""

    recipients: list[str] = Field(default_factory=list, max_length=50)
    reason: str = Field(default="", max_length=4000)


class TerminateParams(Params):
    """Cancel the run that is still going on, pause the job's schedule, or both."""

    cancel_run: bool = True
    pause_schedule: bool = False


class ProposeFixParams(Params):
    """A code patch, as a unified diff, for a draft pull request that a person merges."""

    path: str = Field(min_length=1, max_length=500)
    diff: str = Field(min_length=1, max_length=20_000)


PARAMS: dict[Action, type[Params]] = {
    Action.RETRY: RetryParams,
    Action.RETRY_WITH_NEW_PARAMS: RetryWithNewParams,
    Action.RUN_UPSTREAM: RunUpstreamParams,
    Action.NOTIFY_OWNER: NotifyParams,
    Action.ESCALATE: EscalateParams,
    Action.TERMINATE: TerminateParams,
    Action.PROPOSE_FIX: ProposeFixParams,
}


class Proposal(BaseModel):
    """One concrete action, why, and how sure Pitstop is of it (0..1)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action
    params: dict[str, Any] = Field(default_factory=dict)
    reason: str = Field(default="", max_length=4000)
    confidence: float = Field(default=0.0, ge=0.0, le=1.0)
    #: What the reviewer should know before saying yes, one sentence each.
    risks: list[str] = Field(default_factory=list, max_length=20)
    origin: Literal["rule", "model", "person"] = "rule"

    def checked(self) -> Params:
        """The parameters as their own type.

        Raises:
            InvalidInput: The parameters don't fit the action; the message names each wrong key.
        """
        return check_params(self.action, self.params)


def check_params(action: Action, params: Any) -> Params:
    """Read untrusted `params` as the parameters of `action`.

    Raises:
        InvalidInput: A key is unknown, missing, or of the wrong type.
    """
    try:
        return TypeAdapter(PARAMS[action]).validate_python(params)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'params'}: {e['msg']}" for e in error.errors()[:5]
        )
        raise InvalidInput(f"The parameters do not fit {action.value}: {faults}.") from error


def payload_sha256(incident_id: str, attempt: int, action: Action, params: Params) -> str:
    """The SHA-256 (hex) of exactly what would be sent, over canonical JSON.

    A reviewer approves this hash; `act` computes it again over what it is about to send.
    """
    body = {
        "incident": incident_id,
        "attempt": attempt,
        "action": action.value,
        "params": params.model_dump(mode="json"),
    }
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
