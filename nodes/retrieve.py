"""Look for runbooks and past incidents that resemble this failure."""

from typing import Any

from langgraph.runtime import Runtime

from core.errors import KnowledgeUnavailable
from nodes.context import Context
from nodes.outputs import outputs, run_facts
from nodes.state import State

LIMIT = 5
EXCERPT = 1200


async def retrieve(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Search with a query built from evidence, each time round with a wider one.

    A knowledge base that can't be opened costs the similar incidents and nothing else.
    """
    ctx = runtime.context
    tries = state.get("retrievals", 0)
    run = await run_facts(state, ctx)
    query, keys = await ctx.investigator.query(run, await outputs(state, ctx), widen=tries)
    try:
        found = await ctx.retriever.search(query, keys=keys, limit=LIMIT + tries)
    except KnowledgeUnavailable as error:
        found = []
        await ctx.store.add_event(
            state["incident_id"],
            "knowledge_unavailable",
            {"reason": str(error)},
            key=f"knowledge_unavailable/{state['attempt']}",
        )
    similar = [s.model_copy(update={"text": s.text[:EXCERPT]}).model_dump(mode="json") for s in found]
    return {"query": query[:1000], "retrievals": tries + 1, "similar": similar}
