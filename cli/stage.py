"""Everything the demo needs, on this machine: a database, a failing workspace, a mailbox, the service."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from core.errors import PitstopError
from core.settings import Settings

if TYPE_CHECKING:
    from sandbox.chat import Chat
    from sandbox.control import Control
    from sandbox.mailbox import Mailbox

ROOT = Path(__file__).resolve().parent.parent
REVIEWER = "you@example.com"
SLACK_USER = "U0YOU"
#: Who is told in the demo, beside the reviewer: every kind of channel.
NOTIFY = [REVIEWER, "slack:#data-oncall", "teams", "apprise:pager"]
START_SECONDS = 90
#: How long a message waits for others of the same cause.
SETTLE_SECONDS = 2


@dataclass(frozen=True)
class Stage:
    """A running demo: where it is, whose token speaks for the reviewer, and the workspace's controls."""

    url: str
    token: str
    sandbox: Control
    mailbox: Mailbox
    chat: Chat
    log: Path
    #: LangGraph's own server over the same database; empty where it isn't installed or wasn't asked for.
    langgraph: str = ""

    def reviewer_environment(self) -> dict[str, str]:
        """The environment in which the reviewer runs `pitstop`."""
        return {**_inherited(), "PITSTOP_PUBLIC_URL": self.url, "PITSTOP_TOKEN": self.token}


@contextlib.contextmanager
def stage(
    settings: Settings, *, clock_speed: float, port: int = 0, langgraph: bool = False
) -> Iterator[Stage]:
    """Set everything up, and take it all down again at the end, however that comes.

    `langgraph` starts LangGraph's server too, where it is installed, and does not wait for it.

    Raises:
        PitstopError: A part did not start; the message says which, and where its log is.
    """
    from sandbox.process import start_sandbox

    folder = settings.data_dir / "demo"
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(_database(settings, folder))
        token = _prepare(url)
        sandbox = start_sandbox(clock_speed=clock_speed)
        stack.callback(sandbox.stop)
        mailbox, chat = _channels(stack, folder)
        port = _free_port(port)
        password = secrets.token_urlsafe(16)
        log = folder / "service.log"
        environment = {
            **_environment(folder, mailbox, chat),
            "DATABASE_URL": url,
            "DATABRICKS_HOST": sandbox.url,
            "DATABRICKS_TOKEN": sandbox.token,
            "PITSTOP_WEBHOOK_PASSWORD": password,
        }
        service = f"http://127.0.0.1:{port}"
        _wait_until_ready(_serve(stack, environment, port, log), service, log)
        sandbox.control.webhook(f"{service}/webhooks/databricks", user="databricks", password=password)
        studio = _langgraph(stack, environment, folder) if langgraph else ""
        yield Stage(service, token, sandbox.control, mailbox, chat, log, studio)


def _channels(stack: contextlib.ExitStack, folder: Path) -> tuple[Mailbox, Chat]:
    """What messages are sent to: a mail server, and a server for Slack, Teams and a pager."""
    from sandbox.chat import Chat
    from sandbox.mailbox import Mailbox

    mailbox = Mailbox(folder / "mail")
    chat = Chat(secrets.token_urlsafe(16), secrets.token_urlsafe(16), {SLACK_USER: REVIEWER})
    for part in (mailbox, chat):
        part.start()
        stack.callback(part.stop)
    return mailbox, chat


def _environment(folder: Path, mailbox: Mailbox, chat: Chat) -> dict[str, str]:
    """What the service is started with: quick rounds, and every channel leading to this machine."""
    return {
        **_inherited(),
        "PITSTOP_DATA_DIR": str(folder),
        "PITSTOP_POLICY": str(_policy(folder)),
        "PITSTOP_WATCH_SECONDS": "1",
        "PITSTOP_POLL_SECONDS": "3",
        "PITSTOP_STALLED_SECONDS": "20",
        "PITSTOP_WORKER_CONCURRENCY": "6",
        "PITSTOP_SMTP_HOST": "127.0.0.1",
        "PITSTOP_SMTP_PORT": str(mailbox.port),
        "PITSTOP_SMTP_SECURITY": "none",
        "PITSTOP_SLACK_API_URL": f"{chat.url}/api",
        "PITSTOP_SLACK_BOT_TOKEN": chat.token,
        "PITSTOP_SLACK_SIGNING_SECRET": chat.secret,
        "PITSTOP_TEAMS_WEBHOOKS": json.dumps({"default": f"{chat.url}/teams"}),
        "PITSTOP_APPRISE_URLS": json.dumps({"pager": f"json://127.0.0.1:{chat.port}/pager"}),
    }


