"""The folder of the embedded PostgreSQL: made, locked, initialised.

Layout of `<data folder>/postgres`: `lock` (who supervises), `password` and `port` (kept, so that the address
stays the same), `18/data` and `18/log` (the server's, for the user it runs as alone), `programs-*` (a copy of
the programs where that user can't reach the installed ones).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import IO

from core.errors import ConfigurationError, StoreUnavailable
from store.accounts import Account, account_for
from store.postgres_binaries import MAJOR, programs_for

HOST = "127.0.0.1"
USER = "pitstop"
INITDB_SECONDS = 120
MAX_LOG_BYTES = 5_000_000
#: Locks held by this process.
_held: set[IO[str]] = set()


class Cluster:
    """One data folder's database, at rest.

    Args:
        data_dir: Pitstop's data folder, absolute; made when missing.
        sync: Whether what is initialised has to survive a power cut.
    """

    def __init__(self, data_dir: Path, *, sync: bool = True) -> None:
        self.data_dir = data_dir
        self._sync = sync
        self.home = data_dir / "postgres"
        self.own = self.home / str(MAJOR)
        self.data = self.own / "data"
        self.log_file = self.own / "log"
        self._lock: IO[str] | None = None

    def prepare(self) -> tuple[Account, Path]:
        """Make what is missing, and give the user and the `bin` folder to run the server with.

        Call it with the lock held, which `lock` takes.

        Raises:
            ConfigurationError: The server's user can't reach the folder, or the data is of another version.
            StoreUnavailable: The data folder could not be made.
        """
        account = account_for(self.own)
        self._let_in(account)
        programs = programs_for(account, self.home)
        account.own(self.own)
        version = self.data / "PG_VERSION"
        if not version.exists():
            self._initialise(account, programs)
        elif (found := version.read_text().strip()) != str(MAJOR):
            raise ConfigurationError(
                f"The database in {self.data} was made by PostgreSQL {found}, and this is {MAJOR}.",
                hint="Set PITSTOP_DATA_DIR to another folder, or DATABASE_URL to a server of yours.",
            )
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".old"))
        return account, programs

    @property
    def locked(self) -> bool:
        """Whether this process supervises the folder."""
        return self._lock is not None

    def lock(self) -> None:
        """Become the one Pitstop of this folder.

        Raises:
            ConfigurationError: Another process is, or the folder can't be made.
        """
        self._make()
        try:
            handle = (self.home / "lock").open("a+")
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {self.data_dir} can't be used: {self.home / 'lock'}: {error.strerror}.",
                hint="Run Pitstop as the user it belongs to, or set PITSTOP_DATA_DIR to a folder of your own.",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            handle.close()
            raise ConfigurationError(
                f"Another Pitstop (process {holder}) is using {self.data_dir}.",
                hint="Stop it, or set PITSTOP_DATA_DIR to another folder.",
            ) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        _held.add(handle)
        self._lock = handle

    def unlock(self) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            _held.discard(self._lock)
            self._lock.close()
            self._lock = None

    def password(self) -> str:
        """The password of the database's one user, made at the first call."""
        return self._kept("password", lambda: secrets.token_urlsafe(24))

    def port(self) -> int:
        """The port that is kept for the server, chosen at the first call."""
        return int(self._kept("port", lambda: str(_free_port())))

    def keep_port(self, port: int | None) -> None:
        """Remember another port; None has a free one chosen next time."""
        if port is None:
            (self.home / "port").unlink(missing_ok=True)
        else:
            _write(self.home / "port", str(port))

    def _kept(self, name: str, make: Callable[[], str]) -> str:
        path = self.home / name
        try:
            text = path.read_text().strip()
        except FileNotFoundError:
            text = ""
        if not text:
            text = make()
            _write(path, text)
        return text

    def _make(self) -> None:
        """Make the folders that are missing, whatever the umask says, and leave all others as they are."""
        missing = [folder for folder in [self.home, *self.home.parents] if not folder.exists()]
        mode = 0o755 if os.geteuid() == 0 else 0o700
        try:
            for folder in reversed(missing):
                folder.mkdir()
                folder.chmod(mode)
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {self.data_dir} can't be made: {error.strerror}.",
                hint="Set PITSTOP_DATA_DIR to a folder that can be written.",
            ) from error

    def _let_in(self, account: Account) -> None:
        """Make sure that `account` can enter. An empty data folder, as `mktemp -d` makes it, is ours to open."""
        if account.can_reach(self.home):
            return
        if not account.is_self and [p.name for p in self.data_dir.iterdir()] == [self.home.name]:
            self.data_dir.chmod(self.data_dir.stat().st_mode | 0o011)
            if account.can_reach(self.home):
                return
        raise ConfigurationError(
            f"PostgreSQL runs as {account.name} here, who can't enter {self.home}.",
            hint="Set PITSTOP_DATA_DIR to a folder outside of private homes, such as /var/lib/pitstop.",
        )

    def _initialise(self, account: Account, programs: Path) -> None:
        """Make the data folder, all or nothing: a crash half-way leaves only `data.new`."""
        new = self.own / "data.new"
        if new.exists():
            shutil.rmtree(new)
        account.own(new)
        secret = self.own / "password.new"
        secret.unlink(missing_ok=True)
        _write(secret, self.password())
        if not account.is_self:
            os.chown(secret, account.uid, account.gid)
        options = {
            "pgdata": new,
            "username": USER,
            "pwfile": secret,
            "auth": "scram-sha-256",
            "encoding": "UTF8",
            "locale-provider": "builtin",
            "builtin-locale": "C.UTF-8",
            "locale": "C",
        }
        command = [str(programs / "initdb"), *(f"--{key}={value}" for key, value in options.items())]
        try:
            flags = ["--no-instructions"] if self._sync else ["--no-instructions", "--no-sync"]
            done = account.run([*command, *flags], timeout=INITDB_SECONDS)
        finally:
            secret.unlink()
        if done.returncode != 0:
            raise StoreUnavailable(
                f"PostgreSQL could not make its data folder: {last_words(done.stdout)}.",
                hint=f"Is there room on the disk, and may {account.name} write to {self.own}?",
            )
        new.rename(self.data)


def _let_go() -> None:
    """A forked child shares its parent's lock, and would keep it after the parent's death."""
    for handle in _held:
        handle.close()
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


def last_words(output: str, lines: int = 3) -> str:
    """The last lines of what a program said, in one line."""
    said = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(said[-lines:]) or "it said nothing"


def _write(path: Path, text: str) -> None:
    """Write a file that only we may read, all or nothing."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as handle:
        handle.write(text)
    part.replace(path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
