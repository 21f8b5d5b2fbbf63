"""The service for tests: a real app over a real Postgres and a sandbox workspace, spoken to over HTTP.

No worker runs unless a test starts one: what a request leaves behind is looked at where it lies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from psycopg import sql

from core.settings import Settings
from sandbox.process import SandboxProcess, running_sandbox
from server.app import create_app
from server.sessions import sign_in_link
from wiring.runtime import Runtime, open_runtime

HOOK = ("databricks", "hook-secret")
HOST = "http://pitstop.test"


@dataclass
class Box:
    """A running app without a worker."""

    app: FastAPI
    runtime: Runtime
    sandbox: SandboxProcess

    def client(self, token: str | None = None, **options: Any) -> httpx.AsyncClient:
        """A client of its own, with its own cookies; signed in by a token when one is given."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=HOST, headers=headers, **options)

    async def token(self, name: str = "root@example.com", role: Any = "admin") -> str:
        """A fresh API token."""
        secret, _ = await self.runtime.tokens.create(name, role)
        return secret

    async def as_(self, role: str, name: str = "") -> httpx.AsyncClient:
        """A client with a token of this role."""
        return self.client(await self.token(name or f"{role}@example.com", role))

    async def sign_in_link(self, name: str, role: Any, address: str = HOST) -> str:
        """A link that signs this person in, made with a fresh token of theirs."""
        _, token = await self.runtime.tokens.create(name, role)
        return sign_in_link(self.runtime.settings, token, address)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement, on a connection that knows nothing of the service."""
        with psycopg.connect(self.runtime.db.libpq_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def postgres_away(self) -> Iterator[None]:
        """The database refuses everybody for the length of the block, and cuts off who is in it."""
        server, _, name = self.runtime.db.libpq_url.rpartition("/")
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            refuse = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            admin.execute(refuse.format(sql.Identifier(name), sql.Literal(False)))
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            try:
                yield
            finally:
                admin.execute(refuse.format(sql.Identifier(name), sql.Literal(True)))

    def jobs(self, task: str) -> list[str]:
        """The ids that the queue was asked to look at by this task, in order."""
        query = "SELECT args FROM procrastinate_jobs WHERE task_name = %s ORDER BY id"
        return [next(iter(row[0].values())) for row in self.sql(query, task)]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxProcess]:
    """One workspace for all tests of a process; each test starts runs of its own in it."""
    with running_sandbox(clock_speed=200.0) as process:
        yield process


@pytest.fixture
def box_settings(database_url: str, sandbox: SandboxProcess, tmp_path: Path) -> Settings:
    """Settings of the app under test."""
    return settings_for(database_url, sandbox, tmp_path)


def settings_for(database_url: str, sandbox: SandboxProcess, folder: Path, **more: Any) -> Settings:
    """Settings that take nothing from the surroundings."""
    given: dict[str, Any] = {
        "database_url": database_url,
        "databricks_host": sandbox.url,
        "databricks_token": sandbox.token,
        "data_dir": folder,
        "policy": None,
        "webhook_password": HOOK[1],
        "run_worker": False,
        "workspace_retry_seconds": 2.0,
    }
    return Settings(_env_file=None, **{**given, **more})  # type: ignore[call-arg]


@pytest.fixture
async def box(box_settings: Settings, sandbox: SandboxProcess) -> AsyncIterator[Box]:
    """The app, its parts open."""
    async with opened(box_settings, sandbox) as found:
        yield found


@contextlib.asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app on a real socket, for what a test transport can't do (streams); its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, proxy_headers=False))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        await running


@contextlib.asynccontextmanager
async def opened(settings: Settings, sandbox: SandboxProcess) -> AsyncIterator[Box]:
    """An app over its own parts, for the length of a block."""
    async with open_runtime(settings) as runtime:
        app = create_app(settings, runtime)
        async with app.router.lifespan_context(app):
            yield Box(app, runtime, sandbox)
