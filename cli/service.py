"""`pitstop serve`, `worker`, `watch`, `migrate`: the long-running parts, and the schema they need."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; PITSTOP_HOST without.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; PITSTOP_PORT without.")] = None,
    worker: Annotated[bool, typer.Option(help="Also advance incidents in this process.")] = True,
) -> None:
    """Run the API, the webhooks and the console, with a worker in the same process."""
    import uvicorn

    from core.settings import NO_ADDRESS, load_settings
    from server.app import create_app
    from server.logs import configure_logs

    given = {"host": host, "port": port, "run_worker": False if not worker else None}
    settings = load_settings(**{k: v for k, v in given.items() if v is not None})
    configure_logs(settings.log_level)
    typer.echo(f"Pitstop listens on http://{settings.host}:{settings.port}", err=True)
    if settings.address is None:
        typer.echo(f"{NO_ADDRESS}: messages carry no links until it is.", err=True)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        # The peer is who it is: a proxy's headers count only as `server.forwarded` says.
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )


def worker() -> None:
    """Advance incidents, poll and send messages, beside any number of others like it."""
    _work(poll_only=False)


def watch() -> None:
    """Poll the workspace for failed runs and queue them, without advancing them."""
    _work(poll_only=True)


def migrate() -> None:
    """Bring the database to this version's schema."""
    from core.settings import load_settings
    from store.local import database_url
    from store.migrate import migrate as bring_up

    async def run() -> None:
        async with database_url(load_settings()) as url:
            await asyncio.to_thread(bring_up, url)

    asyncio.run(run())
    typer.echo("The schema is up to date.")


def _work(*, poll_only: bool) -> None:
    from core.settings import load_settings
    from server.logs import configure_logs
    from server.worker import run_worker
    from wiring.runtime import open_runtime

    settings = load_settings()
    configure_logs(settings.log_level)

    async def run() -> None:
        async with open_runtime(settings) as runtime:
            await run_worker(runtime, poll_only=poll_only)

    asyncio.run(run())
