"""Checkpoints in Postgres, with a serializer that never imports what it reads."""

from typing import Any, cast

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]


def strict_serializer() -> JsonPlusSerializer:
    """A serializer for plain JSON values only: the default one imports any type that a checkpoint names."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


def make_pool(url: str, *, size: int) -> Pool:
    """A pool for checkpoint savers, not opened yet.

    Connections are checked before use, since Postgres may have been away, and nothing is prepared, so that a
    pooler in between does not matter.
    """
    return AsyncConnectionPool[AsyncConnection[DictRow]](
        url,
        min_size=1,
        max_size=max(size, 2),
        open=False,
        # psycopg_pool's own patience grows to minutes after a long outage.
        timeout=10,
        reconnect_timeout=10,
        # Typed for tuple rows only, though it looks at none.
        check=cast(Any, AsyncConnectionPool.check_connection),
        kwargs={"autocommit": True, "prepare_threshold": None, "row_factory": dict_row},
        name="checkpoints",
    )


def make_saver(pool: Pool) -> AsyncPostgresSaver:
    """A saver of its own for one worker slot: one object holds a lock around every cursor."""
    return AsyncPostgresSaver(pool, serde=strict_serializer())
