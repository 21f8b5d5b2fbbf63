"""Which of several workers runs the loops that must not run twice: the one that holds an advisory lock."""

from __future__ import annotations

import asyncio

import psycopg
import structlog

log = structlog.get_logger(__name__)

#: Any number will do, as long as nothing else in this database takes it ("pitstop" in ASCII).
LOCK = int.from_bytes(b"pitstop")


class Leader:
    """Holds Postgres's session lock `LOCK` on a connection of its own, as long as that connection lives.

    A leader that loses its connection may finish a round while another begins one, so what the loops do must be
    harmless twice; the lock only saves the work.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connection: psycopg.AsyncConnection | None = None
        self._leads = False
        self._busy = asyncio.Lock()

    async def leads(self) -> bool:
        """Whether this process is the leader now; tries to become it.

        Raises:
            psycopg.OperationalError: Postgres is away.
        """
        async with self._busy:
            try:
                return await self._try()
            except psycopg.OperationalError:
                await self._drop()
                raise

    async def _try(self) -> bool:
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, connect_timeout=10, application_name="pitstop-leader"
            )
        if self._leads:
            await self._connection.execute("SELECT 1")
            return True
        cursor = await self._connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
        row = await cursor.fetchone()
        self._leads = bool(row and row[0])
        if self._leads:
            log.info("worker.leads")
        return self._leads

    async def _drop(self) -> None:
        self._leads = False
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def close(self) -> None:
        """Let another lead."""
        async with self._busy:
            await self._drop()
