"""Putting back settings that an action changed, where the incident went on without doing so.

`verify` restores what `act` changed; this is for the claims that a crash, a broken incident or a person's
intervention left behind.
"""

from __future__ import annotations

import structlog

from core.approvals import Claim, ClaimRequest, Sent
from core.errors import WorkspaceRefused
from nodes.context import Context
from wiring.holding import holding
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)


async def restore_left_behind(runtime: Runtime, applied: Claim) -> Sent | None:
    """Put back what `applied` (step apply) changed, under a claim of its own; None when nothing is left for us.

    Only when the job's settings still are what the action left; otherwise a person is told.

    Raises:
        LeaseLost: A worker has the incident; it may be restoring just now.
        NotAuthorised: The approval does not cover this claim (any more).
        WorkspaceUnavailable, StoreUnavailable: Weather; call again later.
    """
    settings = runtime.settings
    async with holding(
        runtime.leases,
        applied.incident_id,
        runtime.holder,
        seconds=settings.lease_seconds,
        heartbeat=settings.heartbeat_seconds,
    ) as lease:
        ctx = runtime.context(lease)
        row = await ctx.store.incident(applied.incident_id)
        request = ClaimRequest(step="restore", call="update_job", request={"apply": applied.id})
        claim = await ctx.store.claim(applied.approval_id, row.thread_id or "", request)
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
        log.warning("restore.left_behind", incident_id=applied.incident_id, state=sent.state)
        await _write_down(ctx, applied, sent)
        return sent


async def _write_down(ctx: Context, applied: Claim, sent: Sent) -> None:
    kind = "restored" if sent.state == "done" else "restore_failed"
    if sent.state == "done":
        await ctx.store.record_claim(applied.id, "restored", applied.result)
    else:
        rules = ctx.policy.defaults
        people = rules.escalate_to or rules.approvers or rules.owners
        await ctx.store.notify(applied.incident_id, kind, people, key=f"{kind}/{applied.id}")
    facts = {"call": applied.call, "detail": sent.detail}
    await ctx.store.add_event(applied.incident_id, kind, facts, key=f"{kind}/{applied.id}")
