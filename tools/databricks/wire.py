"""The parts of the Jobs API's JSON that are read, tolerant of everything else in it.

Field names are the API's (Jobs API 2.2). Times are epoch milliseconds, durations milliseconds. A value that
does not fit is a `pydantic.ValidationError`, which the readers turn into `WorkspaceUnavailable`.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

T = TypeVar("T")

#: The API leaves arrays out, or sends null for them.
Items = Annotated[list[T], BeforeValidator(lambda value: value or [])]
Text = Annotated[str, BeforeValidator(lambda value: value or "")]
#: 0 stands for "not yet".
Millis = Annotated[int | None, BeforeValidator(lambda value: value or None)]


class Wire(BaseModel):
    """Base of the parts."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)


class LegacyState(Wire):
    """`state`, which the API calls deprecated and alone holds `result_state`."""

    life_cycle_state: Text = ""
    result_state: str | None = None
    state_message: Text = ""


class TerminationDetails(Wire):
    """Why something ended; codes and types are open sets."""

    code: str | None = None
    type: str | None = None
    message: Text = ""


class Status(Wire):
    """`status`, the newer word for `state`."""

    state: Text = ""
    termination_details: TerminationDetails = TerminationDetails()


class Stated(Wire):
    """Anything that has a state, in either or both of the two ways."""

    state: LegacyState | None = None
    status: Status | None = None
    start_time: Millis = None
    end_time: Millis = None


class Upstream(Wire):
    """An entry of `depends_on`."""

    task_key: str


class NotebookTask(Wire):
    """A notebook task's settings."""

    notebook_path: Text = ""
    source: str | None = None


class ClusterInstance(Wire):
    """The cluster that a task ran on."""

    cluster_id: str | None = None


class Task(Stated):
    """One attempt of one task."""

    task_key: str
    run_id: int
    kind: str = "unknown"
    depends_on: Items[Upstream] = Field(default_factory=list)
    cluster_instance: ClusterInstance | None = None
    existing_cluster_id: str | None = None
    job_cluster_key: str | None = None
    notebook_task: NotebookTask | None = None
    attempt_number: int = 0
    run_page_url: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _kind(cls, data: Any) -> Any:
        """A task is of the kind whose settings it has: `notebook_task` makes it a `notebook`."""
        if not isinstance(data, dict):
            return data
        found = next((key for key, value in data.items() if key.endswith("_task") and value), None)
        return {**data, "kind": found.removesuffix("_task") if found else "unknown"}


class Repair(Stated):
    """One entry of `repair_history`; the original run has no id."""

    id: int | None = None
    type: str = "REPAIR"
    task_run_ids: Items[int] = Field(default_factory=list)


class Parameter(Wire):
    """One entry of `job_parameters`."""

    name: str
    default: str | None = None
    value: str | None = None


class Run(Stated):
    """A run, as runs/get and runs/list give it."""

    run_id: int
    job_id: int | None = None
    run_name: Text = ""
    creator_user_name: Text = ""
    trigger: Text = ""
    run_duration: int | None = None
    run_page_url: str | None = None
    job_parameters: Items[Parameter] = Field(default_factory=list)
    tasks: Items[Task] = Field(default_factory=list)
    iterations: Items[Task] = Field(default_factory=list)
    repair_history: Items[Repair] = Field(default_factory=list)

    def latest_tasks(self) -> list[Task]:
        """The newest attempt of each task, in the order in which the tasks first appear."""
        newest: dict[str, Task] = {}
        for task in self.tasks:
            known = newest.get(task.task_key)
            if known is None or _age(task) >= _age(known):
                newest[task.task_key] = task
        return list(newest.values())

    def repairs(self) -> list[Repair]:
        """The repairs without the original, oldest first. Ids tell nothing of the order."""
        found = [entry for entry in self.repair_history if entry.id]
        return sorted(found, key=lambda entry: entry.start_time or 0)


def _age(task: Task) -> tuple[int, float]:
    """Later attempts are greater; one that has not started yet is later than one that has."""
    return task.attempt_number, task.start_time or float("inf")
