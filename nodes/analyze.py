"""Name the cause, with the lines that prove it."""

from typing import Any

from langgraph.runtime import Runtime

from core.incident import Diagnosis, Similar
from nodes.context import Context
from nodes.outputs import outputs, run_facts
from nodes.state import State

EVIDENCE_RANGES = 7
EVIDENCE_CHARS = 1500


async def analyze(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """Diagnose from the outputs, what was retrieved, and a reviewer's hint if there is one."""
    ctx = runtime.context
    similar = [Similar.model_validate(s) for s in state.get("similar", [])]
    diagnosis = await ctx.investigator.diagnose(
        await run_facts(state, ctx),
        await outputs(state, ctx),
        similar,
        hint=state.get("hint", ""),
        incident_id=state["incident_id"],
    )
    looked_up = diagnosis.facts.get("unity_catalog")
    if looked_up:
        key = f"looked_up/{state['attempt']}/{state.get('revision', 1)}"
        await ctx.store.add_event(state["incident_id"], "looked_up", {"unity_catalog": looked_up}, key=key)
    return {"diagnosis": bounded(diagnosis).model_dump(mode="json")}


def bounded(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis with its evidence cut to what a person reads and a checkpoint holds."""
    kept = [
        e.model_copy(update={"text": e.text[:EVIDENCE_CHARS]}) for e in diagnosis.evidence[:EVIDENCE_RANGES]
    ]
    return diagnosis.model_copy(update={"evidence": kept, "task_keys": diagnosis.task_keys[:30]})
