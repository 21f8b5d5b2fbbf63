"""The only node that changes the world, and only as far as an approval row says."""

from datetime import datetime
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from core.actions import TELLS_PEOPLE, Action
from core.approvals import Claim, Sent
from core.errors import InvalidInput, NotAuthorised, NotFound, WorkspaceRefused
from core.groups import Together, cause_of
from core.incident import AUTHORISES, Approval, Diagnosis, Status
from nodes.context import Context
from nodes.outputs import run_facts
from nodes.state import State

SETTLED = frozenset({"done", "restored"})


async def act(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Send what was approved, step by step, each under its own claim, each exactly once.

    Nothing in the state is believed: the row is read, its hash computed again, and a claim inserted in the
    transaction that locks it. A thread that was pushed here without an approval goes back to `review`.

    Raises:
        WorkspaceUnavailable: Not known yet whether a step took effect; called again, the claim finds out.
        LeaseLost: Another worker has this incident now.
    """
    ctx = runtime.context
    wait = _waiting(state, ctx.clock.now()) or await _held(state, ctx)
    if wait:
        interrupt(wait)
        return {"route": "act"}
    thread_id = runtime.execution_info.thread_id if runtime.execution_info else ""
    try:
        approval = await ctx.store.authorised(state.get("approval_id", ""), thread_id or "")
    except (NotAuthorised, NotFound) as error:
        return await _refused_entry(state, ctx, str(error))
    if approval.proposal.action in TELLS_PEOPLE:
        return await _tell(state, ctx, approval)
    return await _send_steps(state, ctx, approval, thread_id or "")


async def _send_steps(state: State, ctx: Context, approval: Approval, thread_id: str) -> dict[str, Any]:
    await ctx.store.update_incident(approval.incident_id, status=Status.ACTING)
    try:
        requests = await ctx.actions.prepare(approval.proposal, await run_facts(state, ctx))
    except (WorkspaceRefused, InvalidInput) as error:
        return _give_up(state, approval, str(error))
    started: dict[str, Any] = {"by": "pitstop", "action": approval.proposal.action.value}
    for request in requests:
        claim = await ctx.store.claim(approval.id, thread_id, request)
        if claim.status not in SETTLED:
            sent = await _send(ctx, claim)
            if sent.state != "done":
                return await _not_done(state, ctx, approval, claim, sent)
            claim = claim.model_copy(update={"status": "done", "result": sent.model_dump()})
        started |= {
            claim.step: claim.id,
            **{k: claim.result[k] for k in ("run_id", "repair_id") if claim.result.get(k)},
        }
        if claim.step == "upstream":
            upstream = await ctx.actions.upstream_state(claim)
            if upstream == "running":
                return {"started": started | {"phase": "upstream"}, "route": "verify"}
            if upstream == "failed":
                return _give_up(state, approval, "The upstream run failed, so the repair was not started.")
    return {"started": started | {"phase": "start"}, "route": "verify"}


async def _send(ctx: Context, claim: Claim) -> Sent:
    """Send one claim and record what became of it; a refusal is a result, not an error."""
    if claim.status == "claimed":
        await ctx.store.record_claim(claim.id, "sending", {})
    try:
        sent = await ctx.actions.send(claim)
    except WorkspaceRefused as error:
        sent = Sent(state="failed", detail=str(error))
    await ctx.store.record_claim(claim.id, sent.state, sent.model_dump())
    await ctx.store.add_event(
        claim.incident_id,
        f"action_{sent.state}",
        {
            "step": claim.step,
            "call": claim.call,
            "run_id": sent.run_id,
            "repair_id": sent.repair_id,
            "detail": sent.detail,
        },
        key=f"action/{claim.id}/{sent.state}",
    )
    return sent


async def _not_done(
    state: State, ctx: Context, approval: Approval, claim: Claim, sent: Sent
) -> dict[str, Any]:
    """A step that failed or that only a person can judge."""
    if sent.state == "failed" and "someone else" in sent.detail:
        # Look at the run again; what this attempt changed goes back first.
        return {"started": {"by": "pitstop", "phase": "refused", "then": "fetch"}, "route": "verify"}
    if sent.state == "unknown":
        why = f"It is not known whether {claim.call} took effect: {sent.detail} Look at the run before doing more."
        return _give_up(state, approval, why)
    return _give_up(state, approval, f"The workspace refused {claim.call}: {sent.detail}")


def _give_up(state: State, approval: Approval, why: str) -> dict[str, Any]:
    """Back to `decide` with what happened as evidence; settings that were changed go back first (`verify`)."""
    attempt = state["attempt"]
    tried = {
        "attempt": attempt,
        "action": approval.proposal.action.value,
        "params": approval.proposal.params,
        "result": why[:300],
    }
    return {
        "refusal": why[:1000],
        "tried": [*state.get("tried", []), tried][-5:],
        "started": {"by": "pitstop", "phase": "refused"},
        "route": "verify",
    }


async def _tell(state: State, ctx: Context, approval: Approval) -> dict[str, Any]:
    """Queue the messages; they leave through the outbox, once for each recipient."""
    kind = "escalation" if approval.proposal.action is Action.ESCALATE else "notification"
    people = approval.proposal.params.get("recipients", [])
    together = await _together(state, ctx)
    await ctx.store.notify(approval.incident_id, kind, people, key=f"{kind}/{approval.id}", together=together)
    await ctx.store.add_event(
        approval.incident_id,
        kind,
        {"recipients": people, "attempt": state["attempt"]},
        key=f"{kind}/{approval.id}",
    )
    return {"route": "learn", "outcome": "escalated" if kind == "escalation" else "notified"}


async def _together(state: State, ctx: Context) -> Together | None:
    """With which news this goes out: others of its cause; a critical job's goes out alone and at once."""
    diagnosis, run = Diagnosis.model_validate(state["diagnosis"]), await run_facts(state, ctx)
    rules = ctx.policy.rules_for(run.job_name, run.tags, diagnosis.failure_class)
    cause = cause_of(diagnosis, run)
    if cause is None or rules.critical or not rules.groups.window_seconds:
        return None
    pace = rules.groups
    return Together(about=cause.key, settle_seconds=pace.settle_seconds, update_seconds=pace.update_seconds)


async def _refused_entry(state: State, ctx: Context, why: str) -> dict[str, Any]:
    """Pushed here without authority: nothing is sent, and the reviewer is asked (again)."""
    incident_id = state.get("incident_id", "")
    try:
        approval = await ctx.store.approval(state.get("approval_id", ""))
    except NotFound:
        return {"route": "review"}
    await ctx.store.add_event(
        approval.incident_id,
        "act_refused",
        {"reason": why},
        key=f"act_refused/{approval.id}/{approval.status.value}",
    )
    if approval.status in AUTHORISES:
        # The row says yes, and yet a check failed: a person has to look, not a loop.
        return {
            "refusal": f"An approved action was not sent: {why}",
            "route": "decide",
            "incident_id": incident_id,
            "revision": state.get("revision", 1) + 1,
        }
    return {"route": "review"}


def _waiting(state: State, now: datetime) -> dict[str, Any] | None:
    """The interrupt to wait with, while the backoff is not over."""
    until = state.get("not_before")
    if not until or datetime.fromisoformat(until) <= now:
        return None
    return {"kind": "backoff", "incident_id": state["incident_id"], "until": until}


async def _held(state: State, ctx: Context) -> dict[str, Any] | None:
    """The interrupt to wait with, while others of its group go first."""
    group_id = await ctx.store.holds_back(state.get("approval_id", ""))
    if not group_id:
        return None
    return {"kind": "turn", "incident_id": state["incident_id"], "group_id": group_id}
