"""From the API's JSON to the facts that the rest of Pitstop knows."""

from __future__ import annotations

import time
from typing import Any

from core.run import PastRun, Repair, RunFacts, TaskFacts
from tools.databricks import states, wire
from tools.databricks.secret_settings import named_like_a_secret, without_secrets

MAX_MESSAGE = 4000


def run_facts(run: wire.Run, settings: dict[str, Any], workspace: str) -> RunFacts:
    """A run with its tasks' newest attempts; `settings` are the job's current ones, whole."""
    code, kind = states.termination(run)
    clean = without_secrets(settings)
    return RunFacts(
        workspace=workspace,
        run_id=run.run_id,
        job_id=run.job_id,
        job_name=str(settings.get("name") or run.run_name),
        run_name=run.run_name,
        tags={str(key): str(value) for key, value in (clean.get("tags") or {}).items()},
        creator=run.creator_user_name,
        trigger=run.trigger,
        life_cycle_state=states.life_cycle(run),
        result_state=states.result(run),
        termination_code=code,
        termination_type=kind,
        state_message=states.message(run)[:MAX_MESSAGE],
        start_time=run.start_time,
        end_time=run.end_time,
        duration_seconds=duration(run),
        run_page_url=run.run_page_url,
        job_parameters=parameters(run),
        tasks=[task_facts(task) for task in run.latest_tasks()],
        repairs=[repair_facts(entry) for entry in run.repair_history],
        settings=clean,
    )


def task_facts(task: wire.Task) -> TaskFacts:
    """One attempt of a task."""
    code, kind = states.termination(task)
    cluster = task.cluster_instance.cluster_id if task.cluster_instance else None
    return TaskFacts(
        task_key=task.task_key,
        run_id=task.run_id,
        kind=task.kind,
        depends_on=[upstream.task_key for upstream in task.depends_on],
        life_cycle_state=states.life_cycle(task),
        result_state=states.result(task),
        termination_code=code,
        termination_type=kind,
        state_message=states.message(task)[:MAX_MESSAGE],
        cluster_id=cluster or task.existing_cluster_id,
        job_cluster_key=task.job_cluster_key,
        notebook_path=task.notebook_task.notebook_path if task.notebook_task else None,
        attempt_number=task.attempt_number,
        start_time=task.start_time,
        end_time=task.end_time,
        run_page_url=task.run_page_url,
    )


def repair_facts(entry: wire.Repair) -> Repair:
    """One entry of the repair history."""
    return Repair(
        id=entry.id,
        kind="REPAIR" if entry.id else "ORIGINAL",
        result_state=states.result(entry),
        life_cycle_state=states.life_cycle(entry),
        start_time=entry.start_time,
        end_time=entry.end_time,
        task_run_ids=entry.task_run_ids,
    )


def past_run(run: wire.Run) -> PastRun:
    """An earlier run. runs/list need not give the repair history; without it `repaired` is False."""
    return PastRun(
        run_id=run.run_id,
        result_state=states.result(run),
        start_time=run.start_time,
        duration_seconds=duration(run),
        repaired=bool(run.repairs()),
    )


def duration(run: wire.Run) -> float:
    """Seconds since the run's newest round (the original or the latest repair) started: until it ended, or
    until now. A repair of yesterday's run has not been going on since yesterday."""
    begun = max((entry.start_time or 0 for entry in run.repair_history), default=0) or run.start_time or 0
    if states.active(run):
        return max(0.0, time.time() - begun / 1000) if begun else 0.0
    if run.end_time and begun:
        return max(0.0, (run.end_time - begun) / 1000)
    return (run.run_duration or 0) / 1000


def parameters(run: wire.Run) -> dict[str, str]:
    """The run's job parameters with the values it used, without those that are named like a secret."""
    values = {p.name: p.default if p.value is None else p.value for p in run.job_parameters}
    return {
        name: without_secrets(value)
        for name, value in values.items()
        if value is not None and not named_like_a_secret(name)
    }
