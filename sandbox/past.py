"""The runs that a job has had before a scenario begins."""

from __future__ import annotations

from sandbox.job_settings import cluster_spec, dependants, log_destination
from sandbox.jobs import Job
from sandbox.runs import GOOD, Ending, Round, Run, TaskRun, attempt_ending, run_ending, skipped
from sandbox.script import Attempt, JobScript, PastRuns
from sandbox.workspace import Workspace


def add_history(workspace: Workspace, job: Job, script: JobScript) -> None:
    """Add the script's `history`; the newest run began `history_every_seconds` ago. Durations are real seconds."""
    entries = [entry for entry in script.history for _ in range(entry.count)]
    every = round(script.history_every_seconds * 1000)
    for back, entry in zip(range(len(entries), 0, -1), entries, strict=True):
        run = _past_run(workspace, job, script, entry, workspace.timeline.now - back * every)
        workspace.runs[run.run_id] = run


def _past_run(workspace: Workspace, job: Job, script: JobScript, entry: PastRuns, start: int) -> Run:
    run = Run(
        run_id=workspace.new_id(),
        run_name=job.name,
        settings=job.settings,
        parameters={},
        trigger="PERIODIC",
        run_type="JOB_RUN",
        start_time=start,
        job=job,
    )
    length = round(entry.seconds * 1000)
    tasks = job.settings["tasks"]
    failed = set(entry.failed_tasks)
    if not failed and (entry.result not in ("SUCCESS", "SUCCESS_WITH_FAILURES") or entry.repaired):
        failed = {tasks[-1]["task_key"]}
    result = "FAILED" if entry.repaired or entry.result == "SUCCESS_WITH_FAILURES" else entry.result
    held_up = dependants(tasks, failed) - failed
    if entry.result == "SUCCESS_WITH_FAILURES":
        held_up = set()
    run.rounds.append(Round(None, start))
    for task in tasks:
        key = task["task_key"]
        attempt = script.script(key).attempt(0) if key in failed else script.script(key).past
        ending = attempt_ending(
            attempt if key not in failed else attempt.model_copy(update={"result": result})
        )
        _add(
            workspace,
            run,
            task,
            attempt,
            skipped("UPSTREAM_FAILED") if key in held_up else ending,
            start,
            length,
        )
    _close(run, start + length, entry.result if entry.result in ("TIMEDOUT", "CANCELED") else None)
    if entry.repaired:
        run.rounds.append(Round(workspace.new_id(), start + 2 * length))
        for task in [t for t in tasks if t["task_key"] in failed | held_up]:
            past = script.script(task["task_key"]).past
            _add(workspace, run, task, past, attempt_ending(past), start + 2 * length, length)
        _close(run, start + 3 * length, None)
    return run


def _add(
    workspace: Workspace,
    run: Run,
    task: dict[str, object],
    attempt: Attempt,
    ending: Ending,
    start: int,
    length: int,
) -> None:
    run_id = workspace.new_id()
    older = run.latest().get(str(task["task_key"]))
    ran = ending.code != "SKIPPED"
    task_run = TaskRun(
        run_id=run_id,
        task=task,
        attempt_number=older.attempt_number + 1 if older else 0,
        original_run_id=older.original_run_id if older else run_id,
        repair_id=run.rounds[-1].repair_id,
        created=start,
        life_cycle_state=ending.life_cycle_state,
        attempt=attempt if ran else None,
        start_time=start if ran else start + length,
        running_since=start if ran else None,
        end_time=start + length,
        ending=ending,
    )
    workspace.add_task_run(run, task_run)
    if ran and attempt.cluster_logs and ending.result_state in GOOD:
        _leave_logs(workspace, run, task_run, attempt)


def _leave_logs(workspace: Workspace, run: Run, task_run: TaskRun, attempt: Attempt) -> None:
    """What a good run's cluster delivered, where its specification says."""
    spec = cluster_spec(run.settings, task_run.task)
    target = log_destination(spec)
    play = run.job.play if run.job else None
    if spec is None or target is None or play is None:
        return
    name = f"job-{run.job_id or 0}-run-{run.run_id}-{task_run.task_key}"
    cluster = workspace.new_cluster(name, spec, task_run.created)
    cluster.terminate(task_run.end_time or task_run.created)
    task_run.cluster_spec, task_run.cluster_id = spec, cluster.cluster_id
    for file, source in attempt.cluster_logs.items():
        content = play.scenario.read(source)
        workspace.files.put(f"{target}/{cluster.cluster_id}/{file}", content, task_run.created)


def _close(run: Run, end: int, stopped_as: str | None) -> None:
    ending = run_ending(run.task_runs)
    if stopped_as:
        code = "USER_CANCELED" if stopped_as == "CANCELED" else "CANCELED"
        ending = Ending("TERMINATED", stopped_as, code, "CLIENT_ERROR", ending.message, stopped=True)
    run.ending, run.end_time, run.life_cycle_state = ending, end, ending.life_cycle_state
    run.rounds[-1].ending, run.rounds[-1].end_time = ending, end
