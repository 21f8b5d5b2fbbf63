"""Write down how it ended, so that the next time is quicker."""

from typing import Any

from langgraph.runtime import Runtime

from core.errors import KnowledgeUnavailable
from knowledge.incident_memory import NOTHING_LEARNT
from nodes.context import Context
from nodes.state import State
from nodes.telling import ended


async def learn(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Finish the incident and remember it for `retrieve`.

    Success counts only when verified; rejections and edits are kept as feedback on the proposal.
    """
    ctx = runtime.context
    incident_id = state["incident_id"]
    outcome = state.get("outcome", "closed")
    if await _asked_again(state, ctx):
        return {}
    await ctx.store.update_incident(incident_id, tried=state.get("tried", []))
    await ctx.store.finish(incident_id, outcome, note=state.get("refusal", ""))
    if outcome in NOTHING_LEARNT or not state.get("diagnosis"):
        return {"outcome": outcome, "messages": ended(state, outcome)}
    try:
        await ctx.retriever.remember(incident_id)
    except KnowledgeUnavailable as error:
        await ctx.store.add_event(
            incident_id, "knowledge_unavailable", {"reason": str(error)}, key="knowledge_unavailable/learn"
        )
    return {"outcome": outcome, "messages": ended(state, outcome)}


async def _asked_again(state: State, ctx: Context) -> bool:
    """Whether a person asked for a second look since this thread finished the incident, and died before it said so."""
    look = (await ctx.store.incident(state["incident_id"])).second_look
    seen = (state.get("attempt", 1), state.get("revision", 1))
    return look is not None and (look.attempt, look.revision) > seen
