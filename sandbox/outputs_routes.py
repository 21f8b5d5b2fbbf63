"""Jobs API: runs/get-output and runs/export, of single task runs."""

from __future__ import annotations

import posixpath
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.box import Box, box_of
from sandbox.notebooks import export_html
from sandbox.reading import integer
from sandbox.refusal import invalid
from sandbox.runs import GOOD, Run, TaskRun
from sandbox.script import TASKS_WITHOUT_LOGS

Json = dict[str, Any]

#: get-output gives the last 5 MB of logs and the first 5 MB of a notebook's result.
MAX_OUTPUT = 5 * 1024 * 1024


async def get_output(request: Request) -> JSONResponse:
    """GET jobs/runs/get-output"""
    box = box_of(request)
    run_id = integer(request.query_params, "run_id")
    if run_id in box.workspace.runs:
        box.workspace.run(run_id)
        raise invalid(
            "Retrieving the output of runs with multiple tasks is not supported. "
            "Please retrieve the output of each individual task run instead."
        )
    run, task_run = box.workspace.task_run(run_id)
    body: Json = {"metadata": box.presentation.task_as_run(run, task_run)}
    if task_run.over and task_run.attempt is not None:
        body.update(_error(run, task_run))
        body.update(_output(run, task_run))
    return JSONResponse(body)


async def export(request: Request) -> JSONResponse:
    """GET jobs/runs/export: a notebook as HTML."""
    box = box_of(request)
    run_id = integer(request.query_params, "run_id")
    if run_id in box.workspace.runs:
        box.workspace.run(run_id)
        raise invalid(
            "Exporting runs with multiple tasks is not supported. Please export each task run instead."
        )
    run, task_run = box.workspace.task_run(run_id)
    notebook = task_run.task.get("notebook_task")
    if not notebook:
        raise invalid(f"Run {run_id} is not a notebook run and cannot be exported.")
    path = notebook["notebook_path"]
    view = {"type": "NOTEBOOK", "name": posixpath.basename(path), "content": _html(box, run, task_run, path)}
    return JSONResponse({"views": [view]})


def _error(run: Run, task_run: TaskRun) -> Json:
    """What went wrong: as scripted, unless it ended otherwise (cancelled, or stopped by its timeout)."""
    ending, attempt = task_run.ending, task_run.attempt
    if ending is None or attempt is None or ending.result_state in GOOD:
        return {}
    if ending.result_state != attempt.result:
        return {"error": ending.message}
    body: Json = {"error": attempt.error or ending.message}
    trace = _text(run, attempt.error_trace)
    return {**body, "error_trace": trace} if trace else body


def _output(run: Run, task_run: TaskRun) -> Json:
    attempt = task_run.attempt
    if attempt is None:
        return {}
    body: Json = dict(attempt.output)
    result = _text(run, attempt.notebook_result)
    if "notebook_task" in task_run.task:
        body["notebook_output"] = {}
        if result is not None and task_run.result in GOOD:
            first, cut = _first(result)
            body["notebook_output"] = {"result": first, "truncated": cut}
    if not any(kind in task_run.task for kind in TASKS_WITHOUT_LOGS):
        logs = (_text(run, attempt.logs) or "").encode()
        body["logs"] = logs[-MAX_OUTPUT:].decode("utf-8", errors="ignore")
        body["logs_truncated"] = len(logs) > MAX_OUTPUT
    return body


def _first(text: str) -> tuple[str, bool]:
    raw = text.encode()
    return raw[:MAX_OUTPUT].decode("utf-8", errors="ignore"), len(raw) > MAX_OUTPUT


def _html(box: Box, run: Run, task_run: TaskRun, path: str) -> str:
    attempt = task_run.attempt
    scripted = _text(run, attempt.export if attempt else None)
    if scripted is not None:
        return scripted
    found = box.workspace.files.object(path)
    error = _error(run, task_run) if task_run.over else {}
    result = _text(run, attempt.notebook_result if attempt else None) if task_run.result in GOOD else None
    return export_html(
        posixpath.basename(path),
        (found.language if found else None) or "PYTHON",
        found.content.decode("utf-8", errors="replace") if found else "",
        error=error.get("error"),
        trace=error.get("error_trace"),
        result=result,
    )


def _text(run: Run, name: str | None) -> str | None:
    play = run.job.play if run.job else None
    return play.scenario.text(name) if play and name else None


def routes(prefix: str) -> list[Route]:
    """The routes under a version's prefix, such as /api/2.2."""
    return [
        Route(f"{prefix}/jobs/runs/get-output", get_output, methods=["GET"]),
        Route(f"{prefix}/jobs/runs/export", export, methods=["GET"]),
    ]
