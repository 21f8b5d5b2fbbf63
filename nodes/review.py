"""Stop until somebody who may has decided."""

from datetime import datetime
from typing import Any

from langgraph.runtime import Runtime
from langgraph.types import interrupt

from core.actions import Action, Proposal, TerminateParams, payload_sha256
from core.approvals import NewApproval
from core.errors import Conflict, Forbidden, Gone, InvalidInput, NotFound
from core.incident import AUTHORISES, Approval, ApprovalStatus, Reviewer
from nodes import hitl
from nodes.context import Context
from nodes.state import State
from nodes.telling import facts, messages, refused

_REFUSALS = (InvalidInput, Forbidden, Conflict, Gone)
_CHANGED = "Nothing was decided: the proposal changed after it was shown here. Look at what is asked now."


async def review(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Read the approval row, and interrupt only while it is pending.

    Whatever resumes this is a wake-up: the row says what was decided. An answer that LangGraph's own API
    brought becomes a decision through the same service, with the identity its authentication gave; any other
    answer changes nothing, and the thread stays interrupted with the reason shown. Most of these answers name no
    hash: they are about what the thread shows, so a thread that shows an older proposal takes none.
    """
    ctx = runtime.context
    try:
        approval = await ctx.store.approval(state.get("approval_id", ""))
    except NotFound:
        return {"route": "decide"}
    if approval.incident_id != state["incident_id"]:
        return {"route": "decide", "revision": state.get("revision", 1) + 1}
    if approval.status is not ApprovalStatus.PENDING:
        return await _follow(state, ctx, approval)
    if _over(approval, ctx.clock.now()):
        return await _follow(state, ctx, await ctx.store.expire(approval.id, ctx.clock.now()))
    if state.get("shown_sha256") != approval.payload_sha256:
        return _show_anew(state, approval, answered=_identity(runtime) is not None)
    answer = interrupt(hitl.request(approval, facts(state, approval.proposal), state.get("review_error", "")))
    return await _answered(state, ctx, approval, answer, _identity(runtime))


def _show_anew(state: State, approval: Approval, *, answered: bool) -> dict[str, Any]:
    """Drop the answer, if there was one, and have the thread interrupt with the row as it is now."""
    told = messages(state, approval.proposal)
    return {
        "route": "review",
        "proposal": approval.proposal.model_dump(mode="json"),
        "shown_sha256": approval.payload_sha256,
        "messages": refused({**state, "messages": told}, _CHANGED) if answered else told,
        "review_error": _CHANGED if answered else "",
    }


async def _answered(
    state: State, ctx: Context, approval: Approval, answer: Any, reviewer: Reviewer | None
) -> dict[str, Any]:
    """Turn an answer into a decision, or into the reason why it is none."""
    if isinstance(answer, dict) and "wake" in answer:
        return {"route": "review"}
    if reviewer is None:
        why = (
            "Nobody is signed in, so nothing was decided. Send an API token, or decide through Pitstop's API."
        )
        return {"route": "review", "review_error": why, "messages": refused(state, why)}
    try:
        await ctx.store.decide(approval.id, hitl.parse(answer, approval), reviewer)
    except _REFUSALS as error:
        return {"route": "review", "review_error": str(error), "messages": refused(state, str(error))}
    return {"route": "review", "review_error": ""}


async def _follow(state: State, ctx: Context, approval: Approval) -> dict[str, Any]:
    """Where a decided row leads."""
    revision = state.get("revision", 1)
    if approval.decided_by and approval.channel != "policy":
        # What a person thought of the proposal goes to the traced run it came from.
        await ctx.store.notify(approval.incident_id, "feedback", ["langsmith"], key=f"feedback/{approval.id}")
    if approval.status in AUTHORISES:
        return {"route": "act", "proposal": approval.proposal.model_dump(mode="json")}
    if approval.status is ApprovalStatus.RESPONDED:
        return {"route": "analyze", "hint": approval.comment[:2000], "revision": revision + 1}
    if approval.status is ApprovalStatus.SUPERSEDED:
        return await _superseded(ctx, approval, revision)
    if approval.status is ApprovalStatus.EXPIRED:
        return _expired(state, ctx, approval)
    if approval.then == "terminate":
        stop = await ctx.store.propose(_stop(state, approval))
        return {"route": "act", "approval_id": stop.id, "proposal": stop.proposal.model_dump(mode="json")}
    return {"route": "learn", "outcome": "taken_over" if approval.then == "take_over" else "rejected"}


async def _superseded(ctx: Context, approval: Approval, revision: int) -> dict[str, Any]:
    """A person muted the incident or took it over, or the run was repaired by somebody: look again.

    Where the approval was a group's and another member's repair did not help, ask again with that said.
    """
    row = await ctx.store.incident(approval.incident_id)
    if row.taken_over_by or row.muted:
        return {"route": "learn", "outcome": "taken_over" if row.taken_over_by else "muted"}
    if why := await ctx.store.stopped_because(approval.id):
        return {"route": "decide", "warning": why, "revision": revision + 1}
    return {"route": "fetch", "revision": revision + 1}


def _expired(state: State, ctx: Context, approval: Approval) -> dict[str, Any]:
    """Nobody answered: tell the next person, or close, as the policy says; never act, and never ask again."""
    run = state["run"]
    rules = ctx.policy.rules_for(
        run.get("job_name", ""), run.get("tags", {}), state["diagnosis"].get("failure_class")
    )
    if rules.on_expiry == "close":
        return {"route": "learn", "outcome": "closed"}
    why = f"Nobody decided on {approval.proposal.action.value} before {approval.expires_at}."
    return {
        "route": "decide",
        "refusal": why,
        "unanswered": True,
        "revision": state.get("revision", 1) + 1,
    }


def _stop(state: State, rejected: Approval) -> NewApproval:
    """The TERMINATE that a reviewer ordered together with a rejection, under that reviewer's name."""
    params = TerminateParams()
    proposal = Proposal(
        action=Action.TERMINATE,
        params=params.model_dump(mode="json"),
        reason=rejected.comment or "The reviewer stopped the run.",
        confidence=1.0,
        origin="person",
    )
    return NewApproval(
        incident_id=rejected.incident_id,
        attempt=rejected.attempt,
        revision=rejected.revision + 1,
        proposal=proposal,
        payload_sha256=payload_sha256(rejected.incident_id, rejected.attempt, Action.TERMINATE, params),
        ttl_seconds=3600,
        decided_by_rule=f"{rejected.decided_by}, with the rejection of {rejected.id}",
    )


def _identity(runtime: Runtime[Context]) -> Reviewer | None:
    """Who LangGraph's authentication says is calling; None where there is none."""
    user = runtime.server_info.user if runtime.server_info else None
    if user is None or not user.is_authenticated:
        return None
    role = next((p.removeprefix("role:") for p in user.permissions if p.startswith("role:")), "viewer")
    if role not in ("viewer", "approver", "admin"):
        return None
    return Reviewer(name=user.identity, role=role, channel="langgraph")


def _over(approval: Approval, now: datetime) -> bool:
    return approval.expires_at is not None and datetime.fromisoformat(approval.expires_at) <= now
