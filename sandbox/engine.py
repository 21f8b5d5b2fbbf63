"""The life of runs: started, repaired, cancelled, ended. The life of their tasks is in `sandbox.tasks`.

Nothing is executed: what a task does is played from its script, on the workspace's timeline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.job_settings import Settings
from sandbox.jobs import Job
from sandbox.refusal import invalid, wrong_state
from sandbox.runs import GOOD, Ending, Round, Run, TaskRun, canceled, run_ending, skipped, timed_out
from sandbox.selection import select, to_repair
from sandbox.tasks import Tasks
from sandbox.workspace import Workspace

#: Scenario seconds between the request to cancel and its effect.
CANCEL_SECONDS = 3


class Engine:
    """Changes runs. `on_started` and `on_ended` are told of every round of every run, and `on_task_failed` of
    each task that failed for good."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.timeline = workspace.timeline
        self.tasks = Tasks(workspace, self._task_over)
        self._queued: list[tuple[Run, set[str]]] = []
        self.on_started: list[Callable[[Run], None]] = []
        self.on_ended: list[Callable[[Run], None]] = []
        self.on_task_failed: list[Callable[[Run, TaskRun], None]] = []

    def start(
        self,
        settings: Settings,
        *,
        job: Job | None = None,
        name: str | None = None,
        parameters: dict[str, str] | None = None,
        trigger: str = "ONE_TIME",
        only: list[str] | None = None,
        queue: bool | None = None,
        overriding: dict[str, Any] | None = None,
        ago_seconds: float = 0,
    ) -> Run:
        """Start a run of a job, or (without one) a one-time run.

        Raises:
            Refusal: 400, `only` names a task that is not there.
        """
        keys = select(settings.get("tasks") or [], only)
        busy = job is not None and self._active(job) >= settings.get("max_concurrent_runs", 1)
        with self.timeline.moment():
            run = Run(
                run_id=self.workspace.new_id(),
                run_name=name or settings.get("name") or "Untitled",
                settings=settings,
                parameters=dict(parameters or {}),
                trigger=trigger,
                run_type="JOB_RUN" if job else "SUBMIT_RUN",
                start_time=self.timeline.now - round(ago_seconds * 1000),
                job=job,
                overriding=overriding or {},
            )
            run.rounds.append(Round(None, run.start_time))
            self.workspace.runs[run.run_id] = run
            self._place(run, keys, busy=busy, queue=queue)
        return run

    def repair(
        self,
        run: Run,
        *,
        rerun_tasks: list[str] | None = None,
        rerun_all_failed_tasks: bool = False,
        rerun_dependent_tasks: bool = False,
        latest_repair_id: int | None = None,
        parameters: dict[str, str] | None = None,
        overriding: dict[str, Any] | None = None,
    ) -> int:
        """Run tasks of an ended run again, with the job's current settings. Returns the repair's id.

        Raises:
            Refusal: 400, the run is active, the repair id is not the latest, or there is nothing to run.
        """
        if not run.over:
            raise wrong_state(f"Run {run.run_id} is still in progress and cannot be repaired.")
        self._check_latest(run, latest_repair_id)
        if bool(rerun_tasks) == bool(rerun_all_failed_tasks):
            raise invalid("Exactly one of 'rerun_tasks' or 'rerun_all_failed_tasks' must be provided.")
        settings = run.job.settings if run.job and run.job.job_id in self.workspace.jobs else run.settings
        keys = to_repair(run, settings.get("tasks") or [], rerun_tasks, dependent=rerun_dependent_tasks)
        repair_id = self.workspace.new_id()
        with self.timeline.moment():
            run.rounds.append(Round(repair_id, self.timeline.now))
            run.settings = settings
            run.parameters = {**run.parameters, **(parameters or {})}
            run.overriding = {**run.overriding, **(overriding or {})}
            run.ending, run.end_time = None, None
            self._begin(run, keys, started=self.timeline.now)
        return repair_id

    def cancel(self, run: Run) -> bool:
        """Ask a run to stop; it does so a little later. False when it has ended or is stopping already."""
        if run.over or run.life_cycle_state == "TERMINATING":
            return False
        run.life_cycle_state = "TERMINATING"
        for task_run in run.latest().values():
            if not task_run.over:
                self.tasks.stop(task_run)
        self.tasks.after(run, CANCEL_SECONDS, lambda: self._stop(run, canceled()))
        return True

    def cancel_task(self, run: Run, task_run: TaskRun) -> bool:
        """Ask one task to stop. False when it has ended or is stopping already."""
        if task_run.over or task_run.life_cycle_state == "TERMINATING":
            return False
        self.tasks.stop(task_run)

        def stop() -> None:
            if not task_run.over:
                self.tasks.end(run, task_run, canceled(), self.timeline.now, retry=False)
                self._go_on(run, self.timeline.now)

        self.tasks.after(run, CANCEL_SECONDS, stop)
        return True

    def _place(self, run: Run, keys: set[str], *, busy: bool, queue: bool | None) -> None:
        """Begin a new run, queue it, or skip it."""
        if not busy:
            self._begin(run, keys, started=run.start_time)
        elif queue if queue is not None else (run.settings.get("queue") or {}).get("enabled"):
            run.life_cycle_state = "QUEUED"
            self._queued.append((run, keys))
        else:
            message = "Run was skipped because the maximum number of concurrent runs of its job was reached."
            ending = Ending(
                "SKIPPED",
                "MAXIMUM_CONCURRENT_RUNS_REACHED",
                "MAX_CONCURRENT_RUNS_EXCEEDED",
                "CLIENT_ERROR",
                message,
            )
            self._end(run, ending)

    def _check_latest(self, run: Run, latest_repair_id: int | None) -> None:
        latest = run.latest_repair_id
        if latest is not None and latest_repair_id is None:
            raise invalid("The latest repair ID needs to be provided in order to create a new repair")
        if latest_repair_id is not None and latest_repair_id != latest:
            raise invalid(
                f"The provided latest repair ID {latest_repair_id} does not match the latest repair ID of run "
                f"{run.run_id}."
            )

    def _active(self, job: Job) -> int:
        runs = self.workspace.runs.values()
        return sum(run.job is job and not run.over and run.life_cycle_state != "QUEUED" for run in runs)

    def _dequeue(self, job: Job | None) -> None:
        for entry in self._queued:
            run, keys = entry
            if run.job is job:
                self._queued.remove(entry)
                if run.life_cycle_state == "QUEUED":
                    self._begin(run, keys, started=self.timeline.now)
                return

    def _begin(self, run: Run, keys: set[str], *, started: int) -> None:
        run.life_cycle_state = "PENDING"
        run.clusters = {}
        older = run.latest()
        for task in run.settings.get("tasks") or []:
            if task["task_key"] in keys:
                self.tasks.create(run, task, older.get(task["task_key"]))
        limit = run.settings.get("timeout_seconds") or 0
        if limit > 0:
            run.timers.append(self.tasks.after(run, limit, lambda: self._stop(run, timed_out())))
        for told in self.on_started:
            told(run)
        self._go_on(run, started)

    def _go_on(self, run: Run, now: int) -> None:
        """Start or skip each task whose dependencies have ended; end the run when all tasks have."""
        moved = True
        while moved:
            moved = False
            latest = run.latest()
            for task_run in latest.values():
                if task_run.life_cycle_state != "BLOCKED":
                    continue
                verdict = self._verdict(task_run, latest)
                if verdict == "RUN":
                    self.tasks.start(run, task_run, now)
                elif verdict:
                    self.tasks.end(run, task_run, skipped(verdict), now)
                moved = moved or verdict is not None
        if not run.over and all(task_run.over for task_run in run.latest().values()):
            self._end(run, run_ending(run.task_runs))

    def _verdict(self, task_run: TaskRun, latest: dict[str, TaskRun]) -> str | None:
        """RUN, the result state of a task that must not run, or None while its dependencies go on."""
        upstream = [
            latest[d["task_key"]] for d in task_run.task.get("depends_on") or [] if d["task_key"] in latest
        ]
        if not all(t.over for t in upstream):
            return None
        results = [t.result or "" for t in upstream]
        good = sum(r in GOOD for r in results)
        bad = sum(
            r in {"FAILED", "TIMEDOUT", "UPSTREAM_FAILED", "MAXIMUM_CONCURRENT_RUNS_REACHED"} for r in results
        )
        rule = task_run.task.get("run_if", "ALL_SUCCESS")
        may_run = {
            "ALL_SUCCESS": good == len(results),
            "AT_LEAST_ONE_SUCCESS": good > 0 or not results,
            "NONE_FAILED": bad == 0,
            "ALL_DONE": True,
            "AT_LEAST_ONE_FAILED": bad > 0,
            "ALL_FAILED": bad == len(results) and bool(results),
        }
        if may_run.get(rule, True):
            return "RUN"
        if rule != "ALL_SUCCESS":
            return "EXCLUDED"
        if bad:
            return "UPSTREAM_FAILED"
        canceled_above = any(r in {"CANCELED", "UPSTREAM_CANCELED"} for r in results)
        return "UPSTREAM_CANCELED" if canceled_above else "EXCLUDED"

    def _task_over(self, run: Run, task_run: TaskRun, final: bool) -> None:
        """A task has ended; `final` when it will not be retried."""
        if final and task_run.result in {"FAILED", "TIMEDOUT"}:
            for told in self.on_task_failed:
                told(run, task_run)
        if run.life_cycle_state != "TERMINATING":
            self._go_on(run, self.timeline.now)

    def _stop(self, run: Run, ending: Ending) -> None:
        """End a run from outside: every task that is not over ends like it or is skipped."""
        if run.over:
            return
        run.life_cycle_state = "TERMINATING"
        for task_run in run.latest().values():
            if task_run.over:
                continue
            started = task_run.start_time is not None
            above = "UPSTREAM_CANCELED" if ending.result_state == "CANCELED" else "UPSTREAM_FAILED"
            self.tasks.end(
                run, task_run, ending if started else skipped(above), self.timeline.now, retry=False
            )
        self._end(run, ending)

    def _end(self, run: Run, ending: Ending) -> None:
        now = self.timeline.now
        for timer in run.timers:
            timer.cancel()
        run.timers = []
        run.ending, run.end_time = ending, now
        run.life_cycle_state = ending.life_cycle_state
        run.rounds[-1].ending, run.rounds[-1].end_time = ending, now
        for cluster_id in run.clusters.values():
            self.workspace.clusters[cluster_id].terminate(now)
        for told in self.on_ended:
            told(run)
        self._dequeue(run.job)
