"""Read everything one failed task left behind; one branch for each task, in parallel."""

from typing import Any, NotRequired

from langgraph.runtime import Runtime
from typing_extensions import TypedDict

from core.errors import RunNotFound, WorkspaceRefused
from core.run import RunFacts, TaskFacts, TaskOutput
from nodes.context import Context
from tools.redaction import redact

ERROR_EXCERPT = 400


class FetchTask(TypedDict):
    """What one branch is sent: the run it belongs to (as JSON), and its task."""

    incident_id: str
    attempt: int
    run: dict[str, Any]
    task_key: str
    #: From the second look on: what was written meanwhile is kept beside what was read first.
    revision: NotRequired[int]
    #: A good run of the job whose log the task's log is compared with.
    good_run_id: NotRequired[int | None]


async def fetch_task(state: FetchTask, runtime: Runtime[Context]) -> dict[str, Any]:
    """Fetch, redact and keep one task's output; the state gets references and the error line only.

    What can't be read (removed, or not permitted) is noted in `missing` and on the timeline, and stops nothing.

    Raises:
        WorkspaceUnavailable: Worth another try.
    """
    ctx = runtime.context
    run = RunFacts.model_validate(state["run"])
    task = next(t for t in run.tasks if t.task_key == state["task_key"])
    key = f"{state['attempt']}/{task.task_key}"
    try:
        raw = await ctx.workspace.task_output(run, task, good_run_id=state.get("good_run_id"))
    except (RunNotFound, WorkspaceRefused) as error:
        output = TaskOutput(task_key=task.task_key, run_id=task.run_id, missing=[redact(str(error)).text])
        await _say_what_is_missing(ctx, state["incident_id"], key, output)
        return {"tasks": {key: output.model_dump(mode="json", exclude_defaults=True)}}
    output, whole = ctx.investigator.redact(raw, task, run)
    artifacts = {name: await _keep(ctx, state, name, text) for name, text in whole.items() if text}
    await _say_what_is_missing(ctx, state["incident_id"], key, output)
    return {"tasks": {key: reference(output, task, artifacts)}}


async def _keep(ctx: Context, state: FetchTask, name: str, text: str) -> str:
    """The id of the artifact with this text; one of an earlier look stands, unless the text has changed."""
    key = f"{state['attempt']}/{state['task_key']}/{name}"
    revision = state.get("revision", 1)
    if revision > 1 and await ctx.store.find_artifact(state["incident_id"], key) not in (None, text):
        key = f"{key}/{revision}"
    return await ctx.store.put_artifact(state["incident_id"], f"{state['task_key']}/{name}", text, key=key)


def reference(output: TaskOutput, task: TaskFacts, artifacts: dict[str, str]) -> dict[str, Any]:
    """The output as the state keeps it: the error's first line, and where the rest is."""
    short = TaskOutput(
        task_key=task.task_key,
        run_id=task.run_id,
        error=output.error[:ERROR_EXCERPT],
        logs_truncated=output.logs_truncated,
        notebook_truncated=output.notebook_truncated,
        artifacts=artifacts,
        missing=_shortened(output.missing),
        secrets_redacted=output.secrets_redacted,
    )
    return short.model_dump(mode="json", exclude_defaults=True)


async def _say_what_is_missing(ctx: Context, incident_id: str, key: str, output: TaskOutput) -> None:
    if output.missing:
        facts = {"task_key": output.task_key, "missing": _shortened(output.missing)}
        await ctx.store.add_event(incident_id, "not_read", facts, key=f"not_read/{key}")


def _shortened(missing: list[str]) -> list[str]:
    return [redact(m).text[:200] for m in missing[:5]]
