"""Requests that may be sent twice: the first is answered, the second is given the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from core.errors import Conflict, InvalidInput
from store.clock import Clock
from store.engine import Database
from store.models import IdempotencyModel, new_id
from store.views import Answered

#: A key is remembered for this long; the same one later begins a new request.
KEPT = timedelta(hours=24)
#: Who is still at work after this has died on the way; whoever asks again goes on.
AT_WORK = timedelta(seconds=60)


class IdempotencyKeys:
    """Keys of one caller each. Every method raises StoreUnavailable when Postgres is away."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def begin(self, caller: str, key: str, request_sha256: str) -> Answered | str:
        """The answer that was given to this key, or the id under which this request is to be answered.

        Raises:
            InvalidInput: The key belongs to another request.
            Conflict: The same request is being worked on.
        """
        now = self._clock.now()
        mine = (IdempotencyModel.caller == caller, IdempotencyModel.key == key)
        async with self._db.transaction() as session:
            await session.execute(
                delete(IdempotencyModel).where(*mine, IdempotencyModel.created_at <= now - KEPT)
            )
            fresh = await session.scalar(
                insert(IdempotencyModel)
                .values(
                    id=new_id("idm"), caller=caller, key=key, request_sha256=request_sha256, created_at=now
                )
                .on_conflict_do_nothing(index_elements=["caller", "key"])
                .returning(IdempotencyModel.id)
            )
            if fresh is not None:
                return fresh
            row = await session.scalar(select(IdempotencyModel).where(*mine).with_for_update())
            if row is None:
                raise Conflict("This request is being worked on.", hint="Send it again in a moment.")
            if row.request_sha256 != request_sha256:
                raise InvalidInput(
                    "This Idempotency-Key was used for another request.", hint="Use a new key for a new one."
                )
            if row.status is not None:
                return Answered(status=row.status, headers=row.headers or {}, body=row.body)
            if row.created_at > now - AT_WORK:
                raise Conflict("This request is being worked on.", hint="Send it again in a moment.")
            row.created_at = now
            return row.id

    async def answered(
        self, row_id: str, status: int, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> None:
        """Keep the answer for whoever asks again."""
        async with self._db.transaction() as session:
            await session.execute(
                update(IdempotencyModel)
                .where(IdempotencyModel.id == row_id)
                .values(status=status, body=dict(body), headers=dict(headers))
            )

    async def forget(self, row_id: str) -> None:
        """Nothing was answered that should stand: the same key may try again."""
        async with self._db.transaction() as session:
            await session.execute(delete(IdempotencyModel).where(IdempotencyModel.id == row_id))

    async def drop_old(self) -> None:
        """Let go of keys nobody asks for any more."""
        async with self._db.transaction() as session:
            await session.execute(
                delete(IdempotencyModel).where(IdempotencyModel.created_at <= self._clock.now() - KEPT)
            )
