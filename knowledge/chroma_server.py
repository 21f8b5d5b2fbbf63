"""One Chroma server for all of Pitstop's processes on a data folder: Chroma's files are for one process.

The first process that needs it starts it, others adopt it, the last one that leaves stops it; users that are killed
count as gone. Everything is decided by locks that the kernel drops with their process. The home folder beside
Chroma's holds `lock` (who starts or stops it just now), `users` (shared by all that use it), `alive` (the server's
own), `address` (its pid and port), `log`. It listens on 127.0.0.1, without a password: Chroma's server has none.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from core.errors import KnowledgeUnavailable
from core.settings import foreign_environment
from knowledge import chroma_process
from knowledge.chroma_process import HOST

#: A large index is read while the server starts.
START_SECONDS = 60.0
#: A server that runs and does not say so within this time is replaced.
ANSWER_SECONDS = 20.0
STOP_SECONDS = 5.0
HEARTBEAT_SECONDS = 5.0
#: Another process took the port between the choice and the use of it.
TRIES = 3
#: Started by this process, to be waited for when they have ended.
_started: list[subprocess.Popen[bytes]] = []


class Server:
    """The server of one folder, as one user of it sees it. Not for several threads at once.

    Args:
        folder: Where Chroma keeps its files; made by Chroma.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder.with_name(f"{folder.name}.server")
        self._hold: IO[str] | None = None

    def use(self) -> int:
        """The port of the running server, started if need be, which now runs at least until `leave`.

        Raises:
            KnowledgeUnavailable: The folder can't be used, or the server does not start on it.
        """
        with self._starting():
            if self._hold is None:
                self._hold = (self.home / "users").open("a")
                fcntl.flock(self._hold, fcntl.LOCK_SH)
            return self._adopt() or self._start()

    def leave(self) -> None:
        """Stop using it; the last one stops it."""
        if self._hold is None:
            return
        with contextlib.suppress(KnowledgeUnavailable), self._starting():
            self._hold.close()
            with (self.home / "users").open("a") as users:
                if _locked(users):
                    self._stop()
        self._hold.close()
        self._hold = None

    def set_aside(self, stamp: str) -> Path | None:
        """Stop the server, whoever uses it, and move the folder away; where it went. Others start a new one.

        Raises:
            KnowledgeUnavailable: It can't be moved.
        """
        with self._starting():
            self._stop()
            if not self.folder.exists():
                return None
            aside = self.folder.with_name(f"{self.folder.name}.broken-{stamp}")
            try:
                self.folder.rename(aside)
            except OSError as error:
                raise KnowledgeUnavailable(
                    f"The vector store in {self.folder} can't be moved aside: {error}."
                ) from error
            return aside

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """Alone among all processes of the folder."""
        deadline = time.monotonic() + START_SECONDS * 2
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self.home / "lock").open("a") as lock:
                while not _locked(lock):
                    if time.monotonic() > deadline:
                        raise KnowledgeUnavailable(
                            f"Another process keeps {self.home / 'lock'} for too long."
                        )
                    time.sleep(0.02)
                yield
        except OSError as error:
            raise KnowledgeUnavailable(
                f"The vector store in {self.folder} can't be used: {error}.",
                hint="Run Pitstop as the user the folder belongs to, or name a Chroma server by PITSTOP_CHROMA_URL.",
            ) from error

    def _adopt(self) -> int | None:
        """The port of the server that runs; None when none does, or when it had to be stopped for its silence."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while self._alive():
            _, port = self._address()
            if port and answers(port):
                return port
            if time.monotonic() > deadline:
                self._stop()
                return None
            time.sleep(0.05)
        return None

    def _start(self) -> int:
        log = self.home / "log"
        for _ in range(TRIES):
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-P", chroma_process.__file__, str(self.home), str(self.folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=self.home,
                    env=foreign_environment(),
                    start_new_session=True,  # Ctrl-C is for those that use it
                )
            _started[:] = [*(p for p in _started if p.poll() is None), process]
            deadline = time.monotonic() + START_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                pid, port = self._address()
                if pid == process.pid and port and answers(port):
                    return port
                time.sleep(0.02)
            if process.poll() is None:
                process.kill()
                process.wait()
                break
            if b"in use" not in log.read_bytes():
                break
        raise KnowledgeUnavailable(
            f"The Chroma server for {self.folder} does not start: {_last_line(log)}.",
            hint=f"`pitstop knowledge rebuild` makes the index again; the server's log is {log}.",
        )

    def _stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            pid, _ = self._address()
            if not self._alive() or pid is None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + STOP_SECONDS
            while self._alive() and time.monotonic() < deadline:
                time.sleep(0.02)
        (self.home / "address").unlink(missing_ok=True)
        _started[:] = [process for process in _started if process.poll() is None]

    def _alive(self) -> bool:
        with (self.home / "alive").open("a") as alive:
            return not _locked(alive)

    def _address(self) -> tuple[int | None, int | None]:
        """The server's pid and port, where they are known."""
        try:
            found = json.loads((self.home / "address").read_text())
            return int(found["pid"]), int(found["port"])
        except (OSError, ValueError, KeyError, TypeError):
            return None, None


def answers(port: int) -> bool:
    """Whether a Chroma server on this machine answers on a port."""
    connection = http.client.HTTPConnection(HOST, port, timeout=HEARTBEAT_SECONDS)
    try:
        connection.request("GET", "/api/v2/heartbeat")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _locked(file: IO[str]) -> bool:
    """Take the file's lock if nobody has any on it; whether that worked."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_line(log: Path) -> str:
    said = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return said[-1][:300] if said else "it said nothing"
