"""Letting go of what nobody needs any more: checkpoints of incidents long finished, jobs long done."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from sqlalchemy import text

from graph.checkpointer import make_saver
from store.idempotency import IdempotencyKeys
from wiring.queue import drop_old_jobs
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

AT_ONCE = 100
#: The channel under which LangGraph writes down that a node waits.
INTERRUPT = "__interrupt__"

_OLD_THREADS = text(
    """
    SELECT i.thread_id, i.finished_at FROM incidents i
    WHERE i.finished_at < :before AND i.finished_at > :after AND i.thread_id IS NOT NULL
      AND EXISTS (SELECT 1 FROM checkpoints c WHERE c.thread_id = i.thread_id)
    ORDER BY i.finished_at LIMIT :limit
    """
)


async def let_go(runtime: Runtime) -> int:
    """Prune the checkpoints of incidents that finished before the retention time; how many threads.

    The savers have no pruning of their own. A thread with a pending interrupt is kept, whatever its incident says.
    """
    before = runtime.clock.now() - timedelta(days=runtime.settings.retention_days)
    saver = make_saver(runtime.checkpoints)
    after, pruned = datetime.fromisoformat("1970-01-01T00:00:00+00:00"), 0
    while rows := await _old_threads(runtime, before, after):
        after = rows[-1][1]
        for thread_id, _ in rows:
            if not await has_pending_interrupt(saver, thread_id):
                await saver.adelete_thread(thread_id)
                pruned += 1
    await IdempotencyKeys(runtime.db, runtime.clock).drop_old()
    await drop_old_jobs(runtime.queue, hours=int(runtime.settings.retention_days * 24))
    if pruned:
        log.info("retention.pruned", threads=pruned)
    return pruned


async def has_pending_interrupt(saver: AsyncPostgresSaver, thread_id: str) -> bool:
    """Whether the newest checkpoint of a thread waits for somebody."""
    found = await saver.aget_tuple({"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}})
    return bool(found) and any(channel == INTERRUPT for _, channel, _ in found.pending_writes or [])


async def _old_threads(runtime: Runtime, before: datetime, after: datetime) -> list[tuple[str, datetime]]:
    async with runtime.db.transaction() as session:
        rows = await session.execute(_OLD_THREADS, {"before": before, "after": after, "limit": AT_ONCE})
        return [(thread_id, finished_at) for thread_id, finished_at in rows]
