"""Putting back settings that an action changed, where the incident went on without doing so.

`verify` restores what `act` changed; this is for the claims that a crash, a broken incident or a person's
intervention left behind.
"""

from __future__ import annotations

import structlog

from core.approvals import Claim, Sent
from nodes.restoring import put_back
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
        rules = ctx.policy.defaults
        people = rules.escalate_to or rules.approvers or rules.owners
        sent = await put_back(ctx, applied, row.thread_id or "", people)
        if sent is not None:
            log.warning("restore.left_behind", incident_id=applied.incident_id, state=sent.state)
        return sent
