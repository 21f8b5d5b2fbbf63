"""What `langgraph.json` names: the graph with its real parts, for LangGraph Studio and `langgraph dev`."""

import contextlib
from collections.abc import AsyncIterator

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph.state import CompiledStateGraph

from graph.build import build
from graph.checkpointer import make_saver
from wiring.shared import closing_shared, shared_runtime


async def graph() -> CompiledStateGraph:
    """The graph, bound to this process's parts; each node takes the incident's lease while it runs."""
    runtime = await shared_runtime()
    return build(around=runtime.around)


@contextlib.asynccontextmanager
async def checkpointer() -> AsyncIterator[AsyncPostgresSaver]:
    """The same checkpoints as the service's, so that a thread begun in Studio is woken by Pitstop's worker."""
    async with closing_shared() as runtime:
        yield make_saver(runtime.checkpoints)
