"""The service as it runs in production: processes of its own, over a sandbox workspace, spoken to over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx

from core.settings import foreign_environment
from sandbox.control import Control
from sandbox.process import SandboxProcess, start_sandbox
from store.clock import SystemClock
from store.engine import Database
from store.tokens import Tokens

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "sandbox" / "scenarios" / "policy.yaml"
T = TypeVar("T")


def free_port() -> int:
    """A port that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(what: Callable[[], T | None], *, seconds: float = 60, saying: str = "it") -> T:
    """Ask until the answer is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = what()
        if answer:
            return answer
        time.sleep(0.15)
    raise AssertionError(f"{saying} did not happen within {seconds} s")


def make_token(database_url: str, name: str, role: Literal["viewer", "approver", "admin"]) -> str:
    """An API token, made straight in the database."""

    async def make() -> str:
        db = Database(database_url, pool_size=1)
        try:
            secret, _ = await Tokens(db, SystemClock()).create(name, role)
            return secret
        finally:
            await db.close()

    return asyncio.run(make())


@dataclass
class Service:
    """One Pitstop over one database and one sandbox, that can be killed and started again."""

    database_url: str
    sandbox: SandboxProcess
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.token = make_token(self.database_url, "root@example.com", "admin")
        self.http = httpx.Client(base_url=self.url, headers=self.bearer(self.token), timeout=30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def control(self) -> Control:
        """The sandbox's controls."""
        return self.sandbox.control

    @staticmethod
    def bearer(token: str) -> dict[str, str]:
        """The header that carries a token."""
        return {"authorization": f"Bearer {token}"}

    @property
    def environment(self) -> dict[str, str]:
        """What every process of this service is started with."""
        return {
            **foreign_environment(),
            "DATABASE_URL": self.database_url,
            "DATABRICKS_HOST": self.sandbox.url,
            "DATABRICKS_TOKEN": self.sandbox.token,
            "PITSTOP_DATA_DIR": str(self.folder),
            "PITSTOP_POLICY": str(POLICY),
            "PITSTOP_PORT": str(self.port),
            "PITSTOP_WEBHOOK_PASSWORD": "hook-secret",
            "PITSTOP_WATCH_SECONDS": "0.5",
            "PITSTOP_POLL_SECONDS": "2",
            "PITSTOP_LEASE_SECONDS": "6",
            "PITSTOP_HEARTBEAT_SECONDS": "1",
            "PITSTOP_STALLED_SECONDS": "5",
            "PITSTOP_WORKSPACE_RETRY_SECONDS": "3",
            "LANGSMITH_TRACING": "false",
            **self.settings,
        }

    def start(self, command: str = "serve", **settings: str) -> subprocess.Popen[bytes]:
        """Start `pitstop serve` (and wait until it is ready), or another command."""
        log = (self.folder / f"{command}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", command],
            cwd=ROOT,
            env={**self.environment, **settings},
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        log.close()
        self.processes.append(process)
        if command == "serve":
            until(self.ready, seconds=60, saying=f"readiness (see {self.folder}/serve.log)")
            self.control.webhook(f"{self.url}/webhooks/databricks", user="databricks", password="hook-secret")
        return process

    def ready(self) -> bool:
        """Whether it answers and says it is ready."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9."""
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """Stop whatever still runs."""
        self.http.close()
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    # What a client would ask

    def get(self, path: str, **params: Any) -> Any:
        """GET under /api/v1; raises for anything but success."""
        answer = self.http.get(f"/api/v1{path}", params=params)
        answer.raise_for_status()
        return answer.json()

    def incident_of(self, run_id: int) -> dict[str, Any] | None:
        """The newest incident of a run, whole."""
        with contextlib.suppress(httpx.TransportError):
            items = self.get("/incidents", run_id=run_id)["items"]
            return self.get(f"/incidents/{items[0]['id']}") if items else None
        return None

    def at(self, run_id: int, *statuses: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until the run's incident is in one of these statuses."""

        def look() -> dict[str, Any] | None:
            found = self.incident_of(run_id)
            return found if found and found["status"] in statuses else None

        return until(look, seconds=seconds, saying=f"run {run_id} {statuses}")

    def pending(self, incident: dict[str, Any]) -> dict[str, Any]:
        """The approval of an incident that waits."""
        return next(a for a in incident["approvals"] if a["status"] == "pending")

    def decide(self, incident: dict[str, Any], decision: str = "approve", **body: Any) -> httpx.Response:
        """Decide on what waits."""
        approval = self.pending(incident)
        return self.http.post(
            f"/api/v1/approvals/{approval['id']}/decision", json={"decision": decision, **body}
        )

    def sandbox_run(self, run_id: int) -> dict[str, Any]:
        """A run as the workspace tells it."""
        answer = httpx.get(
            f"{self.sandbox.url}/api/2.2/jobs/runs/get",
            params={"run_id": run_id},
            headers=self.bearer(self.sandbox.token),
        )
        answer.raise_for_status()
        return answer.json()

    def repairs(self, run_id: int) -> list[dict[str, Any]]:
        """The repairs of a run that took effect, other than by hand."""
        return [a for a in self.control.actions(kind="repair", run_id=run_id) if a["by"] == "api"]


@contextlib.contextmanager
def service(database_url: str, *, clock: float = 20.0, **settings: str) -> Iterator[Service]:
    """A service, not started yet."""
    sandbox = start_sandbox(clock_speed=clock)
    folder = Path(tempfile.mkdtemp(prefix="pitstop-e2e-"))
    folder.chmod(0o755)
    running = Service(database_url, sandbox, folder, settings)
    try:
        yield running
    finally:
        running.close()
        sandbox.stop()
