"""Estimate whether a rerun will hold."""

from typing import Any

from langgraph.runtime import Runtime

from core.actions import Action
from core.incident import Diagnosis
from core.run import PastRun
from nodes.context import Context
from nodes.state import State


async def predict(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    """The chance of success of a rerun, with its interval, from the job's runs and this class's past."""
    ctx = runtime.context
    diagnosis = Diagnosis.model_validate(state["diagnosis"])
    action = Action.RETRY if diagnosis.transient else Action.RETRY_WITH_NEW_PARAMS
    stats = await ctx.store.class_stats(diagnosis.failure_class, action.value)
    history = [PastRun.model_validate(p) for p in state.get("history", [])]
    prediction = ctx.predictor.predict(diagnosis.transient, history, stats, state["attempt"])
    return {"prediction": prediction.model_dump(mode="json")}
