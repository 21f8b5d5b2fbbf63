"""Telling whoever watches that something new happened: one LISTEN for the process, an event for each watcher."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator

import psycopg
import structlog

from store.events import CHANNEL

log = structlog.get_logger(__name__)

RECONNECT_SECONDS = 2.0
#: Watched instead of an incident's id: news of every incident.
EVERYTHING = ""


class News:
    """Wakes the watchers of an incident when an event of it is committed.

    It carries no facts: a watcher that is woken reads what is new. While Postgres is away nothing comes, and at
    its return everybody is woken once, since something may have been missed.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._watchers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @contextlib.contextmanager
    def watch(self, incident_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each piece of news; whoever waits clears it."""
        news = asyncio.Event()
        self._watchers[incident_id].add(news)
        try:
            yield news
        finally:
            self._watchers[incident_id].discard(news)
            if not self._watchers[incident_id]:
                del self._watchers[incident_id]

    async def listen(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen_once()
            except psycopg.OperationalError as error:
                log.info("news.away", error=str(error).strip())
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_once(self) -> None:
        async with await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, connect_timeout=10, application_name="pitstop-news"
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            for incident_id in list(self._watchers):
                self._tell(incident_id)
            async for notice in connection.notifies():
                self._tell(notice.payload.rpartition(" ")[2])

    def _tell(self, incident_id: str) -> None:
        for name in (incident_id, EVERYTHING):
            for news in self._watchers.get(name, ()):
                news.set()
