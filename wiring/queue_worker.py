"""Running the queue's jobs, across any outage of Postgres."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg
import structlog
from procrastinate import App, JobContext
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from wiring.queue import QUEUE, Handlers, put_back

log = structlog.get_logger(__name__)

#: How long a finished job may take to be written down as finished before it counts as lost.
LOST_AFTER_SECONDS = 15.0
#: New jobs are announced; this is for those whose time comes, and those that waited for the lock of another.
FETCH_SECONDS = 0.5


@dataclass
class Finished:
    """Worker middleware that remembers when each job's code ended.

    A job whose end could not be written (Postgres was away just then) stays `doing` under a worker that
    lives, so no heartbeat betrays it; `put_back_lost` finds it by this.
    """

    ended: dict[int, float] = field(default_factory=dict)

    async def __call__(
        self, call_next: Callable[[], Awaitable[Any]], context: JobContext, worker: Worker
    ) -> Any:
        """Run one job and note its end."""
        self.ended.pop(context.job.id or 0, None)
        try:
            return await call_next()
        finally:
            if context.job.id is not None:
                self.ended[context.job.id] = time.monotonic()

    async def put_back_lost(self, app: App) -> list[int]:
        """Put back jobs that ended here a while ago and are still `doing`; their ids."""
        limit = time.monotonic() - LOST_AFTER_SECONDS
        old = [job_id for job_id, ended in self.ended.items() if ended < limit]
        lost = []
        if old:
            rows = await app.connector.execute_query_all_async(
                "SELECT id FROM procrastinate_jobs WHERE id = ANY(%(ids)s) AND status = 'doing'", ids=old
            )
            lost = [row["id"] for row in rows if await put_back(app, row["id"])]
        for job_id in old:
            del self.ended[job_id]
        return lost


async def work(
    app: App,
    handlers: Handlers,
    stop: asyncio.Event,
    *,
    concurrency: int,
    heartbeat_seconds: float,
    stalled_seconds: float,
    grace_seconds: float = 20.0,
) -> None:
    """Run jobs until `stop` is set, across any outage of Postgres.

    Jobs that are still running `grace_seconds` after `stop` are cancelled and put back.
    """
    wait = 1.0
    while not stop.is_set():
        finished = Finished()
        worker = Worker(
            app=app,
            queues=[QUEUE],
            name="pitstop",
            concurrency=concurrency,
            fetch_job_polling_interval=FETCH_SECONDS,
            shutdown_graceful_timeout=grace_seconds,
            delete_jobs="successful",
            additional_context={"handlers": handlers},
            install_signal_handlers=False,
            update_heartbeat_interval=heartbeat_seconds,
            stalled_worker_timeout=stalled_seconds,
            worker_middleware=[finished],
        )
        began = time.monotonic()
        try:
            await _run_until(worker, finished, stop, check_seconds=heartbeat_seconds)
        except (ConnectorException, psycopg.OperationalError) as error:
            # A worker ends itself when its heartbeat can't be written; what it ran is put back as stalled.
            log.warning("queue.away", error=str(error.__cause__ or error))
        wait = 1.0 if time.monotonic() - began > 60 else min(30.0, wait * 2)
        await _sleep(stop, wait)


async def _run_until(
    worker: Worker, finished: Finished, stop: asyncio.Event, *, check_seconds: float
) -> None:
    running = asyncio.create_task(worker.run(), name="queue worker")
    stopping = asyncio.create_task(stop.wait())
    try:
        while not running.done():
            await asyncio.wait(
                {running, stopping}, timeout=check_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if stop.is_set():
                break
            await finished.put_back_lost(worker.app)
    finally:
        stopping.cancel()
        worker.stop()
        await running


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
