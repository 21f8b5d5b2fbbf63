"""Everything that one task left behind, gathered from all the places where Databricks puts it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from core.errors import RunNotFound, WorkspaceError, WorkspaceRefused
from core.run import TaskFacts
from tools.databricks import reads, states, wire
from tools.databricks.cluster_logs import ClusterReader, ClusterTraces
from tools.databricks.connection import Connection
from tools.databricks.notebook import page_text
from tools.databricks.source import read_source

Json = dict[str, Any]

#: Of a run that this task started, or the iterations it ran: how many failed ones are looked at.
MAX_CHILDREN = 3


@dataclass
class RawOutput:
    """A task's output, unredacted.

    `texts` has those of these that are not empty: `error`, `error_trace`, `logs` (the last 5 MB),
    `notebook_result` (the first 5 MB), `good_log` (see `tools.databricks.good_run`), `state_message`, `source` (around the failing line), `notebook` (the
    exported page's text), `cluster/<file>`, and `child/<task>/error` and `child/<task>/error_trace` of what the
    task itself ran. Cluster events are the API's, oldest first.
    """

    texts: dict[str, str] = field(default_factory=dict)
    cluster_events: list[Json] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    logs_truncated: bool = False
    notebook_truncated: bool = False

    def put(self, name: str, text: Any) -> None:
        """Keep a text, unless it is empty or no text."""
        if isinstance(text, str) and text.strip():
            self.texts[name] = text


class OutputReader:
    """Reads tasks' outputs. Only the output itself is waited for; the rest is taken as far as it can be had."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._clusters = ClusterReader(connection)

    async def read(self, task: TaskFacts) -> RawOutput:
        """The output of one task.

        Raises:
            WorkspaceUnavailable: The run's own output can't be had now.
        """
        output = RawOutput()
        output.put("state_message", task.state_message)
        body = await self._own(task, output)
        traces, _, _, _ = await asyncio.gather(
            self._cluster(task, body),
            self._source(task, output),
            self._exported(task, output),
            self._children(task, body, output),
        )
        output.texts.update(traces.texts)
        output.cluster_events = traces.events
        output.missing += traces.missing
        return output

    async def _own(self, task: TaskFacts, output: RawOutput) -> Json:
        """What get-output says of the task's own run (its parent's has none)."""
        try:
            body = await get_output(self._connection, task.run_id)
        except (RunNotFound, WorkspaceRefused) as error:
            output.missing.append(f"output: {error}")
            return {}
        output.put("error", body.get("error") or _sql_error(body.get("sql_output")))
        output.put("error_trace", body.get("error_trace"))
        output.put("logs", body.get("logs"))
        notebook = body.get("notebook_output")
        if isinstance(notebook, dict):
            output.put("notebook_result", notebook.get("result"))
            output.notebook_truncated = bool(notebook.get("truncated"))
        output.logs_truncated = bool(body.get("logs_truncated"))
        return body

    async def _cluster(self, task: TaskFacts, body: Json) -> ClusterTraces:
        if not task.cluster_id:
            return ClusterTraces()  # serverless, or it never got one
        spec = _part(_part(_part(body, "metadata"), "cluster_spec"), "new_cluster")
        return await self._clusters.read(task.cluster_id, spec.get("cluster_log_conf"))

    async def _source(self, task: TaskFacts, output: RawOutput) -> None:
        trace = output.texts.get("error_trace") or output.texts.get("logs", "")[-20_000:]
        if not trace:
            return
        source, why_not = await read_source(self._connection, task.notebook_path, trace)
        output.put("source", source)
        if why_not:
            output.missing.append(why_not)

    async def _exported(self, task: TaskFacts, output: RawOutput) -> None:
        """The notebook as it ran, where the API's own output was cut or says nothing."""
        silent = not output.texts.get("error_trace") and not output.texts.get("notebook_result")
        if task.kind != "notebook" or not (output.notebook_truncated or silent):
            return
        try:
            query = {"run_id": task.run_id, "views_to_export": "CODE"}
            what = f"the exported notebook of run {task.run_id}"
            body = await self._connection.read(f"{reads.API}/jobs/runs/export", query, what=what)
        except WorkspaceError as error:
            output.missing.append(f"notebook: {error}")
            return
        views = body.get("views") or []
        pages = [view.get("content") for view in views if isinstance(view, dict)]
        output.put("notebook", "\n\n".join(page_text(page) for page in pages if isinstance(page, str)))

    async def _children(self, task: TaskFacts, body: Json, output: RawOutput) -> None:
        """The errors of the run that a `run_job` task started, or of a `for_each` task's iterations."""
        child = _part(body, "run_job_output").get("run_id") if task.kind == "run_job" else None
        run_id = child or (task.run_id if task.kind == "for_each" else None)
        if not isinstance(run_id, int):
            return
        try:
            run = await reads.run(self._connection, run_id)
            failed = [t for t in [*run.latest_tasks(), *run.iterations] if states.result(t) in states.FAILED]
            failed = [t for t in failed if t.run_id != task.run_id]
            if len(failed) > MAX_CHILDREN:
                output.missing.append(f"{len(failed) - MAX_CHILDREN} more failed runs of run {run_id}")
            for part in failed[:MAX_CHILDREN]:
                await self._child(part, output)
        except WorkspaceError as error:
            output.missing.append(f"run {run_id}, which this task started: {error}")

    async def _child(self, part: wire.Task, output: RawOutput) -> None:
        body = await get_output(self._connection, part.run_id)
        name = part.task_key if f"child/{part.task_key}/error" not in output.texts else str(part.run_id)
        output.put(f"child/{name}/error", body.get("error") or states.message(part))
        output.put(f"child/{name}/error_trace", body.get("error_trace"))


async def get_output(connection: Connection, run_id: int) -> Json:
    """runs/get-output of a task's run.

    Raises:
        RunNotFound, WorkspaceRefused, WorkspaceUnavailable: See `core.errors`.
    """
    what = f"run {run_id}"
    path = f"{reads.API}/jobs/runs/get-output"
    return await connection.read(path, {"run_id": run_id}, what=what, of_a_run=True)


def _part(body: Json, name: str) -> Json:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _sql_error(sql_output: Any) -> str:
    """The first error message inside an SQL task's output (a query's, a dashboard widget's, an alert's)."""
    if isinstance(sql_output, list):
        return next((found for item in sql_output if (found := _sql_error(item))), "")
    if not isinstance(sql_output, dict):
        return ""
    said = _part(sql_output, "error").get("message")
    if isinstance(said, str) and said:
        return said
    return next((found for item in sql_output.values() if (found := _sql_error(item))), "")