def _policy(folder: Path) -> Path:
    """The sandbox's policy, with everybody told soon and through every channel."""
    import yaml

    policy = yaml.safe_load((ROOT / "sandbox" / "scenarios" / "policy.yaml").read_text())
    policy["defaults"]["notify"] = NOTIFY
    policy["defaults"]["groups"] = {"settle_seconds": SETTLE_SECONDS}
    made = folder / "policy.yaml"
    made.write_text(yaml.safe_dump(policy, sort_keys=False))
    return made


@contextlib.contextmanager
def _database(settings: Settings, folder: Path) -> Iterator[str]:
    """The demo's own database: embedded, unless DATABASE_URL names a server."""
    from store.embedded import EmbeddedPostgres

    if settings.database_url:
        folder.mkdir(parents=True, exist_ok=True)
        yield settings.database_url
        return
    embedded = EmbeddedPostgres(folder)
    url = embedded.start()
    try:
        yield url
    finally:
        embedded.stop()


def _prepare(url: str) -> str:
    """Migrate, and make the reviewer's token."""
    import asyncio

    from store.clock import SystemClock
    from store.engine import Database
    from store.migrate import migrate
    from store.tokens import Tokens

    migrate(url)

    async def make() -> str:
        db = Database(url, pool_size=1)
        try:
            secret, _ = await Tokens(db, SystemClock()).create(REVIEWER, "admin", ttl_seconds=86400)
        finally:
            await db.close()
        return secret

    return asyncio.run(make())


def _serve(
    stack: contextlib.ExitStack, environment: dict[str, str], port: int, log: Path
) -> subprocess.Popen[bytes]:
    """Start `pitstop serve` as a process of its own, as it runs in production."""
    command = [sys.executable, "-m", "cli.main", "serve", "--port", str(port)]
    return _start(stack, command, environment, log, folder=ROOT)


def _langgraph(stack: contextlib.ExitStack, environment: dict[str, str], folder: Path) -> str:
    """Start LangGraph's server beside the service, without a worker of its own; its address, or nothing where
    it isn't installed."""
    config = ROOT / "langgraph.json"
    if not (importlib.util.find_spec("langgraph_cli") and importlib.util.find_spec("langgraph_api")):
        return ""
    port = str(_free_port(0))
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--config", str(config), "--port", port]
    command += ["--no-browser", "--no-reload", "--n-jobs-per-worker", "2"]
    ours = {"PITSTOP_RUN_WORKER": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1"}
    # It keeps its list of threads in the folder that it runs in.
    _start(stack, command, environment | ours, folder / "langgraph.log", folder=folder)
    return f"http://127.0.0.1:{port}"


def _start(
    stack: contextlib.ExitStack, command: list[str], environment: dict[str, str], log: Path, *, folder: Path
) -> subprocess.Popen[bytes]:
    """Start a process that ends with the stage."""
    out = stack.enter_context(log.open("ab"))
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=out,
        stderr=out,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )

    def stop() -> None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(stop)
    return process


def _wait_until_ready(process: subprocess.Popen[bytes], service: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PitstopError(f"The service ended with {process.returncode}.", hint=f"Its log: {log}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{service}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    raise PitstopError(f"The service did not become ready in {START_SECONDS} s.", hint=f"Its log: {log}")


def _inherited() -> dict[str, str]:
    """The environment without settings of another Pitstop or workspace."""
    from core.settings import foreign_environment

    return foreign_environment()


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
