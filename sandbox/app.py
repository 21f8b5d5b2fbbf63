"""The sandbox's application: all parts put together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from core.errors import ConfigurationError, NotFound
from sandbox import (
    catalog_routes,
    cluster_routes,
    control_routes,
    files_routes,
    jobs_routes,
    outputs_routes,
    runs_routes,
)
from sandbox.box import Box, box_of
from sandbox.clock import Clock
from sandbox.engine import Engine
from sandbox.faults import Faults
from sandbox.gate import Gate
from sandbox.journal import Journal
from sandbox.outage import Outages
from sandbox.presentation import Presentation
from sandbox.refusal import Refusal
from sandbox.stage import Stage
from sandbox.webhooks import Target, Webhooks
from sandbox.workspace import Workspace

SCENARIOS = Path(__file__).parent / "scenarios"
_PAGE = """<!DOCTYPE html><title>Sandbox workspace</title><h1>Sandbox workspace</h1>
<p>This stands in for a Databricks workspace. It has an API and no pages: in a real workspace this link
would show the run.</p>"""


def create_sandbox(
    *,
    token: str,
    url: str = "http://127.0.0.1",
    clock_speed: float = 1.0,
    scenarios: Path | None = SCENARIOS,
    webhook: Target | None = None,
    journal: Path | None = None,
) -> Gate:
    """One sandbox workspace as an ASGI application (its parts are in `box`); everything it holds is gone with it.

    Args:
        token: The bearer token that it takes.
        url: Its own address, for the links in its answers.
        clock_speed: Scenario seconds in a real second.
        scenarios: The directory of scenarios.
        webhook: Where its notification destination sends to.
        journal: A file to which applied changes are appended, one JSON object a line.
    """
    record = Journal(journal)
    workspace = Workspace(Clock(clock_speed), record, url.rstrip("/"))
    engine = Engine(workspace)
    webhooks = Webhooks(workspace)
    webhooks.target = webhook
    engine.on_started.append(webhooks.run_started)
    engine.on_ended.append(webhooks.run_ended)
    engine.on_task_failed.append(webhooks.task_failed)
    stage = Stage(workspace, engine, scenarios)
    box = Box(
        token=token,
        workspace=workspace,
        journal=record,
        engine=engine,
        presentation=Presentation(workspace),
        webhooks=webhooks,
        faults=Faults(),
        stage=stage,
        outages=Outages(workspace, stage),
    )
    app = Starlette(
        routes=_routes(),
        exception_handlers={
            Refusal: _refused,
            NotFound: _not_found,
            ConfigurationError: _misconfigured,
            HTTPException: _no_such_api,
        },
        lifespan=_lifespan,
    )
    app.state.box = box
    return Gate(app, box)


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    ticking = asyncio.create_task(app.state.box.workspace.timeline.tick())
    try:
        yield
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking


def _routes() -> list[Route]:
    found = [Route("/", _page), Route("/.well-known/databricks-config", _host_metadata)]
    for version in ("2.1", "2.2"):
        prefix = f"/api/{version}"
        found += [*jobs_routes.routes(prefix), *runs_routes.routes(prefix), *outputs_routes.routes(prefix)]
    for version in ("2.0", "2.1"):
        found += cluster_routes.routes(f"/api/{version}")
    return [*found, *catalog_routes.routes(), *files_routes.routes(), *control_routes.routes()]


async def _page(request: Request) -> Response:
    return HTMLResponse(_PAGE)


async def _host_metadata(request: Request) -> Response:
    """What the SDK asks a host before anything else."""
    workspace = box_of(request).workspace
    return JSONResponse({"oidc_endpoint": f"{workspace.url}/oidc", "workspace_id": workspace.workspace_id})


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    return JSONResponse(error.body(), status_code=error.status)


async def _not_found(request: Request, error: Exception) -> Response:
    return JSONResponse({"error_code": "NOT_FOUND", "message": str(error)}, status_code=404)


async def _misconfigured(request: Request, error: Exception) -> Response:
    return JSONResponse({"error_code": "INVALID_SCENARIO", "message": str(error)}, status_code=422)


async def _no_such_api(request: Request, error: Exception) -> Response:
    message = f"No API found for '{request.method} {request.url.path}'"
    return JSONResponse({"error_code": "ENDPOINT_NOT_FOUND", "message": message}, status_code=404)
