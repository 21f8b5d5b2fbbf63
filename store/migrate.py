"""Bring a database to the schema of this version, and refuse to work on any other.

In order, and one process at a time: our own tables by Alembic, the checkpoint savers' tables by themselves,
then the queue's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from langgraph.checkpoint.postgres import PostgresSaver
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from core.errors import SchemaMismatch, StoreUnavailable
from store.engine import CONNECT_SECONDS, libpq_url, reaching_postgres, sqlalchemy_url

#: Any number that nobody else locks.
ADVISORY_LOCK = 7_052_617_431_001
WAIT_SECONDS = 120.0


def migrate(url: str, *, after: Iterable[Callable[[str], None]] = ()) -> None:
    """Upgrade the database at `url`; doing it again, or from several processes at once, does no harm.

    Args:
        url: Any spelling of a PostgreSQL address.
        after: What else to do while the lock is held, given the address as libpq reads it.

    Raises:
        StoreUnavailable: Postgres is away, or another process has been migrating for too long.
        SchemaMismatch: The schema is newer than this version.
    """
    with reaching_postgres(), _alone(libpq_url(url)):
        with _connection(url) as connection:
            _refuse_newer(connection)
            command.upgrade(alembic_config(connection), "head")
            connection.commit()
        with PostgresSaver.from_conn_string(libpq_url(url)) as saver:
            # Outside of any transaction: it creates indexes concurrently.
            saver.setup()
        _install_queue(libpq_url(url))
        for step in after:
            step(libpq_url(url))


def check_schema(url: str) -> None:
    """Refuse a database whose schema is not this version's.

    Raises:
        SchemaMismatch: Something is missing, older or newer.
        StoreUnavailable: Postgres is away.
    """
    with reaching_postgres(), _connection(url) as connection:
        _refuse_newer(connection)
        if _revision(connection) != _head():
            raise SchemaMismatch(
                f"The database's schema is {_revision(connection) or 'empty'}, and this version needs {_head()}.",
                hint="Run `pitstop migrate`.",
            )
        for table in ("checkpoint_migrations", "procrastinate_jobs"):
            if not _has(connection, table):
                raise SchemaMismatch(f"The table {table} is missing.", hint="Run `pitstop migrate`.")
        last = connection.exec_driver_sql("SELECT max(v) FROM checkpoint_migrations").scalar()
        if last is None or last < len(PostgresSaver.MIGRATIONS) - 1:
            raise SchemaMismatch(
                "The checkpoint tables are older than this version.", hint="Run `pitstop migrate`."
            )


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for our migrations on one connection, without a file."""
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    config.attributes["connection"] = connection
    return config


@contextlib.contextmanager
def _connection(url: str) -> Iterator[Connection]:
    arguments = {"connect_timeout": CONNECT_SECONDS, "application_name": "pitstop-migrate"}
    engine = create_engine(
        sqlalchemy_url(url), poolclass=NullPool, hide_parameters=True, connect_args=arguments
    )
    with engine.connect() as connection:
        yield connection


@contextlib.contextmanager
def _alone(url: str) -> Iterator[None]:
    """Hold the lock on a connection of its own.

    It is tried for and not waited for: a waiting statement is a transaction, which the concurrent index
    creation of the one who has the lock would wait for in turn.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        while not _try_lock(connection):
            if time.monotonic() > deadline:
                raise StoreUnavailable(
                    f"Another process has been migrating this database for {WAIT_SECONDS:.0f} s.",
                    hint="Wait for it, or end it, and try again.",
                )
            time.sleep(0.1)
        yield


def _try_lock(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", [ADVISORY_LOCK]).fetchone()
    return bool(row and row[0])


def _install_queue(url: str) -> None:
    """Procrastinate's own schema, all or nothing, where there is none; it keeps no version in the database."""
    with psycopg.connect(url, connect_timeout=CONNECT_SECONDS) as connection:
        found = connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone()
        if not (found and found[0]):
            connection.execute(SchemaManager.get_schema())


def _has(connection: Connection, table: str) -> bool:
    return connection.exec_driver_sql(f"SELECT to_regclass('{table}')").scalar() is not None


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _head() -> str | None:
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "store:migrations")
    return ScriptDirectory.from_config(config)


def _refuse_newer(connection: Connection) -> None:
    """Raises: SchemaMismatch: a newer version has been here."""
    revision = _revision(connection)
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaMismatch(
            f"The database's schema ({revision}) is newer than this version of Pitstop.",
            hint="Use the version that made it, or a newer one.",
        )
