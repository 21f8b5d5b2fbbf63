"""Putting back settings that an action changed; the nodes do it, and the sweep for what a crash left behind."""

from collections.abc import Sequence

from core.approvals import Claim, ClaimRequest, Sent
from core.errors import WorkspaceRefused
from nodes.context import Context


async def put_back(ctx: Context, applied: Claim, thread_id: str, people: Sequence[str]) -> Sent | None:
    """Undo `applied` (step apply) under a claim of its own; None when nothing is left for us to do.

    Only when the job's settings still are what the action left; otherwise `people` are told, once.

    Raises:
        LeaseLost: Another worker holds the incident; it may be restoring just now.
        NotAuthorised: The approval does not cover this claim (any more).
        WorkspaceUnavailable, StoreUnavailable: Weather; call again later.
    """
    request = ClaimRequest(step="restore", call="update_job", request={"apply": applied.id})
    claim = await ctx.store.claim(applied.approval_id, thread_id, request)
    if claim.status == "done":
        await ctx.store.record_claim(applied.id, "restored", applied.result)
        return None
    if claim.status == "unknown":
        return None  # a person was told, and has to look
    try:
        sent = await ctx.actions.restore(applied)
    except WorkspaceRefused as error:
        sent = Sent(state="failed", detail=str(error))
    await ctx.store.record_claim(claim.id, sent.state, sent.model_dump())
    kind = "restored" if sent.state == "done" else "restore_failed"
    if sent.state == "done":
        await ctx.store.record_claim(applied.id, "restored", applied.result)
    else:
        await ctx.store.notify(applied.incident_id, kind, people, key=f"{kind}/{applied.id}")
    facts = {"call": applied.call, "detail": sent.detail}
    await ctx.store.add_event(applied.incident_id, kind, facts, key=f"{kind}/{applied.id}")
    return sent
