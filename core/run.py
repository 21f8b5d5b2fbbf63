"""Facts about a Databricks run, as read from the Jobs API and cut to a bounded size.

Times are epoch milliseconds, as the Jobs API gives them; durations are seconds.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Fact(BaseModel):
    """Base of all facts: immutable, and tolerant of fields that a newer writer added."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Repair(Fact):
    """One entry of a run's repair history (the original run has no id)."""

    id: int | None = None
    kind: Literal["ORIGINAL", "REPAIR"] = "REPAIR"
    result_state: str | None = None
    life_cycle_state: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    task_run_ids: list[int] = Field(default_factory=list)


class TaskFacts(Fact):
    """One task of a run, in its latest attempt."""

    task_key: str
    run_id: int
    kind: str = "unknown"  # notebook, spark_python, python_wheel, sql, dbt, pipeline, run_job, for_each, ...
    depends_on: list[str] = Field(default_factory=list)
    life_cycle_state: str = ""
    result_state: str | None = None
    termination_code: str | None = None
    termination_type: str | None = None
    state_message: str = ""
    cluster_id: str | None = None
    job_cluster_key: str | None = None
    notebook_path: str | None = None
    attempt_number: int = 0
    start_time: int | None = None
    end_time: int | None = None
    run_page_url: str | None = None


class RunFacts(Fact):
    """One run of a job, with its tasks and repairs, and the settings that a proposal may change."""

    workspace: str
    run_id: int
    job_id: int | None = None
    job_name: str = ""
    run_name: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    creator: str = ""
    trigger: str = ""
    life_cycle_state: str = ""
    result_state: str | None = None
    termination_code: str | None = None
    termination_type: str | None = None
    state_message: str = ""
    start_time: int | None = None
    end_time: int | None = None
    duration_seconds: float = 0.0
    run_page_url: str | None = None
    job_parameters: dict[str, str] = Field(default_factory=dict)
    tasks: list[TaskFacts] = Field(default_factory=list)
    repairs: list[Repair] = Field(default_factory=list)
    #: The job's current settings, as JSON, without anything that looks like a secret.
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def active(self) -> bool:
        """Whether the run is still going on (or being cancelled)."""
        return self.life_cycle_state in {
            "PENDING",
            "QUEUED",
            "RUNNING",
            "TERMINATING",
            "BLOCKED",
            "WAITING_FOR_RETRY",
            "WAITING",
        }

    @property
    def latest_repair_id(self) -> int:
        """The id of the newest repair by its start, 0 when the run was never repaired. Ids need not grow."""
        repairs = [r for r in self.repairs if r.id]
        return max(repairs, key=lambda r: r.start_time or 0).id or 0 if repairs else 0

    @property
    def failed_tasks(self) -> list[TaskFacts]:
        """Tasks that failed by themselves: not those skipped because something upstream failed."""
        return [
            t
            for t in self.tasks
            if t.result_state in {"FAILED", "TIMEDOUT", "SUCCESS_WITH_FAILURES", "CANCELED"}
        ]


class TaskOutput(Fact):
    """What one failed task left behind. Texts are redacted and cut; the whole of each is an artifact."""

    task_key: str
    run_id: int
    error: str = ""
    error_trace: str = ""
    logs: str = ""
    logs_truncated: bool = False
    notebook_result: str = ""
    notebook_truncated: bool = False
    #: Driver and cluster log excerpts by file name, newest part last.
    cluster_logs: dict[str, str] = Field(default_factory=dict)
    cluster_events: list[dict[str, Any]] = Field(default_factory=list)
    #: Lines that the same task logged in a good run of the job, one of each kind.
    good_log: str = ""
    #: The lines around the failing line of the program, numbered as in the source.
    source: str = ""
    #: Name -> artifact id of the texts kept whole.
    artifacts: dict[str, str] = Field(default_factory=dict)
    #: What could not be read, and why; never a reason to fail.
    missing: list[str] = Field(default_factory=list)
    secrets_redacted: int = 0


class PastRun(Fact):
    """One earlier run of the same job, for the prediction."""

    run_id: int
    result_state: str | None = None
    start_time: int | None = None
    duration_seconds: float = 0.0
    repaired: bool = False
