"""The life of a task run: BLOCKED, PENDING while its cluster starts, RUNNING, over; retried when its settings say so.

What it does is played from its script: the attempt picked by how often the task was executed in its job, or the
`success` attempt where the script's conditions hold. Scripted seconds pass `clock.speed * clock_speed` times as
fast as real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import yaml

from sandbox.clock import Timer
from sandbox.conditions import Situation, holds
from sandbox.job_settings import Settings, cluster_spec, log_destination
from sandbox.runs import Ending, Run, TaskRun, attempt_ending, timed_out
from sandbox.script import Attempt, TaskScript
from sandbox.workspace import Workspace


class Over(Protocol):
    """Told when a task run has ended; `final` when no retry follows."""

    def __call__(self, run: Run, task_run: TaskRun, final: bool) -> None: ...


class Tasks:
    """Creates, starts and ends task runs."""

    def __init__(self, workspace: Workspace, over: Over) -> None:
        self.workspace = workspace
        self.timeline = workspace.timeline
        self._over = over

    def create(self, run: Run, task: Settings, older: TaskRun | None, retry: int = 0) -> TaskRun:
        """A new task run that waits for its dependencies; `older` is the one it repeats."""
        run_id = self.workspace.new_id()
        task_run = TaskRun(
            run_id=run_id,
            task=task,
            attempt_number=older.attempt_number + 1 if older else 0,
            original_run_id=older.original_run_id if older else run_id,
            repair_id=run.rounds[-1].repair_id,
            created=self.timeline.now,
            retry=retry,
        )
        self.workspace.add_task_run(run, task_run)
        return task_run

    def start(self, run: Run, task_run: TaskRun, now: int) -> None:
        """Give it a cluster and begin to play its attempt. `now` may lie in the past (what began long ago)."""
        task_run.life_cycle_state = "PENDING"
        task_run.start_time = now
        task_run.cluster_spec = cluster_spec(run.settings, task_run.task)
        task_run.cluster_id = self._cluster(run, task_run, now)
        attempt = task_run.attempt = self._pick(run, task_run)
        self._play_cluster_events(run, task_run, attempt, now)
        if attempt.seconds > 0 or attempt.never_ends:
            task_run.timers.append(
                self.after(run, attempt.setup_seconds, lambda: self._running(run, task_run))
            )
        limit = task_run.task.get("timeout_seconds") or 0
        length = attempt.setup_seconds + attempt.seconds
        if limit > 0 and (attempt.never_ends or attempt.seconds > limit):
            ending = timed_out(
                f"Run timed out. Task {task_run.task_key} exceeded its timeout of {limit} seconds."
            )
            length = attempt.setup_seconds + limit
        elif attempt.never_ends:
            return
        else:
            ending = attempt_ending(attempt)
        end = self.after(run, length, lambda: self.end(run, task_run, ending, self.timeline.now))
        task_run.timers.append(end)

    def stop(self, task_run: TaskRun) -> None:
        """Nothing more happens to it by itself."""
        for timer in task_run.timers:
            timer.cancel()
        if task_run.start_time is not None:
            task_run.life_cycle_state = "TERMINATING"

    def end(self, run: Run, task_run: TaskRun, ending: Ending, now: int, *, retry: bool = True) -> None:
        """It is over: logs are delivered, and it is retried if its settings say so (and `retry`)."""
        for timer in task_run.timers:
            timer.cancel()
        task_run.ending, task_run.end_time = ending, now
        task_run.life_cycle_state = ending.life_cycle_state
        if task_run.start_time is None:  # skipped: it never ran, so nobody waits to hear of it
            task_run.start_time = now
            return
        self._deliver_logs(run, task_run, now)
        if task_run.cluster_id and task_run.cluster_id not in run.clusters.values():
            self.workspace.clusters[task_run.cluster_id].terminate(now)
        again = retry and self._again(task_run, ending)
        if again:
            new = self.create(run, task_run.task, task_run, task_run.retry + 1)
            new.life_cycle_state = "WAITING_FOR_RETRY"
            wait = (task_run.task.get("min_retry_interval_millis") or 0) / 1000
            new.timers.append(self.after(run, wait, lambda: self.start(run, new, self.timeline.now)))
        self._over(run, task_run, not again)

    def after(self, run: Run, seconds: float, call: Callable[[], None]) -> Timer:
        """Have something called after scenario seconds of this run."""
        play = run.job.play if run.job else None
        speed = self.workspace.clock.speed * (play.scenario.clock_speed if play else 1.0)
        return self.timeline.at(self.timeline.now + round(seconds * 1000 / speed), call)

    def _again(self, task_run: TaskRun, ending: Ending) -> bool:
        allowed = task_run.task.get("max_retries") or 0
        failed = ending.result_state == "FAILED" or (
            ending.result_state == "TIMEDOUT" and bool(task_run.task.get("retry_on_timeout"))
        )
        return failed and (allowed < 0 or task_run.retry < allowed)

    def _running(self, run: Run, task_run: TaskRun) -> None:
        task_run.life_cycle_state = "RUNNING"
        task_run.running_since = self.timeline.now
        if run.life_cycle_state == "PENDING":
            run.life_cycle_state = "RUNNING"
        if task_run.cluster_id:
            cluster = self.workspace.clusters[task_run.cluster_id]
            if not any(event["type"] == "RUNNING" for event in cluster.events):
                cluster.add_event(
                    "RUNNING", self.timeline.now, {"current_num_workers": _workers(cluster.spec)}
                )

    def _cluster(self, run: Run, task_run: TaskRun, now: int) -> str | None:
        existing = task_run.task.get("existing_cluster_id")
        if existing:
            return existing if existing in self.workspace.clusters else None
        if task_run.cluster_spec is None:
            return None
        key = task_run.task.get("job_cluster_key")
        if key and key in run.clusters and not self.workspace.clusters[run.clusters[key]].terminated(now):
            return run.clusters[key]
        name = f"job-{run.job_id or 0}-run-{run.run_id}-{key or task_run.task_key}"
        cluster = self.workspace.new_cluster(name, task_run.cluster_spec, now)
        if key:
            run.clusters[key] = cluster.cluster_id
        return cluster.cluster_id

    def _pick(self, run: Run, task_run: TaskRun) -> Attempt:
        job = run.job
        if job is None or job.script is None:
            return Attempt()
        script: TaskScript = job.script.script(task_run.task_key)
        number = job.executions.get(task_run.task_key, 0)
        job.executions[task_run.task_key] = number + 1
        situation = self._situation(run, task_run)
        if any(holds(conditions, situation) for conditions in script.succeeds_if):
            return script.success
        return script.attempt(number)

    def _situation(self, run: Run, task_run: TaskRun) -> Situation:
        play = run.job.play if run.job else None
        since = play.started if play else run.start_time
        speed = self.workspace.clock.speed * (play.scenario.clock_speed if play else 1.0)
        limits = (task_run.task.get("timeout_seconds") or 0, run.settings.get("timeout_seconds") or 0)
        return Situation(
            parameters=run.values(),
            cluster=task_run.cluster_spec or {},
            timeouts=limits,
            seconds=(self.timeline.now - since) / 1000 * speed,
            succeeded_jobs=self.workspace.succeeded_jobs(since),
            outages=frozenset(self.workspace.outages),
        )

    def _play_cluster_events(self, run: Run, task_run: TaskRun, attempt: Attempt, now: int) -> None:
        play = run.job.play if run.job else None
        if not task_run.cluster_id or not play:
            return
        events: Any = attempt.cluster_events
        if isinstance(events, str):
            events = yaml.safe_load(play.scenario.text(events)) or []
        speed = self.workspace.clock.speed * play.scenario.clock_speed
        for event in events:
            when = now + round(float(event.get("after_seconds", 0)) * 1000 / speed)
            self.workspace.clusters[task_run.cluster_id].add_event(event["type"], when, event.get("details"))

    def _deliver_logs(self, run: Run, task_run: TaskRun, now: int) -> None:
        """Cluster logs arrive where the cluster's specification says, as on the real service."""
        play = run.job.play if run.job else None
        if not (play and task_run.cluster_id and task_run.attempt):
            return
        target = log_destination(task_run.cluster_spec)
        if target is None:
            return
        for name, source in task_run.attempt.cluster_logs.items():
            path = f"{target}/{task_run.cluster_id}/{name}"
            self.workspace.files.append(path, play.scenario.read(source), now)


def _workers(spec: Settings) -> int:
    return int(spec.get("num_workers") or (spec.get("autoscale") or {}).get("min_workers") or 0)
