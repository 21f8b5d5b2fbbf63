"""The FastAPI app: the API, the webhooks, the console, and (by default) the worker in the same process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.sessions import SessionMiddleware

from core.roster import roster_of
from core.settings import Settings
from server import problems
from server.body_limit import BodyLimit
from server.console import fleet, lists, news, oidc, settings_page, sign_in
from server.console import groups as console_groups
from server.console import views as console
from server.console.pages import STATIC
from server.console.visitors import SignInFirst
from server.guards import SecurityHeaders
from server.live import News
from server.metrics import Metrics
from server.oidc import PATIENCE, Provider
from server.routes import (
    approvals,
    artifacts,
    events,
    group_review,
    groups,
    health,
    incidents,
    queue,
    review,
    sign_in_links,
    slack,
    webhooks,
)
from server.routes.health import slow_checks
from server.sessions import Sessions, signing_key
from server.static import CachedFiles
from server.timing import Timing
from server.worker import run_worker
from wiring.runtime import Runtime, open_runtime

DESCRIPTION = """Pitstop gets failed Databricks jobs running again, with a person waving every action through.

Errors are problem documents (RFC 9457). Lists are pages: give `next_cursor` as `cursor`."""
WORKER_GRACE_SECONDS = 25.0

Opening = Callable[[], AbstractAsyncContextManager[Runtime]]


def create_app(
    settings: Settings, runtime: Runtime | None = None, *, opening: Opening | None = None
) -> FastAPI:
    """The app; its lifespan opens the parts and runs the worker when the settings say so.

    Args:
        settings: How to run.
        runtime: Parts that are open already and stay so; otherwise the lifespan opens and closes its own.
        opening: Opens the parts instead of `open_runtime(settings)`.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            parts = runtime or await stack.enter_async_context(
                opening() if opening else open_runtime(settings)
            )
            await stack.enter_async_context(_running(app, parts))
            yield

    app = FastAPI(
        title="Pitstop",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.metrics = Metrics()
    app.state.slow_checks = slow_checks()
    app.state.sessions = Sessions(signing_key(settings))
    app.state.oidc = Provider(settings, roster_of(settings)) if settings.oidc_issuer else None
    problems.install(app, console.explain)
    app.add_exception_handler(SignInFirst, console.send_to_sign_in)
    api = (incidents, events, artifacts, queue, approvals, groups, sign_in_links)
    for module in (health, webhooks, *api, review, group_review, slack):
        app.include_router(module.router)
    app.include_router(sign_in.router)
    app.include_router(oidc.router)
    for page in (lists, console, news, console_groups, fleet, settings_page):
        app.include_router(page.router)
    app.mount("/console/static", CachedFiles(directory=STATIC), name="static")
    if settings.oidc_issuer:
        https = (settings.public_url or "").startswith("https://")
        app.add_middleware(
            SessionMiddleware,
            secret_key=signing_key(settings).hex(),
            # As for sessions: over https a neighbouring host can't plant it, and sign people in as somebody else.
            session_cookie="__Host-pitstop_oidc" if https else "pitstop_oidc",
            path="/" if https else "/console/oidc",
            max_age=PATIENCE,
            same_site="lax",
            https_only=https,
        )
    app.add_middleware(BodyLimit)
    app.add_middleware(Timing, metrics=app.state.metrics)
    app.add_middleware(SecurityHeaders)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


@contextlib.asynccontextmanager
async def _running(app: FastAPI, runtime: Runtime) -> AsyncIterator[None]:
    """What goes on beside answering: listening for news, and the worker."""
    app.state.news = News(runtime.db.libpq_url)
    app.state.runtime = runtime
    stop = asyncio.Event()
    listening = asyncio.create_task(app.state.news.listen(), name="news")
    working = asyncio.create_task(run_worker(runtime, stop=stop)) if runtime.settings.run_worker else None
    try:
        yield
    finally:
        app.state.runtime = None
        stop.set()
        listening.cancel()
        if working:
            done, late = await asyncio.wait({working}, timeout=WORKER_GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*done, *late, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            await listening


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The document, with what FastAPI can't see: problem documents, and the webhook's password."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        problems.document(schema)
        schemes = schema["components"].setdefault("securitySchemes", {})
        schemes["WebhookBasic"] = {"type": "http", "scheme": "basic"}
        app.openapi_schema = schema
    return app.openapi_schema
