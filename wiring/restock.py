"""Makes the index again from the store where it holds nothing, or another model's vectors: it is only an index."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator

import psycopg
import structlog

from core.errors import KnowledgeUnavailable
from knowledge.imports import TeamKnowledge
from knowledge.incident_memory import NOTHING_LEARNT, IncidentMemory
from knowledge.index import Index
from store.queries import Queries
from store.sweeps import Sweeps
from wiring.knowledge import incident_loader

log = structlog.get_logger(__name__)

#: Any number will do, as long as nothing else in this database takes it ("index" in ASCII).
LOCK = int.from_bytes(b"index")
LOCK_PAUSE_SECONDS = 0.5


class Restock:
    """Reads everything that is to be remembered, a page at a time, and puts it in.

    Args:
        index: The vector store.
        queries: Reads incidents.
        sweeps: Lists those that have ended.
        team: What was imported.
        libpq_url: The database, for a lock: of all processes one does it.
    """

    def __init__(
        self, index: Index, queries: Queries, sweeps: Sweeps, team: TeamKnowledge, libpq_url: str
    ) -> None:
        self._index = index
        self._load = incident_loader(queries)
        self._sweeps = sweeps
        self._team = team
        self._libpq_url = libpq_url

    async def if_needed(self) -> int | None:
        """Make the index again if it holds nothing, another model's vectors or half a rebuild; how many incidents.

        None when there was nothing to do, or another process is at it.

        Raises:
            KnowledgeUnavailable: The vector store can't be opened or written.
            psycopg.OperationalError: The database is away.
        """
        if not await asyncio.to_thread(self._index.lacks_incidents):
            return None
        async with self._alone(wait=False) as mine:
            if not mine or not await asyncio.to_thread(self._index.lacks_incidents):
                return None
            if not await self._anything():
                return None
            count = await self._rebuild()
        log.info("knowledge.restocked", incidents=count)
        return count

    async def now(self) -> int:
        """Make the index again, after whoever else does so just now; how many incidents.

        Raises:
            KnowledgeUnavailable: The place can't be written, or the server does not answer.
            psycopg.OperationalError: The database is away.
        """
        async with self._alone(wait=True):
            return await self._rebuild()

    async def _anything(self) -> bool:
        """Whether there is something to put in; vectors of another model have to go in any case."""
        if await asyncio.to_thread(self._index.is_foreign):
            return True
        return next(self._team.incidents(), None) is not None or bool(await self._sweeps.ended(limit=1))

    async def _rebuild(self) -> int:
        stop = threading.Event()
        pages, loop = self._pages(), asyncio.get_running_loop()

        async def following() -> list[IncidentMemory] | None:
            return await anext(pages, None)

        def pulled() -> Iterator[IncidentMemory]:
            while True:
                # An index of half of it must not take the whole one's place.
                if stop.is_set():
                    raise KnowledgeUnavailable("The rebuild of the index was broken off.")
                page = asyncio.run_coroutine_threadsafe(following(), loop).result()
                if page is None:
                    return
                yield from page

        try:
            return await asyncio.to_thread(self._index.rebuild, pulled())
        finally:
            stop.set()

    async def _pages(self) -> AsyncIterator[list[IncidentMemory]]:
        after: str | None = None
        while page := await self._sweeps.ended(after=after):
            learnt = [await self._load(row.id) for row in page if row.outcome not in NOTHING_LEARNT]
            yield [memory for memory in learnt if memory.root_cause]
            after = page[-1].id
        yield await asyncio.to_thread(lambda: list(self._team.incidents()))

    @contextlib.asynccontextmanager
    async def _alone(self, *, wait: bool) -> AsyncIterator[bool]:
        """Hold the lock, which goes with its connection; False where another holds it and we don't wait."""
        connection = await psycopg.AsyncConnection.connect(
            self._libpq_url, autocommit=True, connect_timeout=10, application_name="pitstop-index"
        )
        async with connection:
            while True:
                row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))).fetchone()
                mine = bool(row and row[0])
                if mine or not wait:
                    break
                await asyncio.sleep(LOCK_PAUSE_SECONDS)
            yield mine
