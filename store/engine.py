"""The connection pool, and the one edge at which Postgres being away becomes an error of ours."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import psycopg
import sqlalchemy.exc
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from core.errors import ConfigurationError, StoreUnavailable

CONNECT_SECONDS = 5
POOL_WAIT_SECONDS = 10


def sqlalchemy_url(url: str) -> URL:
    """Any spelling of a PostgreSQL address, for SQLAlchemy with psycopg 3.

    Raises:
        ConfigurationError: It is no PostgreSQL address. The message does not show it: it may hold a password.
    """
    try:
        parsed = make_url(url)
    except sqlalchemy.exc.ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgres", "postgresql"}:
        raise ConfigurationError(
            "DATABASE_URL is not a PostgreSQL address.",
            hint="It looks like postgresql://user:password@host:5432/pitstop.",
        )
    return parsed.set(drivername="postgresql+psycopg")


def libpq_url(url: str) -> str:
    """The same address as libpq, the checkpoint savers and the queue read it; the password in clear."""
    return sqlalchemy_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextlib.contextmanager
def reaching_postgres() -> Iterator[None]:
    """Turn what SQLAlchemy, its pool and psycopg raise while Postgres is away into `StoreUnavailable`.

    Also what only a new try mends: a deadlock, a cancelled statement, no connection left.
    """
    try:
        yield
    except (
        sqlalchemy.exc.OperationalError,
        sqlalchemy.exc.InterfaceError,
        psycopg.OperationalError,
    ) as error:
        raise _away(error) from error
    except sqlalchemy.exc.TimeoutError as error:
        raise StoreUnavailable(
            f"No connection to Postgres became free in {POOL_WAIT_SECONDS} s.", hint="Try again."
        ) from error
    except sqlalchemy.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise _away(error) from error
        raise
    except (ConnectionError, TimeoutError) as error:
        raise _away(error) from error


def _away(error: BaseException) -> StoreUnavailable:
    cause = getattr(error, "orig", None) or error
    first_line = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
    return StoreUnavailable(f"Postgres does not answer: {first_line}", hint="Try again when it is back.")


class Database:
    """A pool of connections to one database.

    Args:
        url: Any spelling of a PostgreSQL address.
        pool_size: Connections held at most.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.libpq_url = libpq_url(url)
        self.engine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS,
            pool_pre_ping=True,
            # Nothing is prepared, so that a pooler in between does not matter.
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "prepare_threshold": None,
                "application_name": "pitstop",
            },
            hide_parameters=True,
        )
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False, autoflush=False)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed at the end, rolled back by any exception.

        Raises:
            StoreUnavailable: Postgres is away. Whether a commit under way took effect is not known then,
                so whatever runs in here must bear being run again.
        """
        with reaching_postgres():
            async with self._sessions.begin() as session:
                yield session

    async def ping(self) -> None:
        """Raises: StoreUnavailable."""
        async with self.transaction() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


async def raw_connection(session: AsyncSession) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection that `session`'s transaction runs on: for the queue, which joins it."""
    connection = await session.connection()
    fairy = await connection.get_raw_connection()
    return cast("psycopg.AsyncConnection[Any]", fairy.driver_connection)
