"""The Jobs API's reads, with their pages followed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tools.databricks import wire
from tools.databricks.connection import Connection
from tools.databricks.refusal import garbage

Json = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)

API = "/api/2.2"
#: Pages of 100 tasks; a job has 1000 at most.
MAX_PAGES = 20
#: runs/list gives 24 at most ("greater than 0 and less than 25"), jobs/list 100.
RUNS_PAGE, JOBS_PAGE = 24, 100
_RUN_ARRAYS = ("tasks", "iterations", "job_clusters", "job_parameters", "repair_history")
_JOB_ARRAYS = ("tasks", "job_clusters", "parameters", "environments")


async def run(connection: Connection, run_id: int) -> wire.Run:
    """One run, or a task's run by its own id, with all tasks and the repair history.

    Raises:
        RunNotFound, WorkspaceRefused, WorkspaceUnavailable: See `core.errors`.
    """
    query: Json = {"run_id": run_id, "include_history": True}
    what = f"run {run_id}"
    whole: Json = {}
    for _ in range(MAX_PAGES):
        page = await connection.read(f"{API}/jobs/runs/get", query, what=what, of_a_run=True)
        whole = _joined(whole, page, _RUN_ARRAYS, what)
        token = page.get("next_page_token")
        if not token or token == query.get("page_token"):
            break
        query = {**query, "page_token": token}
    return checked(wire.Run, whole, what)


async def job_settings(connection: Connection, job_id: int) -> Json:
    """A job's current settings, whole: they may hold secrets, and must not be kept.

    Raises:
        Absent: There is no such job.
        WorkspaceRefused, WorkspaceUnavailable: See `core.errors`.
    """
    query: Json = {"job_id": job_id}
    what = f"job {job_id}"
    settings: Json = {}
    for _ in range(MAX_PAGES):
        page = await connection.read(f"{API}/jobs/get", query, what=what)
        part = page.get("settings")
        if not isinstance(part, dict):
            raise garbage(what)
        settings = _joined(settings, part, _JOB_ARRAYS, what)
        token = page.get("next_page_token")
        if not token or token == query.get("page_token"):
            break
        query = {**query, "page_token": token}
    return settings


async def runs(connection: Connection, query: Json, *, at_most: int) -> AsyncIterator[wire.Run]:
    """Completed and active runs as runs/list gives them for `query`, latest start first.

    Raises:
        WorkspaceRefused, WorkspaceUnavailable: See `core.errors`.
    """
    what = f"the runs of job {query['job_id']}" if "job_id" in query else "the list of runs"
    query = {**query, "limit": min(RUNS_PAGE, at_most)}
    given = 0
    while given < at_most:
        page = await connection.read(f"{API}/jobs/runs/list", query, what=what)
        for entry in _list(page, "runs", what)[: at_most - given]:
            yield checked(wire.Run, entry, what)
            given += 1
        token = page.get("next_page_token")
        if not token or token == query.get("page_token"):
            return
        query = {**query, "page_token": token}


async def job_id_of(connection: Connection, name: str) -> int | None:
    """The id of the oldest job of exactly this name (the service's own filter ignores case); names need
    not be unique.

    Raises:
        WorkspaceRefused, WorkspaceUnavailable: See `core.errors`.
    """
    query: Json = {"name": name, "limit": JOBS_PAGE}
    what = f"the job named {name!r}"
    found: list[int] = []
    for _ in range(MAX_PAGES):
        page = await connection.read(f"{API}/jobs/list", query, what=what)
        for job in _list(page, "jobs", what):
            settings = job.get("settings") or {}
            if settings.get("name") == name and isinstance(job.get("job_id"), int):
                found.append(job["job_id"])
        token = page.get("next_page_token")
        if not token or token == query.get("page_token"):
            break
        query = {**query, "page_token": token}
    return found[-1] if found else None


def checked(model: type[Model], data: Any, what: str) -> Model:
    """The JSON as `model`.

    Raises:
        WorkspaceUnavailable: It is something else.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise garbage(what) from error


def _joined(whole: Json, page: Json, arrays: tuple[str, ...], what: str) -> Json:
    """The first page with each later page's arrays behind its own."""
    joined = {**page, **whole}
    for name in arrays:
        if name in joined:
            joined[name] = [*_list(whole, name, what), *_list(page, name, what)]
    return joined


def _list(page: Json, name: str, what: str) -> list[Json]:
    entries = page.get(name) or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise garbage(what)
    return entries
