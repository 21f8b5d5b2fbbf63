"""The queue: Procrastinate on the same Postgres, so that a row and the job it asks for are one transaction.

Two jobs exist: `intake` reads a signal (a webhook, a poll), `advance` takes an incident as far as it can go.
A job only says "look at this id": what to do is read from rows, so a job that runs twice does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
import sqlalchemy.exc
import structlog
from procrastinate import App, BaseRetryStrategy, JobContext, PsycopgConnector, RetryDecision
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.jobs import Job

from core.errors import KnowledgeUnavailable, LeaseLost, PitstopError, StoreUnavailable, WorkspaceUnavailable

log = structlog.get_logger(__name__)

QUEUE = "pitstop"
#: A retry waits with a lower priority: Procrastinate lets a waiting job block younger ones of the same lock,
#: even while its time has not come, and a person's decision must not wait for a backoff to end.
WAITING_PRIORITY = -1
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 300.0
#: How often a job that failed for an unexpected reason is tried before a person is told.
BUG_ATTEMPTS = 3

#: Weather: worth trying for as long as it takes.
PASSING: tuple[type[Exception], ...] = (
    WorkspaceUnavailable,
    StoreUnavailable,
    KnowledgeUnavailable,
    LeaseLost,
    ConnectorException,
    psycopg.OperationalError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    ConnectionError,
    TimeoutError,
)

Wake = Callable[[Any, str], Awaitable[None]]


@dataclass(frozen=True)
class Handlers:
    """What the jobs do, given by whoever runs a worker.

    `broken(incident_id, reason)` is called when an incident could not be advanced for a reason that waiting
    does not mend.
    """

    intake: Callable[[str], Awaitable[None]]
    advance: Callable[[str], Awaitable[None]]
    broken: Callable[[str, str], Awaitable[None]]


class Patience(BaseRetryStrategy):
    """Try again for ever while it is weather, a few times when it is a bug, each wait twice the last."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        """When to try `job` again, or None to give it up."""
        if isinstance(exception, asyncio.CancelledError | JobAborted):  # this worker is being stopped
            return RetryDecision(retry_in={"seconds": 0})
        if not isinstance(exception, PASSING) and is_last_attempt(job):
            return None
        seconds = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(job.attempts, 20))
        return RetryDecision(retry_in={"seconds": int(seconds)}, priority=WAITING_PRIORITY)


def is_last_attempt(job: Job) -> bool:
    """Whether an unexpected failure of `job` now would be its last."""
    return job.attempts + 1 >= BUG_ATTEMPTS


def build_queue(conninfo: str, *, max_size: int = 10, wait_seconds: float = 10.0) -> App:
    """The Procrastinate app with its two jobs; open it with `async with app.open_async()`.

    Args:
        conninfo: libpq connection string or `postgresql://` URI.
        max_size: Connections its pool may hold; listening for jobs takes one more.
        wait_seconds: How long a call waits for a connection, and a lost one is tried to be made again before
            the next call tries anew. (Left alone, the pool's own tries come ever more rarely.)
    """
    connector = PsycopgConnector(
        conninfo=conninfo,
        min_size=1,
        max_size=max_size,
        timeout=wait_seconds,
        reconnect_timeout=wait_seconds,
        kwargs={"application_name": "pitstop-queue"},
    )
    app = App(connector=connector)

    @app.task(name="intake", queue=QUEUE, pass_context=True, retry=Patience())
    async def intake(context: JobContext, signal_id: str) -> None:
        await _handlers(context).intake(signal_id)

    @app.task(name="advance", queue=QUEUE, pass_context=True, retry=Patience())
    async def advance(context: JobContext, incident_id: str) -> None:
        handlers = _handlers(context)
        try:
            await handlers.advance(incident_id)
        except PASSING:
            raise
        except Exception as error:
            # Whatever it is, a bug too: before the queue gives up, people are told that nobody works on it any more.
            if is_last_attempt(context.job):
                reason = str(error) if isinstance(error, PitstopError) else f"{type(error).__name__}: {error}"
                await handlers.broken(incident_id, reason)
            raise

    return app


def _handlers(context: JobContext) -> Handlers:
    return context.additional_context["handlers"]


def waker(app: App) -> Wake:
    """`wake(raw_connection, incident_id)`: queue an `advance` inside the caller's own transaction.

    `raw_connection` is the psycopg `AsyncConnection` that the transaction runs on; the caller commits.
    """

    async def wake(raw_connection: Any, incident_id: str) -> None:
        await defer_advance(app, incident_id, connection=raw_connection)

    return wake


async def defer_advance(app: App, incident_id: str, *, connection: Any | None = None) -> None:
    """Ask for an incident to be looked at: one at a time for each, never refused for being queued twice.

    Raises:
        StoreUnavailable: Postgres is away.
    """
    # The lock serialises; a queueing lock would drop a wake-up that arrives while an older job waits.
    await _defer(app, "advance", incident_id, connection, incident_id=incident_id)


async def defer_intake(app: App, signal_id: str, *, connection: Any | None = None) -> None:
    """Ask for a signal to be read, inside the caller's transaction when `connection` is given.

    Raises:
        StoreUnavailable: Postgres is away.
    """
    await _defer(app, "intake", f"signal:{signal_id}", connection, signal_id=signal_id)


async def _defer(app: App, name: str, lock: str, connection: Any | None, **kwargs: str) -> None:
    options = {"lock": lock} if connection is None else {"lock": lock, "connection": connection}
    try:
        await app.configure_task(name, allow_unknown=False, **options).defer_async(**kwargs)
    except ConnectorException as error:
        raise StoreUnavailable("The queue can't be written.", hint="Postgres is away; try again.") from error


async def job_counts(app: App) -> list[dict[str, Any]]:
    """How many jobs there are: rows of `task`, `status`, `count`.

    Raises:
        StoreUnavailable: Postgres is away.
    """
    query = (
        "SELECT task_name AS task, status::text AS status, count(*) AS count FROM procrastinate_jobs "
        "WHERE queue_name = %(queue)s GROUP BY task_name, status"
    )
    return await _read(app, query, queue=QUEUE)


async def queued(app: App, incident_ids: Collection[str]) -> set[str]:
    """Those of the incidents that somebody will look at, or is looking at: jobs that wait or run.

    Raises:
        StoreUnavailable: Postgres is away.
    """
    query = (
        "SELECT DISTINCT lock FROM procrastinate_jobs "
        "WHERE task_name = 'advance' AND status IN ('todo', 'doing') AND lock = ANY(%(locks)s)"
    )
    return {row["lock"] for row in await _read(app, query, locks=list(incident_ids))}


async def drop_old_jobs(app: App, *, hours: int) -> None:
    """Delete jobs that ended, well or not, more than `hours` ago.

    Raises:
        StoreUnavailable: Postgres is away.
    """
    try:
        await app.job_manager.delete_old_jobs(
            nb_hours=hours, queue=QUEUE, include_failed=True, include_cancelled=True, include_aborted=True
        )
    except ConnectorException as error:
        raise StoreUnavailable("The queue can't be written.", hint="Postgres is away; try again.") from error


async def _read(app: App, query: LiteralString, **values: Any) -> list[dict[str, Any]]:
    try:
        return await app.connector.execute_query_all_async(query, **values)
    except ConnectorException as error:
        raise StoreUnavailable("The queue can't be read.", hint="Postgres is away; try again.") from error


async def put_back_stalled(app: App, *, stalled_seconds: float) -> list[int]:
    """Put jobs of workers that died (no heartbeat for `stalled_seconds`) back into the queue; their ids.

    Procrastinate itself puts back nothing: after a kill -9 the job stays `doing`, its lock blocking the next.
    """
    jobs = await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=stalled_seconds)
    return [job.id for job in jobs if job.id is not None and await put_back(app, job.id)]


async def put_back(app: App, job_id: int) -> bool:
    """Let a job that is `doing` be taken again; False when it is not `doing` any more."""
    try:
        await app.job_manager.retry_job_by_id_async(job_id=job_id, retry_at=datetime.now(UTC))
    except ConnectorException as error:  # another was faster, or Postgres is away: the next round sees
        log.info("queue.not_put_back", job_id=job_id, error=str(error.__cause__ or error))
        return False
    log.warning("queue.put_back", job_id=job_id)
    return True
