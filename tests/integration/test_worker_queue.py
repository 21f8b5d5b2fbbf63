"""The queue: nothing is lost with a worker that dies, with Postgres going away, or with a retry that waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from procrastinate import App
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from psycopg import sql

from core.errors import WorkspaceUnavailable
from store.engine import libpq_url
from wiring.queue import (
    BUG_ATTEMPTS,
    Handlers,
    build_queue,
    defer_advance,
    defer_intake,
    job_counts,
    put_back_stalled,
    queued,
    waker,
)
from wiring.queue_worker import work

ROOT = Path(__file__).parents[2]


async def nothing(*_: str) -> None:
    return None


@dataclass
class Desk:
    """A queue and what its jobs did."""

    app: App
    url: str
    seen: list[str] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def working(self, advance: Callable[[str], Awaitable[None]] = nothing) -> AsyncIterator[None]:
        """A worker for the length of the block, with the round that puts stalled jobs back."""

        async def noted(incident_id: str) -> None:
            self.seen.append(incident_id)
            await advance(incident_id)

        async def note_broken(incident_id: str, reason: str) -> None:
            self.broken.append((incident_id, reason))

        async def put_back() -> None:
            while not self.stop.is_set():
                with contextlib.suppress(Exception):
                    await put_back_stalled(self.app, stalled_seconds=1.5)
                await asyncio.sleep(0.3)

        handlers = Handlers(intake=noted, advance=noted, broken=note_broken)
        times = {"heartbeat_seconds": 0.3, "stalled_seconds": 1.5, "grace_seconds": 2.0}
        tasks = [
            asyncio.create_task(work(self.app, handlers, self.stop, concurrency=4, **times)),
            asyncio.create_task(put_back()),
        ]
        try:
            yield
        finally:
            self.stop.set()
            await asyncio.gather(*tasks)

    async def until(self, what: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until it is so."""
        async with asyncio.timeout(seconds):
            while not what():
                await asyncio.sleep(0.05)


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A queue on a database of its own."""
    app = build_queue(libpq_url(database_url), wait_seconds=0.5)
    async with app.open_async():
        yield Desk(app, libpq_url(database_url))


async def test_a_job_lives_and_dies_with_the_transaction_that_asked_for_it(desk: Desk) -> None:
    async with await psycopg.AsyncConnection.connect(desk.url) as connection:
        await waker(desk.app)(connection, "inc_rolled_back")
        await connection.rollback()
        await waker(desk.app)(connection, "inc_kept")
        await defer_intake(desk.app, "sig_kept", connection=connection)
    async with desk.working():
        await desk.until(lambda: len(desk.seen) == 2)
    assert sorted(desk.seen) == ["inc_kept", "sig_kept"]
    assert await job_counts(desk.app) == []


async def test_one_incident_is_advanced_by_one_job_at_a_time(desk: Desk) -> None:
    running: set[str] = set()
    together: list[str] = []

    async def advance(incident_id: str) -> None:
        if incident_id in running:
            together.append(incident_id)
        running.add(incident_id)
        await asyncio.sleep(0.05)
        running.discard(incident_id)

    for _ in range(5):
        await defer_advance(desk.app, "inc_a")
        await defer_advance(desk.app, "inc_b")
    async with desk.working(advance):
        await desk.until(lambda: len(desk.seen) == 10)
    assert together == []


async def test_a_decision_does_not_wait_for_a_backoff(desk: Desk) -> None:
    async def away(incident_id: str) -> None:
        if len(desk.seen) == 1:
            raise WorkspaceUnavailable("The workspace answers 500.")

    await defer_advance(desk.app, "inc_a")
    async with desk.working(away):
        await desk.until(lambda: len(desk.seen) == 1)
        while (await job_counts(desk.app))[0]["status"] != "todo":
            await asyncio.sleep(0.01)
        assert await queued(desk.app, ["inc_a", "inc_b"]) == {"inc_a"}
        # The retry waits for seconds with the same lock, and would block any younger job of its priority.
        query = "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour' WHERE status = 'todo'"
        await desk.app.connector.execute_query_async(query)
        await defer_advance(desk.app, "inc_a")
        await desk.until(lambda: len(desk.seen) == 2, seconds=5)


async def test_a_bug_is_told_after_a_few_tries(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wiring.queue.FIRST_WAIT_SECONDS", 0.0)

    async def bug(incident_id: str) -> None:
        raise KeyError("no such thing")

    await defer_advance(desk.app, "inc_a")
    async with desk.working(bug):
        await desk.until(lambda: bool(desk.broken))
    assert desk.seen == ["inc_a"] * BUG_ATTEMPTS
    assert desk.broken == [("inc_a", "KeyError: 'no such thing'")]


VICTIM = """
import asyncio, sys
from wiring.queue import Handlers, build_queue
from wiring.queue_worker import work

