"""Score how well the diagnosis is supported, and send the work back while it is not."""

from typing import Any

from langgraph.runtime import Runtime

from core.incident import Diagnosis, Similar, Triad
from core.run import RunFacts
from nodes.context import Context
from nodes.state import State

#: The first search and at most two better ones.
MAX_RETRIEVALS = 3


async def evaluate(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """The RAG triad against the policy's threshold; under it, retrieve again, at most twice.

    What is still under it then goes on marked `low_support`, and nothing stronger than telling people may
    be proposed.
    """
    ctx = runtime.context
    diagnosis = Diagnosis.model_validate(state["diagnosis"])
    triad = await ctx.investigator.evaluate(
        diagnosis,
        [Similar.model_validate(s) for s in state.get("similar", [])],
        incident_id=state["incident_id"],
        run=RunFacts.model_validate(state["run"]),
    )
    rules = ctx.policy.rules_for(
        state["run"].get("job_name", ""), state["run"].get("tags", {}), diagnosis.failure_class
    )
    low = triad.weakest() < rules.triad_threshold
    again = low and state.get("retrievals", 0) < MAX_RETRIEVALS
    await ctx.store.add_event(
        state["incident_id"],
        "evaluated",
        {
            **triad.model_dump(),
            "threshold": rules.triad_threshold,
            "again": again,
            **_judged(triad),
        },
        key=f"evaluated/{state['attempt']}/{state.get('revision', 1)}/{state.get('retrievals', 0)}",
    )
    return {"triad": triad.model_dump(), "low_support": low, "route": "retrieve" if again else "predict"}


def _judged(triad: Triad) -> dict[str, Any]:
    """What a model said of it, where one judged: short, to be read, and all of it."""
    judge = triad.judge
    if not judge:
        return {}
    reasons: dict[str, str] = judge.get("reasons", {})
    said = [f"{name.replace('_', ' ')} {judge['scores'][name]:.2f}: {why}" for name, why in reasons.items()]
    return {"judge": judge["name"], "judge_said": said or [judge["error"]], "judgement": judge}
