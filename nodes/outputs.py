"""The failed tasks' outputs, put together again from the references in the state."""

import json
from typing import Any

from core.errors import NotFound
from core.run import RunFacts, TaskOutput
from nodes.context import Context
from nodes.state import State

_TEXTS = ("error", "error_trace", "logs", "notebook_result", "source", "good_log")


async def outputs(state: State, ctx: Context) -> list[TaskOutput]:
    """The newest attempt's task outputs with their whole (redacted) texts, and what people attached."""
    found = [await _whole(reference, ctx) for _, reference in sorted(state.get("tasks", {}).items())]
    attached = await ctx.store.attachments(state["incident_id"])
    if attached:
        found.append(TaskOutput(task_key="attachments", run_id=0, cluster_logs=attached))
    return found


async def run_facts(state: State, ctx: Context) -> RunFacts:
    """The run from the state, with the job's settings from their artifact."""
    facts = RunFacts.model_validate(state["run"])
    key = state.get("settings") or settings_key(state["attempt"], 1)
    text = await ctx.store.find_artifact(state["incident_id"], key)
    return facts.model_copy(update={"settings": json.loads(text)}) if text else facts


def settings_key(attempt: int, revision: int) -> str:
    """Where the job's settings are kept as they were when that look began: by the next they may have changed."""
    return f"{attempt}/settings" + (f"/{revision}" if revision > 1 else "")


async def _whole(reference: dict[str, Any], ctx: Context) -> TaskOutput:
    output = TaskOutput.model_validate(reference)
    texts: dict[str, Any] = {}
    cluster_logs: dict[str, str] = {}
    events: list[dict[str, Any]] = []
    missing = list(output.missing)
    for name, artifact in output.artifacts.items():
        try:
            text = await ctx.store.get_artifact(artifact)
        except NotFound:
            missing.append(f"artifact {name} is gone")
            continue
        if name in _TEXTS:
            texts[name] = text
        elif name == "cluster_events":
            events = json.loads(text)
        else:
            cluster_logs[name] = text
    return output.model_copy(
        update={**texts, "cluster_logs": cluster_logs, "cluster_events": events, "missing": missing}
    )