async def hang(id):
    print("took", id, flush=True)
    await asyncio.sleep(3600)

async def main():
    app = build_queue(sys.argv[1])
    async with app.open_async():
        await work(app, Handlers(hang, hang, hang), asyncio.Event(), concurrency=2,
                   heartbeat_seconds=0.3, stalled_seconds=1.5)

asyncio.run(main())
"""


async def test_a_job_of_a_killed_worker_is_done_by_another(desk: Desk) -> None:
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, desk.url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert victim.stdout is not None
    await defer_advance(desk.app, "inc_a")
    assert await asyncio.wait_for(victim.stdout.readline(), 30) == b"took inc_a\n"
    os.kill(victim.pid, signal.SIGKILL)
    await victim.wait()
    await defer_advance(desk.app, "inc_a")  # blocked by the lock of the job that died
    async with desk.working():
        await desk.until(lambda: len(desk.seen) == 2)
    assert desk.seen == ["inc_a", "inc_a"]


async def test_postgres_away_at_the_end_of_a_job_and_back(desk: Desk) -> None:
    """The job's end can't be written down, so it is done once more: never lost, never stuck."""
    server, _, name = desk.url.rpartition("/")
    gone = asyncio.Event()

    async def advance(incident_id: str) -> None:
        if gone.is_set():
            return
        gone.set()
        async with await psycopg.AsyncConnection.connect(f"{server}/postgres", autocommit=True) as admin:
            refuse = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            await admin.execute(refuse.format(sql.Identifier(name), sql.Literal(False)))
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )

    async def come_back() -> None:
        await gone.wait()
        await asyncio.sleep(3)
        async with await psycopg.AsyncConnection.connect(f"{server}/postgres", autocommit=True) as admin:
            allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true")
            await admin.execute(allow.format(sql.Identifier(name)))

    await defer_advance(desk.app, "inc_a")
    back = asyncio.create_task(come_back())
    async with desk.working(advance):
        await desk.until(lambda: len(desk.seen) >= 2)
        await back
        await defer_advance(desk.app, "inc_b")
        await desk.until(lambda: "inc_b" in desk.seen)


async def test_a_job_whose_end_was_not_written_under_a_worker_that_lives(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write of one job's end fails, and nothing else: the heartbeat goes on, so the job never looks stalled."""
    monkeypatch.setattr("wiring.queue_worker.LOST_AFTER_SECONDS", 0.3)
    written = desk.app.job_manager.finish_job
    failed: list[int | None] = []

    async def fails_once(job: Job, status: Status, delete_job: bool) -> None:
        if not failed:
            failed.append(job.id)
            raise ConnectorException
        await written(job, status, delete_job)

    monkeypatch.setattr(desk.app.job_manager, "finish_job", fails_once)
    await defer_advance(desk.app, "inc_a")
    async with desk.working():
        await desk.until(lambda: len(desk.seen) == 2)
        async with asyncio.timeout(10):
            while await job_counts(desk.app):
                await asyncio.sleep(0.05)
    assert desk.seen == ["inc_a", "inc_a"]


async def test_a_worker_that_is_stopped_gives_back_what_it_could_not_finish(desk: Desk) -> None:
    async def long(incident_id: str) -> None:
        await asyncio.sleep(3600)

    await defer_advance(desk.app, "inc_a")
    async with desk.working(long):
        await desk.until(lambda: bool(desk.seen))
    (counts,) = await job_counts(desk.app)
    assert counts == {"task": "advance", "status": "todo", "count": 1}
