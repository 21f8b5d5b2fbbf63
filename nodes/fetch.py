"""Open or find the incident, and read the run it is about."""

import json
from typing import Any

from langgraph.runtime import Runtime

from core.errors import Conflict, RunNotFound
from core.incident import FINISHED, LEFT_TO_PEOPLE, Status
from core.policy import Rules
from core.run import RunFacts
from nodes.context import Context
from nodes.outputs import settings_key
from nodes.rows import IncidentRow
from nodes.state import GRAPH_VERSION, State

#: Tasks kept in the state, and failed tasks read: a run of a thousand tasks must still fit a checkpoint.
MAX_TASKS = 60
MAX_FAILED = 30
FAILED_STATES = frozenset({"FAILED", "TIMEDOUT", "SUCCESS_WITH_FAILURES", "MAXIMUM_CONCURRENT_RUNS_REACHED"})


async def fetch(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Read the run and decide whether there is anything to investigate.

    Goes on to `fetch_task` for each failed task (or each notebook task of a run that "succeeded", whose exit
    value may say otherwise), to `verify` when somebody else's repair is under way, or to the end.

    Raises:
        WorkspaceUnavailable, WorkspaceRefused: The run can't be read now; the thread stays where it is.
    """
    ctx = runtime.context
    thread_id = runtime.execution_info.thread_id if runtime.execution_info else None
    incident_id = state.get("incident_id")
    try:
        run = ctx.investigator.clean(await ctx.workspace.run(await _run_id(state, ctx)))
    except RunNotFound as error:
        return await _nothing_to_do(ctx, incident_id, str(error))
    rules = ctx.policy.rules_for(run.job_name, run.tags)
    if incident_id is None and not worth_investigating(run, rules):
        return {"outcome": "closed", "refusal": f"Run {run.run_id} has not failed.", "route": "end"}
    try:
        row = await ctx.store.open_incident(run, thread_id=thread_id, incident_id=incident_id)
    except Conflict as error:
        return {"outcome": "refused", "refusal": str(error), "route": "end"}
    if row.status in FINISHED | LEFT_TO_PEOPLE and state.get("attempt") is None:
        return {
            "outcome": "refused",
            "refusal": f"Incident {row.id} is {row.status} already.",
            "route": "end",
        }
    attempt = state.get("attempt", 1)
    known: dict[str, Any] = {
        "incident_id": row.id,
        "run_id": run.run_id,
        "graph_version": GRAPH_VERSION,
        "attempt": attempt,
        "revision": state.get("revision", 1),
        "retrievals": 0,
        "run": bounded(run),
        # What stopped an earlier look says nothing of this one.
        "refusal": "",
        "unanswered": False,
        "started": {},
        **_asked_for(row, state, attempt),
    }
    ours = {sent.get("repair_id") for sent in [c.result for c in await ctx.store.claims(row.id)]}
    elsewhere = run.latest_repair_id not in {0, row.latest_repair_id, *ours}
    if elsewhere or not worth_investigating(run, rules):
        return known | await _repaired_elsewhere(ctx, row.id, run, attempt)
    known["settings"] = settings_key(attempt, known["revision"])
    await ctx.store.put_artifact(row.id, "settings.json", _json(run.settings), key=known["settings"])
    history = await ctx.workspace.history(run.job_id) if run.job_id else []
    await ctx.store.update_incident(row.id, status=Status.INVESTIGATING, run=known["run"], attempt=attempt)
    await ctx.store.add_event(
        row.id,
        "fetched",
        {"attempt": attempt, "failed_tasks": [t.task_key for t in run.failed_tasks][:MAX_FAILED]},
        key=f"fetched/{attempt}/{known['revision']}",
    )
    past = [p.model_dump(mode="json") for p in history if p.run_id != run.run_id][:25]
    return known | {"history": past, "route": "fetch_task", "tasks": {}}


def worth_investigating(run: RunFacts, rules: Rules) -> bool:
    """Whether the run failed, may have failed softly, or goes on for longer than the policy allows."""
    if run.active:
        return rules.max_run_seconds is not None and run.duration_seconds > rules.max_run_seconds
    if run.result_state == "CANCELED":
        return False  # somebody wanted it to stop
    if run.result_state in FAILED_STATES or run.life_cycle_state == "INTERNAL_ERROR" or run.failed_tasks:
        return True
    return (
        rules.soft_failures and run.result_state == "SUCCESS" and any(t.kind == "notebook" for t in run.tasks)
    )


def bounded(run: RunFacts) -> dict[str, Any]:
    """The run as JSON small enough for the state: failed tasks first, settings left to the artifact."""
    failed = [t for t in run.tasks if t.result_state != "SUCCESS"]
    kept = (failed + [t for t in run.tasks if t.result_state == "SUCCESS"])[:MAX_TASKS]
    keys = {t.task_key for t in kept}
    tasks = [t for t in run.tasks if t.task_key in keys]
    return run.model_copy(update={"tasks": tasks, "settings": {}}).model_dump(
        mode="json", exclude_defaults=True
    )


def _asked_for(row: IncidentRow, state: State, attempt: int) -> dict[str, Any]:
    """Where a person asked for a second look in this attempt: the revision it is to lead to, and their hint."""
    look = row.second_look
    if look is None or look.attempt != attempt:
        return {}
    hint = {"hint": look.hint[:2000]} if look.hint else {}
    return {"revision": max(look.revision, state.get("revision", 1)), **hint}


async def _run_id(state: State, ctx: Context) -> int:
    if "run_id" in state:
        return int(state["run_id"])
    if "incident_id" not in state:
        raise RunNotFound("The input names neither an incident_id nor a run_id.", hint="Give one of them.")
    return (await ctx.store.incident(state["incident_id"])).run_id


async def _nothing_to_do(ctx: Context, incident_id: str | None, why: str) -> dict[str, Any]:
    if incident_id:
        await ctx.store.finish(incident_id, "closed", note=why)
    return {"outcome": "closed", "refusal": why, "route": "end"}


async def _repaired_elsewhere(ctx: Context, incident_id: str, run: RunFacts, attempt: int) -> dict[str, Any]:
    """Somebody else repaired the run: wait for that repair, or end with what became of it."""
    await ctx.store.add_event(
        incident_id,
        "repaired_elsewhere",
        {"latest_repair_id": run.latest_repair_id, "result_state": run.result_state},
        key=f"repaired_elsewhere/{attempt}/{run.latest_repair_id}",
    )
    if run.active:
        await ctx.store.update_incident(incident_id, status=Status.VERIFYING)
        return {"route": "verify"}
    return {"outcome": "resolved_elsewhere", "route": "learn"}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
