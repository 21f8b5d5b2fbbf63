"""Pitstop's incidents in the list of threads that LangGraph's development server keeps for itself.

That list knows what this server ran. Incidents are run by Pitstop's worker, over the same checkpoints, so whoever
looks for threads is shown the incidents first: those that wait for a decision as `interrupted`, with the
interrupt, and all others as `idle`.

LangGraph's HTTP API has no call for that: a thread that it creates is idle whatever it waits for, writing its
state adds a checkpoint that has lost the interrupt, and running it would compete with the worker. So the rows are
written as the server itself writes them when a run has ended, through its runtime's `Threads`. That is no public
interface: it is pinned in `constraints.txt`, and tried by `tests/e2e/test_langgraph_dev.py`. Only the development
server's runtime is written to; any other lists what it ran itself.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, cast
from uuid import UUID, uuid5

import langgraph_runtime
from langgraph.types import StateSnapshot
from langgraph_api.graph import NAMESPACE_GRAPH
from langgraph_runtime_inmem.database import connect
from langgraph_runtime_inmem.ops import Threads

from core.incident import FINISHED, LEFT_TO_PEOPLE, Status
from graph.build import build
from graph.checkpointer import make_saver
from store.queries import MAX_LIMIT
from store.views import IncidentSummary
from wiring.runtime import Runtime

#: The graph's name in `langgraph.json`.
GRAPH = "pitstop"
#: How many incidents are listed beside those that wait.
NEWEST = 100
_ASSISTANT = str(uuid5(NAMESPACE_GRAPH, GRAPH))
_SETTLED = FINISHED | LEFT_TO_PEOPLE


class ThreadList:
    """Brings the server's list of threads up to date with the incidents.

    Args:
        parts: Gives the process's runtime.
    """

    def __init__(self, parts: Callable[[], Awaitable[Runtime]]) -> None:
        self._parts = parts
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """List what waits for a decision, and the newest incidents.

        Raises:
            StoreUnavailable, psycopg.OperationalError: Postgres is away.
        """
        await self._as_pitstop(self._refresh())

    async def refresh_one(self, thread_id: str) -> None:
        """List this thread as it stands, if an incident has it. Raises: as `refresh`."""
        await self._as_pitstop(self._refresh_one(thread_id))

    async def has_incident(self, thread_id: str) -> bool:
        """Whether the thread works on an incident. Raises: StoreUnavailable."""
        runtime = await self._parts()
        return bool((await runtime.queries.incidents(threads=[thread_id], limit=1)).items)

    async def _as_pitstop(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this in a context of its own: the server takes from the context on whose behalf threads are made,
        and would ask whether the reader may make them."""
        if langgraph_runtime.RUNTIME_EDITION != "inmem":
            work.close()
            return
        await asyncio.create_task(work, context=contextvars.Context())

    async def _refresh(self) -> None:
        async with self._lock:
            runtime = await self._parts()
            queries = runtime.queries
            waiting = await queries.incidents(status=[Status.AWAITING_APPROVAL], limit=MAX_LIMIT)
            newest = await queries.incidents(limit=NEWEST)
            listed = await _listed_as_interrupted()
            asked = await queries.incidents(threads=listed, limit=MAX_LIMIT) if listed else waiting
            await _list(runtime, [*asked.items, *waiting.items, *newest.items])

    async def _refresh_one(self, thread_id: str) -> None:
        async with self._lock:
            runtime = await self._parts()
            await _list(runtime, (await runtime.queries.incidents(threads=[thread_id], limit=1)).items)


async def _list(runtime: Runtime, incidents: Iterable[IncidentSummary]) -> None:
    """Write the rows of these incidents' threads, where they are not there as they should be."""
    rows = {row.thread_id: row for row in incidents if row.thread_id and _is_uuid(row.thread_id)}
    written = await _when_written(list(rows))
    graph = build(None, make_saver(runtime.checkpoints))
    for thread_id, row in rows.items():
        if written.get(thread_id) != row.updated_at:
            config: Any = {"configurable": {"thread_id": thread_id}}
            await _write(thread_id, row, await graph.aget_state(config))


def _waits_for_a_person(snapshot: StateSnapshot) -> bool:
    return any(isinstance(i.value, dict) and i.value.get("kind") == "review" for i in snapshot.interrupts)


async def _listed_as_interrupted() -> set[str]:
    return {str(thread["thread_id"]) for thread in await _search(status="interrupted")}


async def _when_written(thread_ids: list[str]) -> dict[str, Any]:
    """The time at each listed thread: its incident's, if nothing has happened to it since `_write`."""
    found = await _search(ids=thread_ids) if thread_ids else []
    return {str(thread["thread_id"]): thread.get("updated_at") for thread in found}


async def _search(status: Any = None, ids: list[str] | None = None) -> list[Any]:
    async with connect() as conn:
        found, _ = await Threads.search(
            conn,  # pyright: ignore[reportArgumentType]
            ids=ids,
            metadata={"graph_id": GRAPH},
            values={},
            status=status,
            limit=len(ids) if ids else MAX_LIMIT,
            offset=0,
        )
        return [thread async for thread in found]


async def _write(thread_id: str, row: IncidentSummary, snapshot: StateSnapshot) -> None:
    """The thread's row as after a run of this server; waiting for a cluster or a backoff is not `interrupted`,
    since nobody can answer that."""
    waits = _waits_for_a_person(snapshot)
    metadata = {
        "graph_id": GRAPH,
        "assistant_id": _ASSISTANT,
        "incident_id": row.id,
        "run_id": row.run_id,
        "job_name": row.job_name,
    }
    tasks = [{"id": task.id, "interrupts": list(task.interrupts)} for task in snapshot.tasks]
    checkpoint: Any = {
        "next": list(snapshot.next) if waits else [],
        "values": snapshot.values,
        "tasks": tasks if waits else [],
    }
    # An incident's row changes a moment before the thread's checkpoint: until both agree, look again.
    agree = waits if row.status is Status.AWAITING_APPROVAL else row.status in _SETTLED and not snapshot.next
    async with connect() as conn:
        made = await Threads.put(conn, thread_id, metadata=metadata, if_exists="do_nothing")
        await Threads.set_status(conn, UUID(thread_id), checkpoint, None)  # pyright: ignore[reportArgumentType]
        async for thread in cast("AsyncIterator[dict[str, Any]]", made):
            thread["metadata"] = metadata | thread["metadata"]
            thread["created_at"] = row.opened_at
            thread["updated_at"] = row.updated_at if agree else thread["updated_at"]


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
