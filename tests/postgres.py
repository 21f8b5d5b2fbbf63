"""A real PostgreSQL for the tests: one server for a whole run, a migrated database of its own for each test.

With pytest-xdist all workers share the server: the first that needs it starts it, the last that leaves stops it.
What a killed run left behind is stopped and removed by the next one.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from filelock import FileLock
from psycopg import sql

from store.embedded import DATABASE, EmbeddedPostgres, running_url
from store.engine import Database
from store.migrate import migrate
from store.postmaster import processes_of

#: Nothing here has to survive a power cut.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
}
#: The same for a server that is going to be killed: what was committed has to be there afterwards.
DURABLE = {key: value for key, value in FAST.items() if key != "synchronous_commit"}
_numbers = itertools.count(1)
#: Databases that no test needs any more.
_used: list[sql.Identifier] = []


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of the run's server, at its migrated template database. Don't connect to that one."""
    home = Path(tempfile.gettempdir()) / f"pitstop-tests-{os.getuid()}"
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    run = home / (os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex)
    with FileLock(home / "lock"):
        _remove_left_over(home, run)
        url = _join(run)
    try:
        yield url
    finally:
        with FileLock(home / "lock"):
            _leave(run)


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """The address of a fresh, migrated database of the test's own."""
    with _database(postgres_url, template=DATABASE) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    """The address of a fresh database with nothing in it, of the test's own."""
    with _database(postgres_url, template="template1") as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool of ten connections to the test's database."""
    db = Database(database_url, pool_size=10)
    yield db
    await db.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter: pytest's own are closed to the user that Postgres runs as."""
    folder = Path(tempfile.mkdtemp(prefix="pitstop-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_postgres(open_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, to be killed; not migrated."""
    server = EmbeddedPostgres(open_folder / "data", settings=DURABLE)
    server.start()
    yield server
    server.ensure_running()
    server.stop()


def kill_postgres(server: EmbeddedPostgres) -> None:
    """Kill the server and every process of it, as a lack of memory would, and wait until they are dead."""
    while pids := processes_of(server.cluster.data):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def fresh_database(server_url: str) -> contextlib.AbstractContextManager[str]:
    """A migrated database for the length of a block, for fixtures of a wider scope than a test."""
    return _database(server_url, template=DATABASE)


@contextlib.contextmanager
def _database(server_url: str, *, template: str) -> Iterator[str]:
    """A database for one test.

    It is dropped when the next is made: right after the test its connections are still ending, and Postgres
    would wait 0.1 s for them.
    """
    name = sql.Identifier(f"t{os.getpid()}_{next(_numbers)}")
    with psycopg.connect(_named(server_url, "postgres"), autocommit=True) as connection:
        while _used:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(_used.pop()))
        create = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"
        connection.execute(sql.SQL(create).format(name, sql.Identifier(template)))
    yield _named(server_url, name.as_string(None).strip('"'))
    _used.append(name)


def _join(run: Path) -> str:
    """Start the run's server if nobody has, and count in."""
    run.mkdir(exist_ok=True)
    run.chmod(0o755)
    _users(run, add=True)
    url = running_url(run)
    if url is None:
        server = EmbeddedPostgres(run, settings=FAST)
        url = server.start()
        migrate(url)
        server.cluster.unlock()  # whoever leaves last takes the lock again to stop it
    return url


def _leave(run: Path) -> None:
    """Count out, and stop the server if nobody is left."""
    if not _users(run, add=False):
        _remove(run)


def _users(run: Path, *, add: bool) -> list[int]:
    """The living processes that use the run's server, with this one added or removed."""
    path = run / "users.json"
    pids = set(json.loads(path.read_text())) if path.exists() else set()
    pids = {pid for pid in pids if _lives(pid)} - {os.getpid()} | ({os.getpid()} if add else set())
    path.write_text(json.dumps(sorted(pids)))
    return sorted(pids)


def _remove_left_over(home: Path, mine: Path) -> None:
    for run in home.iterdir():
        users = run / "users.json"
        if run.is_dir() and run != mine:
            pids = json.loads(users.read_text()) if users.exists() else []
            if not any(_lives(pid) for pid in pids):
                _remove(run)


def _remove(run: Path) -> None:
    if running_url(run) is not None:
        server = EmbeddedPostgres(run, settings=FAST)
        server.start()
        server.stop()
    shutil.rmtree(run, ignore_errors=True)


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _named(url: str, database: str) -> str:
    return url.rpartition("/")[0] + "/" + database
