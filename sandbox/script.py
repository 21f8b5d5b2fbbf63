"""What a job in the sandbox does: one script for each task, attempt after attempt.

The scenario file's text (`sandbox.scenario`) explains every key.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

#: Task types whose run output carries no `logs` (theirs are in the cluster's log files).
TASKS_WITHOUT_LOGS = ("notebook_task", "pipeline_task", "spark_submit_task")

Result = Literal[
    "SUCCESS",
    "FAILED",
    "TIMEDOUT",
    "CANCELED",
    "SUCCESS_WITH_FAILURES",
    "EXCLUDED",
    "DISABLED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED",
]
WebhookMode = Literal["normal", "lost", "doubled", "late", "out_of_order"]
Text = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)]


class Part(BaseModel):
    """Base of the file's parts: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ParameterTest(Part):
    """What a job parameter must be; all given tests hold. `at_least` compares numbers."""

    equals: Text | None = None
    at_least: float | None = None
    any_of: list[Text] | None = None


class Conditions(Part):
    """When a task succeeds after all; every given entry must hold (see the module's text)."""

    parameters: dict[str, ParameterTest] = Field(default_factory=dict)
    spark_conf: dict[str, Text] = Field(default_factory=dict)
    node_type: list[str] | None = None
    driver_node_type: list[str] | None = None
    elastic_disk: bool | None = None
    num_workers: int | None = None
    timeout_seconds: int | None = None
    job_succeeded: str | None = None
    after_seconds: float | None = None
    outage_over: str | None = None


class Attempt(Part):
    """One execution of a task: `setup_seconds` of waiting for its cluster, then `seconds` of running, in scenario
    seconds; with 0 `seconds` it never gets to run, as when the cluster can't start. `error_trace`, `logs`,
    `notebook_result`, `export` and the values of `cluster_logs` are file names."""

    result: Result = "SUCCESS"
    seconds: float = Field(default=30, ge=0)
    setup_seconds: float = Field(default=5, ge=0)
    never_ends: bool = False
    life_cycle_state: Literal["TERMINATED", "INTERNAL_ERROR", "SKIPPED"] | None = None
    code: str | None = None
    type: Literal["SUCCESS", "INTERNAL_ERROR", "CLIENT_ERROR", "CLOUD_FAILURE"] | None = None
    message: str | None = None
    error: str | None = None
    error_trace: str | None = None
    logs: str | None = None
    notebook_result: str | None = None
    #: The HTML that runs/export gives; without it the sandbox renders the notebook's source and its end.
    export: str | None = None
    cluster_logs: dict[str, str] = Field(default_factory=dict)
    #: Clusters API events (`type`, `details`), each with `after_seconds` from the attempt's start in place of
    #: a timestamp; or the name of a YAML file holding such a list.
    cluster_events: list[dict[str, Any]] | str = Field(default_factory=list)
    #: Further fields of the run output, as they are: sql_output, dbt_output, run_job_output, info, ...
    output: dict[str, Any] = Field(default_factory=dict)

    def files(self) -> Iterator[str]:
        """The names of all files this attempt needs."""
        yield from filter(None, (self.error_trace, self.logs, self.notebook_result, self.export))
        yield from self.cluster_logs.values()
        if isinstance(self.cluster_events, str):
            yield self.cluster_events


class TaskScript(Part):
    """What one task does, execution after execution."""

    attempts: list[Attempt] = Field(default_factory=lambda: [Attempt()], min_length=1)
    succeeds_if: list[Conditions] = Field(default_factory=list)
    success: Attempt = Attempt()
    #: What its good runs of the past left behind.
    past: Attempt = Attempt()

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("succeeds_if"), dict):
            return {**data, "succeeds_if": [data["succeeds_if"]]}
        return data

    def attempt(self, number: int) -> Attempt:
        """The script of execution `number`, counting from 0; the last one repeats."""
        return self.attempts[min(number, len(self.attempts) - 1)]


class PastRuns(Part):
    """`count` earlier runs alike. `repaired`: it failed first, and a repair brought it to SUCCESS."""

    result: Result = "SUCCESS"
    count: int = Field(default=1, ge=1)
    seconds: float = Field(default=300, ge=0)
    failed_tasks: list[str] = Field(default_factory=list)
    repaired: bool = False


class JobScript(Part):
    """A job's settings and how it behaves."""

    job: dict[str, Any]
    tasks: dict[str, TaskScript] = Field(default_factory=dict)
    history: list[PastRuns] = Field(default_factory=list)
    history_every_seconds: float = Field(default=86_400, gt=0)

    @model_validator(mode="after")
    def _hangs_together(self) -> JobScript:
        keys = [task.get("task_key") for task in self.job.get("tasks", [])]
        if not self.job.get("name") or not keys or None in keys or len(set(keys)) < len(keys):
            raise ValueError("job needs a name and tasks with distinct task_keys")
        for task in self.job["tasks"]:
            for upstream in task.get("depends_on", []):
                if upstream.get("task_key") not in keys:
                    raise ValueError(
                        f"{task['task_key']} depends on {upstream.get('task_key')!r}, which is no task"
                    )
            script = self.script(task["task_key"])
            has_logs = any(a.logs for a in [*script.attempts, script.success])
            if has_logs and any(kind in task for kind in TASKS_WITHOUT_LOGS):
                raise ValueError(f"{task['task_key']}: its kind of task has no logs; use cluster_logs")
        for pattern in self.tasks:
            if not fnmatch.filter(keys, pattern):
                raise ValueError(f"tasks.{pattern} matches no task of the job")
        strangers = {key for past in self.history for key in past.failed_tasks} - set(keys)
        if strangers:
            raise ValueError(f"history names unknown tasks {sorted(strangers)}")
        return self

    def script(self, task_key: str) -> TaskScript:
        """How this task behaves: its own entry, else the first glob that matches, else it just succeeds."""
        if task_key in self.tasks:
            return self.tasks[task_key]
        return next((s for p, s in self.tasks.items() if fnmatch.fnmatchcase(task_key, p)), TaskScript())
