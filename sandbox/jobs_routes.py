"""Jobs API: jobs/create, get, list, update, reset, delete."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox import job_settings
from sandbox.box import Box, box_of
from sandbox.jobs import Job
from sandbox.journal import Kind
from sandbox.presentation import PAGE
from sandbox.reading import body_of, flag, integer, page_position, page_token
from sandbox.refusal import invalid

#: What create takes that is no setting.
_NO_SETTINGS = {"access_control_list", "parent_path"}
DEFAULT_LIMIT, MAX_LIMIT = 20, 100


async def create(request: Request) -> JSONResponse:
    """POST jobs/create"""
    box, body = box_of(request), await body_of(request)
    settings = job_settings.complete({key: value for key, value in body.items() if key not in _NO_SETTINGS})
    job = Job(box.workspace.new_id(), settings, box.workspace.timeline.now)
    box.stage.adopt(job)
    box.workspace.jobs[job.job_id] = job
    box.journal.action("create", job.created, body, job_id=job.job_id)
    return JSONResponse({"job_id": job.job_id})


async def get(request: Request) -> JSONResponse:
    """GET jobs/get: since 2.2 arrays come in pages of 100."""
    box, query = box_of(request), request.query_params
    job = box.workspace.job(integer(query, "job_id"))
    body = box.presentation.job(job)
    if "/2.2/" in request.url.path:
        start = integer({"at": page_position(query.get("page_token"))}, "at", 0)
        settings = body["settings"]
        names = ("tasks", "job_clusters", "parameters", "environments")
        arrays = {name: settings[name] for name in names if settings.get(name)}
        settings.update({name: array[start : start + PAGE] for name, array in arrays.items()})
        if any(len(array) > start + PAGE for array in arrays.values()):
            body["next_page_token"] = page_token(str(start + PAGE))
    return JSONResponse(body)


async def list_(request: Request) -> JSONResponse:
    """GET jobs/list: newest first, 20 to a page, 100 at most."""
    box, query = box_of(request), request.query_params
    limit = integer(query, "limit", DEFAULT_LIMIT)
    if not 0 < limit <= MAX_LIMIT:
        raise invalid(f"Limit must be greater than 0 and at most {MAX_LIMIT}.")
    name = query.get("name")
    jobs = sorted(box.workspace.jobs.values(), key=lambda job: -job.job_id)
    jobs = [job for job in jobs if name is None or job.name.lower() == name.lower()]
    before = integer({"at": page_position(query.get("page_token"))}, "at", 0)
    jobs = [job for job in jobs if not before or job.job_id < before][integer(query, "offset", 0) :]
    page = jobs[:limit]
    body: dict[str, object] = {"has_more": len(jobs) > limit}
    if page:
        body["jobs"] = [box.presentation.job_listed(job, expand=flag(query, "expand_tasks")) for job in page]
    if len(jobs) > limit:
        body["next_page_token"] = page_token(str(page[-1].job_id))
    return JSONResponse(body)


async def update(request: Request) -> JSONResponse:
    """POST jobs/update"""
    box, body = box_of(request), await body_of(request)
    job = box.workspace.job(integer(body, "job_id"))
    new, remove = body.get("new_settings") or {}, body.get("fields_to_remove") or []
    job.settings = job_settings.update(job.settings, new, remove)
    _note(box, "update", job, body)
    return JSONResponse({})


async def reset(request: Request) -> JSONResponse:
    """POST jobs/reset"""
    box, body = box_of(request), await body_of(request)
    job = box.workspace.job(integer(body, "job_id"))
    if not isinstance(body.get("new_settings"), dict):
        raise invalid("Missing required field: new_settings")
    job.settings = job_settings.complete(body["new_settings"])
    _note(box, "reset", job, body)
    return JSONResponse({})


async def delete(request: Request) -> JSONResponse:
    """POST jobs/delete: its runs stay."""
    box, body = box_of(request), await body_of(request)
    job = box.workspace.job(integer(body, "job_id"))
    del box.workspace.jobs[job.job_id]
    _note(box, "delete", job, body)
    return JSONResponse({})


def _note(box: Box, kind: Kind, job: Job, body: dict[str, object]) -> None:
    box.journal.action(kind, box.workspace.timeline.now, body, job_id=job.job_id)


def routes(prefix: str) -> list[Route]:
    """The routes under a version's prefix, such as /api/2.2."""
    return [
        Route(f"{prefix}/jobs/create", create, methods=["POST"]),
        Route(f"{prefix}/jobs/get", get, methods=["GET"]),
        Route(f"{prefix}/jobs/list", list_, methods=["GET"]),
        Route(f"{prefix}/jobs/update", update, methods=["POST"]),
        Route(f"{prefix}/jobs/reset", reset, methods=["POST"]),
        Route(f"{prefix}/jobs/delete", delete, methods=["POST"]),
    ]
