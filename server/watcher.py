"""Rounds over rows: whatever a lost wake-up, a dead worker or a restart left lying is found again by its state."""

from __future__ import annotations

import structlog

from core.errors import LeaseLost, NotAuthorised
from wiring.queue import defer_advance, defer_intake, put_back_stalled, queued
from wiring.restore import restore_left_behind
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

AT_ONCE = 200
#: A signal that waits for longer than this has lost its job, or found the workspace closed to us.
SIGNAL_SECONDS = 120.0
#: `verify` restores by itself; only what it left for this long is ours to put back.
RESTORE_SECONDS = 30.0


async def wake_due(runtime: Runtime) -> int:
    """Have every incident looked at whose time has come and that nobody is about to look at; how many."""
    due = await runtime.sweeps.due(limit=AT_ONCE)
    busy = await queued(runtime.queue, [row.id for row in due]) if due else set()
    woken = [row.id for row in due if row.id not in busy]
    for incident_id in woken:
        await defer_advance(runtime.queue, incident_id)
    return len(woken)


async def read_again(runtime: Runtime) -> int:
    """Queue the signals that should have been read by now; how many."""
    waiting = await runtime.signals.unhandled(SIGNAL_SECONDS, limit=AT_ONCE)
    for signal in waiting:
        await defer_intake(runtime.queue, signal.id)
    return len(waiting)


async def put_back(runtime: Runtime) -> int:
    """Give the jobs of dead workers to those that live; how many."""
    return len(await put_back_stalled(runtime.queue, stalled_seconds=runtime.settings.stalled_seconds))


async def restore_settings(runtime: Runtime) -> int:
    """Put back job settings that an action changed and nobody restored; how many."""
    restored = 0
    for claim in await runtime.sweeps.unrestored(older_than_seconds=RESTORE_SECONDS):
        try:
            restored += await restore_left_behind(runtime, claim) is not None
        except LeaseLost:
            continue  # whoever has the incident restores, or leaves it for the next round
        except NotAuthorised as error:
            log.error("watcher.cannot_restore", claim_id=claim.id, error=str(error))
    return restored
