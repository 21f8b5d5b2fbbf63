"""Jobs API: run-now and runs/submit, get, list, cancel, repair, delete. Their outputs are in `outputs_routes`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox import job_settings
from sandbox.box import Box, box_of
from sandbox.presentation import PAGE
from sandbox.reading import body_of, flag, integer, page_position, page_token, text_map
from sandbox.refusal import invalid, wrong_state
from sandbox.runs import Run

Json = dict[str, Any]

DEFAULT_LIMIT, MAX_LIMIT = 20, 25
MAX_TOKEN = 64
#: Parameters of the older kind, which are kept and shown but change nothing here.
_LEGACY = (
    "jar_params",
    "notebook_params",
    "python_params",
    "python_named_params",
    "spark_submit_params",
    "sql_params",
    "dbt_commands",
    "pipeline_params",
)


async def run_now(request: Request) -> JSONResponse:
    """POST jobs/run-now"""
    box, body = box_of(request), await body_of(request)
    job = box.workspace.job(integer(body, "job_id"))
    token = _token(body)
    if (known := _known(box, token)) is not None:
        return JSONResponse({"run_id": known, "number_in_job": known})
    queue = body.get("queue")
    run = box.engine.start(
        job.settings,
        job=job,
        parameters=text_map(body, "job_parameters"),
        only=body.get("only"),
        queue=flag(queue, "enabled") if isinstance(queue, dict) else None,
        overriding=_legacy(body),
    )
    _remember(box, token, run)
    box.journal.action("run_now", run.start_time, body, job_id=job.job_id, run_id=run.run_id)
    return JSONResponse({"run_id": run.run_id, "number_in_job": run.run_id})


async def submit(request: Request) -> JSONResponse:
    """POST jobs/runs/submit"""
    box, body = box_of(request), await body_of(request)
    token = _token(body)
    if (known := _known(box, token)) is not None:
        return JSONResponse({"run_id": known})
    settings = {
        k: v for k, v in body.items() if k not in {"idempotency_token", "run_name", "access_control_list"}
    }
    if not settings.get("tasks"):
        raise invalid("One-time runs must have at least one task.")
    name = body.get("run_name") or "Untitled"
    run = box.engine.start(job_settings.complete({**settings, "name": name}), name=name)
    _remember(box, token, run)
    box.journal.action("submit", run.start_time, body, run_id=run.run_id)
    return JSONResponse({"run_id": run.run_id})


async def get(request: Request) -> JSONResponse:
    """GET jobs/runs/get: a run, or a task run by its own id. Since 2.2 arrays come in pages of 100."""
    box, query = box_of(request), request.query_params
    run_id = integer(query, "run_id")
    if run_id in box.workspace.task_runs:
        return JSONResponse(box.presentation.task_as_run(*box.workspace.task_run(run_id)))
    body = box.presentation.run(box.workspace.run(run_id), history=flag(query, "include_history"))
    if "/2.2/" in request.url.path:
        start = integer({"at": page_position(query.get("page_token"))}, "at", 0)
        names = ("tasks", "job_clusters", "job_parameters", "repair_history")
        arrays = {name: body[name] for name in names if name in body}
        body.update({name: array[start : start + PAGE] for name, array in arrays.items()})
        if any(len(array) > start + PAGE for array in arrays.values()):
            body["next_page_token"] = page_token(str(start + PAGE))
    return JSONResponse(body)


async def list_(request: Request) -> JSONResponse:
    """GET jobs/runs/list: latest start first, 20 to a page, 25 at most."""
    box, query = box_of(request), request.query_params
    limit = integer(query, "limit", DEFAULT_LIMIT) or MAX_LIMIT
    if not 0 < limit <= MAX_LIMIT:
        raise invalid(f"Limit must be at least 0 and at most {MAX_LIMIT}.")
    runs = _matching(box, query)
    position = page_position(query.get("page_token"))
    if position:
        start, _, run_id = position.partition(":")
        cursor = (integer({"at": start}, "at"), integer({"at": run_id}, "at"))
        runs = [run for run in runs if (run.start_time, run.run_id) < cursor]
    else:
        runs = runs[integer(query, "offset", 0) :]
    page = runs[:limit]
    body: Json = {"has_more": len(runs) > limit}
    if page:
        body["runs"] = [box.presentation.listed(run, expand=flag(query, "expand_tasks")) for run in page]
    if len(runs) > limit:
        body["next_page_token"] = page_token(f"{page[-1].start_time}:{page[-1].run_id}")
    return JSONResponse(body)


async def cancel(request: Request) -> JSONResponse:
    """POST jobs/runs/cancel: a run or a task run; it stops a little later. Nothing happens to one that ended."""
    box, body = box_of(request), await body_of(request)
    run_id = integer(body, "run_id")
    if run_id in box.workspace.task_runs:
        run, task_run = box.workspace.task_run(run_id)
        changed = box.engine.cancel_task(run, task_run)
    else:
        run = box.workspace.run(run_id)
        changed = box.engine.cancel(run)
    if changed:
        now = box.workspace.timeline.now
        box.journal.action("cancel", now, body, job_id=run.job_id, run_id=run_id)
    return JSONResponse({})


async def cancel_all(request: Request) -> JSONResponse:
    """POST jobs/runs/cancel-all"""
    box, body = box_of(request), await body_of(request)
    job = box.workspace.job(integer(body, "job_id"))
    for run in list(box.workspace.runs.values()):
        if run.job is job and box.engine.cancel(run):
            now = box.workspace.timeline.now
            box.journal.action("cancel", now, body, job_id=job.job_id, run_id=run.run_id)
    return JSONResponse({})


async def repair(request: Request) -> JSONResponse:
    """POST jobs/runs/repair"""
    box, body = box_of(request), await body_of(request)
    run = box.workspace.run(integer(body, "run_id"))
    latest = body.get("latest_repair_id")
    repair_id = box.engine.repair(
        run,
        rerun_tasks=body.get("rerun_tasks"),
        rerun_all_failed_tasks=flag(body, "rerun_all_failed_tasks"),
        rerun_dependent_tasks=flag(body, "rerun_dependent_tasks"),
        latest_repair_id=integer(body, "latest_repair_id") if latest is not None else None,
        parameters=text_map(body, "job_parameters"),
        overriding=_legacy(body),
    )
    now = box.workspace.timeline.now
    box.journal.action("repair", now, body, job_id=run.job_id, run_id=run.run_id, repair_id=repair_id)
    return JSONResponse({"repair_id": repair_id})


async def delete(request: Request) -> JSONResponse:
    """POST jobs/runs/delete: only of a run that has ended."""
    box, body = box_of(request), await body_of(request)
    run = box.workspace.run(integer(body, "run_id"))
    if not run.over:
        raise wrong_state(f"Run {run.run_id} is still active and cannot be deleted.")
    del box.workspace.runs[run.run_id]
    for task_run in run.task_runs:
        del box.workspace.task_runs[task_run.run_id]
    box.journal.action("delete_run", box.workspace.timeline.now, body, job_id=run.job_id, run_id=run.run_id)
    return JSONResponse({})


def _matching(box: Box, query: Any) -> list[Run]:
    active, completed = flag(query, "active_only"), flag(query, "completed_only")
    if active and completed:
        raise invalid("Only one of active_only and completed_only can be true.")
    job_id = integer(query, "job_id", 0)
    earliest, latest = integer(query, "start_time_from", 0), integer(query, "start_time_to", 2**63)
    kind = query.get("run_type")
    runs = [
        run
        for run in box.workspace.runs.values()
        if box.workspace.kept(run)
        and (not job_id or run.job_id == job_id)
        and (not active or not run.over)
        and (not completed or run.over)
        and (not kind or run.run_type == kind)
        and earliest <= run.start_time <= latest
    ]
    return sorted(runs, key=lambda run: (run.start_time, run.run_id), reverse=True)


def _token(body: Json) -> str | None:
    token = body.get("idempotency_token")
    if token and len(str(token)) > MAX_TOKEN:
        raise invalid(f"Field 'idempotency_token' must have at most {MAX_TOKEN} characters.")
    return str(token) if token else None


def _known(box: Box, token: str | None) -> int | None:
    """The run that was started with this token before."""
    run_id = box.workspace.tokens.get(token or "")
    if run_id is not None and run_id not in box.workspace.runs:
        raise invalid(f"The run that was created with idempotency token '{token}' has been deleted.")
    return run_id


def _remember(box: Box, token: str | None, run: Run) -> None:
    if token:
        box.workspace.tokens[token] = run.run_id


def _legacy(body: Json) -> Json:
    return {key: body[key] for key in _LEGACY if body.get(key) is not None}


def routes(prefix: str) -> list[Route]:
    """The routes under a version's prefix, such as /api/2.2."""
    return [
        Route(f"{prefix}/jobs/run-now", run_now, methods=["POST"]),
        Route(f"{prefix}/jobs/runs/submit", submit, methods=["POST"]),
        Route(f"{prefix}/jobs/runs/get", get, methods=["GET"]),
        Route(f"{prefix}/jobs/runs/list", list_, methods=["GET"]),
        Route(f"{prefix}/jobs/runs/cancel", cancel, methods=["POST"]),
        Route(f"{prefix}/jobs/runs/cancel-all", cancel_all, methods=["POST"]),
        Route(f"{prefix}/jobs/runs/repair", repair, methods=["POST"]),
        Route(f"{prefix}/jobs/runs/delete", delete, methods=["POST"]),
    ]
