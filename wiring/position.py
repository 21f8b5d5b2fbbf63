"""Where an incident's thread stands in the graph, read from its newest checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from graph.build import build
from graph.checkpointer import Pool, make_saver

#: The nodes in the order of a run without detours; `fetch_task` is a part of `fetch`.
NODES = ("fetch", "retrieve", "analyze", "evaluate", "predict", "decide", "review", "act", "verify", "learn")


@dataclass(frozen=True)
class Position:
    """`at` holds the nodes that come next (none: the thread has ended); `waits_for` is what an interrupt says.

    `step` counts supersteps; `written_at` is ISO 8601 in UTC.
    """

    checkpoint_id: str
    step: int
    written_at: str
    at: list[str] = field(default_factory=list)
    waits_for: str = ""


async def position(pool: Pool, thread_id: str) -> Position | None:
    """The thread's position; None when it has no checkpoint here (not begun, pruned, or another server's).

    Raises:
        psycopg.Error: Postgres is away.
    """
    config: Any = {"configurable": {"thread_id": thread_id}}
    snapshot = await build(None, make_saver(pool)).aget_state(config)
    if not snapshot.created_at:
        return None
    waiting = next((i.value for i in snapshot.interrupts if isinstance(i.value, dict)), {})
    return Position(
        checkpoint_id=str(snapshot.config.get("configurable", {}).get("checkpoint_id", "")),
        step=int((snapshot.metadata or {}).get("step", 0)),
        written_at=snapshot.created_at,
        at=["fetch" if node == "fetch_task" else node for node in dict.fromkeys(snapshot.next)],
        waits_for=str(waiting.get("kind", "")),
    )
