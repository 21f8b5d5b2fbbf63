"""A real PostgreSQL of Pitstop's own, in its data folder, under its supervision.

It listens on 127.0.0.1 only, with a password. It outlives a Pitstop that is killed, and the next one adopts
it; it never outlives one that ends normally.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import psycopg
import structlog
from psycopg import sql

from core.errors import ConfigurationError, StoreUnavailable
from store.accounts import Account
from store.cluster import HOST, USER, Cluster, last_words
from store.postmaster import cluster_name, processes_of, read_pid_file, running

log = structlog.get_logger(__name__)

DATABASE = "pitstop"
#: Recovery after a crash may take a while.
START_SECONDS = 120.0
STOP_SECONDS = 30
#: How long backends of a killed server may take to notice.
ORPHAN_SECONDS = 10.0
PORT_TRIES = 5
#: What the log says when a start failed for a reason that passes.
PORT_TAKEN = "Address already in use"
PASSING = ("lock file", "pre-existing shared memory block")


def running_url(data_dir: Path) -> str | None:
    """The address of the server that another Pitstop runs in `data_dir`; None when none runs for this user."""
    cluster = Cluster(data_dir.expanduser().resolve())
    live = running(cluster.data)
    if live is None or not live.port or not os.access(cluster.home / "password", os.R_OK):
        return None
    return _url(cluster.password(), live.port, DATABASE)


class EmbeddedPostgres:
    """Starts, adopts, watches over and stops the server of one data folder.

    Args:
        data_dir: Pitstop's data folder; made when missing.
        settings: Server settings beside our own, such as `{"fsync": "off"}` for tests.
    """

    def __init__(self, data_dir: Path, *, settings: Mapping[str, str] | None = None) -> None:
        sync = (settings or {}).get("fsync") != "off"
        self.cluster = Cluster(data_dir.expanduser().resolve(), sync=sync)
        self._settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "cluster_name": cluster_name(self.cluster.data),
            "timezone": "UTC",
            **(settings or {}),
        }
        self._guard = threading.RLock()
        self._with: tuple[Account, Path] | None = None

    def start(self) -> str:
        """Start the server, or adopt the one that a killed Pitstop left, and give the address of its database.

        Raises:
            ConfigurationError: Another Pitstop has this folder, or the server's user can't reach it.
            StoreUnavailable: The server would not start; the message ends with its own last words.
        """
        with self._guard:
            if not self.cluster.locked:
                self.cluster.lock()
                with contextlib.ExitStack() as undo:
                    undo.callback(self.cluster.unlock)
                    self._with = self.cluster.prepare()
                    self._bring_up(may_move=True)
                    undo.pop_all()
            return self.ensure_running()

    def ensure_running(self) -> str:
        """Start the server again if it is gone, at the address it had, for a watchdog to call.

        Raises:
            StoreUnavailable: It would not start.
        """
        with self._guard:
            if not self.cluster.locked:
                return self.start()
            if running(self.cluster.data) is None:
                log.warning("postgres.gone", data=str(self.cluster.data))
                self._bring_up(may_move=False)
            return self.url

    def stop(self) -> None:
        """Stop the server, once what it was told is written, and let go of the folder."""
        with self._guard:
            if not self.cluster.locked:
                return
            try:
                for mode in ("fast", "immediate"):
                    if running(self.cluster.data) is None:
                        break
                    self._pg_ctl("stop", "-m", mode, "-w", "-t", str(STOP_SECONDS), seconds=STOP_SECONDS)
            finally:
                self.cluster.unlock()

    @property
    def url(self) -> str:
        """The address of Pitstop's database, password included."""
        return _url(self.cluster.password(), self.cluster.port(), DATABASE)

    async def astart(self) -> str:
        """`start`, off the event loop."""
        return await asyncio.to_thread(self.start)

    async def aensure_running(self) -> str:
        """`ensure_running`, off the event loop."""
        return await asyncio.to_thread(self.ensure_running)

    async def astop(self) -> None:
        """`stop`, off the event loop."""
        await asyncio.to_thread(self.stop)

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _bring_up(self, *, may_move: bool) -> None:
        """Have a server that answers: adopt what runs, start what does not."""
        deadline = time.monotonic() + START_SECONDS
        moves = PORT_TRIES if may_move else 0
        said = ""
        while time.monotonic() < deadline:
            if running(self.cluster.data) is not None:
                if self._answers(deadline):
                    return
                continue  # it went down while it was asked
            self._clear_remains()
            said = self._launch()
            if running(self.cluster.data) is not None:
                continue
            if PORT_TAKEN in said and moves:
                moves -= 1
                self.cluster.keep_port(None)
            elif not any(words in said for words in PASSING):
                break
            time.sleep(0.2)
        raise StoreUnavailable(
            f"PostgreSQL does not start: {last_words(said)}.", hint=f"Its log is {self.cluster.log_file}."
        )

    def _answers(self, deadline: float) -> bool:
        """Wait until the running server takes our password, and has our database; False when it is gone.

        Raises:
            ConfigurationError: It does not take the password.
        """
        while time.monotonic() < deadline:
            live = running(self.cluster.data)
            if live is None:
                return False
            try:
                if live.port:
                    _make_database(_url(self.cluster.password(), live.port, "postgres"))
                    self.cluster.keep_port(live.port)
                    return True
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise ConfigurationError(
                        f"The server does not take the password in {self.cluster.home / 'password'}.",
                        hint="Put the right one back, or set PITSTOP_DATA_DIR to another folder.",
                    ) from error
            time.sleep(0.05)
        return False

    def _clear_remains(self) -> None:
        """After a crash: wait until the last backend is gone, and drop a pid file that names a stranger.

        A pid file whose process is dead is left alone: the server knows best what to do with it.
        """
        deadline = time.monotonic() + ORPHAN_SECONDS
        while processes_of(self.cluster.data) and time.monotonic() < deadline:
            time.sleep(0.05)
        left = read_pid_file(self.cluster.data)
        if left is not None and not processes_of(self.cluster.data) and Path(f"/proc/{left.pid}").exists():
            (self.cluster.data / "postmaster.pid").unlink(missing_ok=True)

    def _launch(self) -> str:
        """Start the server and give what it wrote to its log meanwhile. `pg_ctl` puts it in a session of its own."""
        options = {"port": str(self.cluster.port()), **self._settings}
        flags = " ".join(f"-c {shlex.quote(f'{key}={value}')}" for key, value in options.items())
        log_file = self.cluster.log_file
        before = log_file.stat().st_size if log_file.exists() else 0
        wait = str(int(START_SECONDS))
        said = self._pg_ctl(
            "start", "-w", "-t", wait, "-l", str(log_file), "-o", flags, seconds=START_SECONDS
        )
        if not log_file.exists():
            return said
        with log_file.open("rb") as handle:
            handle.seek(before)
            return handle.read(100_000).decode(errors="replace") or said

    def _pg_ctl(self, *arguments: str, seconds: float) -> str:
        if self._with is None:
            raise RuntimeError("prepare first")
        account, programs = self._with
        command = [str(programs / "pg_ctl"), "-D", str(self.cluster.data), *arguments]
        try:
            return account.run(command, timeout=seconds + 10).stdout
        except subprocess.TimeoutExpired:
            return f"pg_ctl {arguments[0]} took longer than {seconds:.0f} s"


def _make_database(url: str) -> None:
    """Make Pitstop's database if it is missing, asked of the server at `url`."""
    with psycopg.connect(url, connect_timeout=3, autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if found is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _url(password: str, port: int, database: str) -> str:
    return f"postgresql://{USER}:{password}@{HOST}:{port}/{database}"
