"""What `retrieve` finds and `learn` remembers, off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from core.incident import Similar
from knowledge.incident_memory import IncidentMemory
from knowledge.index import Index


class Memory:
    """Finds runbooks and past incidents, and remembers finished ones; off the event loop.

    Args:
        index: The vector store.
        load_incident: Reads one finished incident from where incidents are kept. Raises: NotFound.
    """

    def __init__(self, index: Index, load_incident: Callable[[str], Awaitable[IncidentMemory]]) -> None:
        self._index = index
        self._load_incident = load_incident

    async def search(self, query: str, *, keys: Mapping[str, str], limit: int = 5) -> list[Similar]:
        """The best matches for a query and exact keys (`fingerprint`, `failure_class`, `job`), best first.

        Raises:
            KnowledgeUnavailable: The vector store can't be opened or read.
        """
        return await asyncio.to_thread(self._index.search, query, keys=keys, limit=limit)

    async def remember(self, incident_id: str) -> None:
        """Put one finished incident into what `search` finds. Idempotent.

        Raises:
            NotFound: No such incident.
            KnowledgeUnavailable: The vector store can't be opened or written.
        """
        memory = await self._load_incident(incident_id)
        await asyncio.to_thread(self._index.put, [memory])
