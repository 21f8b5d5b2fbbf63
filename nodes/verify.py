"""Wait for the run that `act` started, and judge it by asking the workspace."""

from datetime import timedelta
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from core.approvals import Claim
from core.errors import RunNotFound, WorkspaceRefused
from core.incident import Status
from core.policy import Rules
from core.run import RunFacts
from nodes.context import Context
from nodes.restoring import put_back
from nodes.state import State
from tools.databricks import soft_failure


async def verify(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Sleep until woken, then fetch the run; what the waker says counts for nothing.

    Success restores changed settings and ends the incident; failure restores them and begins the next attempt
    after a backoff, or escalates after the last; a run that somebody else repaired is `resolved_elsewhere`.

    Raises:
        WorkspaceUnavailable: The run can't be read now; the thread stays where it is.
    """
    ctx = runtime.context
    started = state.get("started", {})
    incident_id = state["incident_id"]
    claims = await ctx.store.claims(incident_id, state["attempt"])
    if started.get("phase") == "refused":
        await _restore(state, runtime, claims)
        return {"route": started.get("then", "decide"), "attempt": state["attempt"] + 1, "revision": 1}
    row = await ctx.store.incident(incident_id)
    if not claims and row.status != Status.VERIFYING:
        return {"route": "review"}  # pushed here: nothing was started
    await ctx.store.update_incident(incident_id, status=Status.VERIFYING)
    note = "Nothing to decide: Pitstop looks at the run until it has ended."
    interrupt({"kind": "verify", "note": note, "incident_id": incident_id, "run_id": state["run_id"]})
    pending = [c for c in claims if c.step == "upstream" and not any(o.step == "start" for o in claims)]
    if pending:
        running = await ctx.actions.upstream_state(pending[-1]) == "running"
        return {"route": "verify" if running else "act"}
    try:
        run = await ctx.workspace.run(state["run_id"])
    except RunNotFound as error:
        await _restore(state, runtime, claims)
        return {"outcome": "closed", "refusal": str(error), "route": "learn"}
    if run.active:
        return {"route": "verify"}
    return await _judge(state, runtime, run, claims, known=row.latest_repair_id)


async def _judge(
    state: State, runtime: Runtime[Context], run: RunFacts, claims: list[Claim], *, known: int
) -> dict[str, Any]:
    """The run has ended: what does that mean for the incident?

    `known` is the newest repair when the incident was opened; a newer one that no claim of ours started is
    somebody else's.
    """
    ctx = runtime.context
    ours = {c.result.get("repair_id") for c in claims}
    elsewhere = run.latest_repair_id not in {0, known, *ours, *_seen_before(claims)}
    stopping = any(c.step == "stop" for c in claims)
    good = run.result_state == "SUCCESS" and not await _failed_softly(ctx, run)
    await _restore(state, runtime, claims)
    await ctx.store.add_event(
        state["incident_id"],
        "verified",
        {"attempt": state["attempt"], "result_state": run.result_state, "repair_id": run.latest_repair_id},
        key=f"verified/{state['attempt']}/{run.latest_repair_id}",
    )
    if stopping and not good:
        return {"outcome": "terminated", "route": "learn"}
    if elsewhere or (stopping and good):
        return {"outcome": "resolved_elsewhere", "route": "learn"}
    if not claims:
        return {"route": "review"}
    if good:
        return {"outcome": "resolved", "route": "learn"}
    return await _next_attempt(state, ctx, run)


async def _next_attempt(state: State, ctx: Context, run: RunFacts) -> dict[str, Any]:
    """The repair failed: look again from the start after a backoff, or give it to people."""
    rules = _rules(state, ctx)
    attempt = state["attempt"]
    proposal = state.get("proposal", {})
    tried = [
        *state.get("tried", []),
        {
            "attempt": attempt,
            "action": proposal.get("action"),
            "params": proposal.get("params"),
            "result": run.result_state,
        },
    ][-5:]
    following = {"attempt": attempt + 1, "revision": 1, "tried": tried, "hint": "", "started": {}}
    await ctx.store.update_incident(state["incident_id"], tried=tried, attempt=attempt + 1)
    if attempt >= rules.max_attempts:
        why = f"The run failed again after {attempt} attempts, so Pitstop stops trying."
        return {**following, "refusal": why, "route": "decide"}
    wait = rules.backoff.seconds(attempt + 1, state["incident_id"])
    until = ctx.clock.now() + timedelta(seconds=wait)
    await ctx.store.add_event(
        state["incident_id"],
        "backoff",
        {"attempt": attempt + 1, "seconds": round(wait, 1), "until": until.isoformat()},
        key=f"backoff/{attempt + 1}",
    )
    return {**following, "not_before": until.isoformat(), "route": "fetch"}


async def _restore(state: State, runtime: Runtime[Context], claims: list[Claim]) -> None:
    """Put changed settings back; a person is called where that can't be done."""
    applied = next((c for c in claims if c.step == "apply" and c.status != "failed"), None)
    if applied is None or applied.status == "restored":
        return
    thread_id = (runtime.execution_info.thread_id if runtime.execution_info else None) or ""
    rules = _rules(state, runtime.context)
    people = rules.escalate_to or rules.approvers or rules.owners
    await put_back(runtime.context, applied, thread_id, people)


async def _failed_softly(ctx: Context, run: RunFacts) -> bool:
    """Whether a notebook's exit value contradicts the run's SUCCESS."""
    rules = ctx.policy.rules_for(run.job_name, run.tags)
    if not rules.soft_failures:
        return False
    for task in [t for t in run.tasks if t.kind == "notebook"][:20]:
        try:
            if soft_failure(await ctx.workspace.exit_value(task)):
                return True
        except (WorkspaceRefused, RunNotFound):
            continue
    return False


def _seen_before(claims: list[Claim]) -> set[int]:
    """The repairs that existed before we started ours."""
    return {int(c.before.get("latest_repair_id") or 0) for c in claims}


def _rules(state: State, ctx: Context) -> Rules:
    run = state["run"]
    return ctx.policy.rules_for(
        run.get("job_name", ""), run.get("tags", {}), state.get("diagnosis", {}).get("failure_class")
    )
