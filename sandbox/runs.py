"""Runs as the sandbox keeps them: a run of a job, its rounds (the original and each repair), its task runs.

Times are epoch milliseconds, durations milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.clock import Timer
from sandbox.job_settings import Settings
from sandbox.jobs import Job
from sandbox.script import Attempt

#: Life cycle states from which nothing changes any more (but by a repair).
TERMINAL = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})
#: Results of a task after which its dependants (with run_if ALL_SUCCESS) may run.
GOOD = frozenset({"SUCCESS", "SUCCESS_WITH_FAILURES"})
#: Results of a task that did not run, by no fault of its own.
NOT_RUN = frozenset({"EXCLUDED", "DISABLED"})


@dataclass(frozen=True)
class Ending:
    """How a task run, a round or a run ended, in the words of both `state` and `status`."""

    life_cycle_state: str
    result_state: str
    code: str
    type: str
    message: str = ""
    #: Set when a person or a timeout ended it.
    stopped: bool = False


@dataclass
class TaskRun:
    """One execution of one task; a retry or a repair makes another one. `attempt` is what it plays."""

    run_id: int
    task: Settings
    attempt_number: int
    original_run_id: int
    repair_id: int | None
    created: int
    retry: int = 0
    life_cycle_state: str = "BLOCKED"
    cluster_spec: Settings | None = None
    cluster_id: str | None = None
    attempt: Attempt | None = None
    start_time: int | None = None
    running_since: int | None = None
    end_time: int | None = None
    ending: Ending | None = None
    timers: list[Timer] = field(default_factory=list)

    @property
    def task_key(self) -> str:
        """The task's name."""
        return self.task["task_key"]

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.ending is not None

    @property
    def result(self) -> str | None:
        """Its result state once it has ended."""
        return self.ending.result_state if self.ending else None


@dataclass
class Round:
    """The original tasks of a run (`repair_id` None) or those of one repair."""

    repair_id: int | None
    start_time: int
    task_run_ids: list[int] = field(default_factory=list)
    end_time: int | None = None
    ending: Ending | None = None


@dataclass
class Run:
    """One run. `settings` are those its latest round uses; `parameters` the job parameters given to it."""

    run_id: int
    run_name: str
    settings: Settings
    parameters: dict[str, str]
    trigger: str
    run_type: str
    start_time: int
    job: Job | None = None
    creator: str = "data-platform@example.com"
    overriding: dict[str, Any] = field(default_factory=dict)
    life_cycle_state: str = "PENDING"
    ending: Ending | None = None
    end_time: int | None = None
    rounds: list[Round] = field(default_factory=list)
    task_runs: list[TaskRun] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    #: Cluster ids of the current round by job cluster key.
    clusters: dict[str, str] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether it has ended (a repair makes it active again)."""
        return self.ending is not None

    @property
    def job_id(self) -> int | None:
        """The job it belongs to; None for a one-time run."""
        return self.job.job_id if self.job else None

    @property
    def latest_repair_id(self) -> int | None:
        """The newest repair's id, None without repairs."""
        return self.rounds[-1].repair_id

    def latest(self) -> dict[str, TaskRun]:
        """The newest task run of each task, by task key."""
        return {task_run.task_key: task_run for task_run in self.task_runs}

    def values(self) -> dict[str, str]:
        """The job parameters' effective values by name."""
        defaults = {p["name"]: str(p.get("default", "")) for p in self.settings.get("parameters") or []}
        return {**defaults, **self.parameters}


def run_ending(task_runs: Iterable[TaskRun]) -> Ending:
    """How a run ends whose tasks ended like these: what counts are the leaves of the task graph.

    A failed run reports INTERNAL_ERROR with FAILED in `state`, while its tasks are TERMINATED.
    """
    latest = {task_run.task_key: task_run for task_run in task_runs}
    inner = {d["task_key"] for task_run in latest.values() for d in task_run.task.get("depends_on") or []}
    leaves = {t.result for key, t in latest.items() if key not in inner}
    failed = [
        t for t in latest.values() if t.result in {"FAILED", "TIMEDOUT", "MAXIMUM_CONCURRENT_RUNS_REACHED"}
    ]
    if leaves & {"FAILED", "TIMEDOUT", "UPSTREAM_FAILED", "MAXIMUM_CONCURRENT_RUNS_REACHED"}:
        kind = (
            "CLOUD_FAILURE" if failed and all(_type(t) == "CLOUD_FAILURE" for t in failed) else "CLIENT_ERROR"
        )
        return Ending("INTERNAL_ERROR", "FAILED", "RUN_EXECUTION_ERROR", kind, _blame(failed))
    if leaves & {"CANCELED", "UPSTREAM_CANCELED"}:
        return Ending("TERMINATED", "CANCELED", "USER_CANCELED", "SUCCESS", "Run cancelled.", stopped=True)
    if failed or any(t.result == "SUCCESS_WITH_FAILURES" for t in latest.values()):
        return Ending("TERMINATED", "SUCCESS_WITH_FAILURES", "SUCCESS_WITH_FAILURES", "SUCCESS")
    return Ending("TERMINATED", "SUCCESS", "SUCCESS", "SUCCESS")


def _type(task_run: TaskRun) -> str:
    return task_run.ending.type if task_run.ending else ""


def _blame(failed: list[TaskRun]) -> str:
    parts = [f"Task {t.task_key} failed with message: {t.ending.message}" for t in failed if t.ending]
    return (
        " ".join(f"{part.rstrip('.')}." for part in parts)
        + " This caused all downstream tasks to get skipped."
    )


def attempt_ending(attempt: Attempt) -> Ending:
    """How a task run ends that plays this attempt; what the scenario leaves open is derived from its result."""
    result = attempt.result
    if result in GOOD:
        default = Ending("TERMINATED", result, result, "SUCCESS")
    elif result == "TIMEDOUT":
        default = timed_out()
    elif result == "CANCELED":
        default = canceled()
    elif result in NOT_RUN:
        default = skipped(result)
    elif result == "MAXIMUM_CONCURRENT_RUNS_REACHED":
        default = Ending("SKIPPED", result, "MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR")
    else:
        message = "Workload failed, see run output for details"
        default = Ending("TERMINATED", "FAILED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR", message)
    return Ending(
        attempt.life_cycle_state or default.life_cycle_state,
        result,
        attempt.code or default.code,
        attempt.type or default.type,
        default.message if attempt.message is None else attempt.message,
        default.stopped,
    )


def timed_out(message: str = "Run timed out.") -> Ending:
    """A task or run that reached its timeout."""
    return Ending("TERMINATED", "TIMEDOUT", "CANCELED", "CLIENT_ERROR", message, stopped=True)


def canceled() -> Ending:
    """A task that was running when its run was cancelled."""
    return Ending("TERMINATED", "CANCELED", "USER_CANCELED", "SUCCESS", "Run cancelled.", stopped=True)


def skipped(result: str) -> Ending:
    """A task that never ran: UPSTREAM_FAILED, UPSTREAM_CANCELED, EXCLUDED or DISABLED."""
    message = {
        "UPSTREAM_FAILED": "Task was skipped because an upstream task failed.",
        "UPSTREAM_CANCELED": "Task was skipped because an upstream task was canceled.",
    }.get(result, "")
    return Ending("TERMINATED", result, "SKIPPED", "CLIENT_ERROR", message)
