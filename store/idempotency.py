"""Requests that may be sent twice: the first is answered, the second is given the same answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import InvalidInput, Unsettled
from store.clock import Clock
from store.engine import Database
from store.models import IdempotencyModel, new_id
from store.views import Answered

#: A key is remembered for this long; the same one later begins a new request.
KEPT = timedelta(hours=24)
#: Who is still at work after this has died on the way; whoever asks again goes on.
AT_WORK = timedelta(seconds=60)

#: Keeps what a request is answered with, in the transaction that does what it asks for: both stand, or neither.
Keep = Callable[[AsyncSession, Any], Awaitable[None]]


async def unkept(session: AsyncSession, answer: Any) -> None:
    """`Keep` for a request without a key."""


@dataclass(frozen=True)
class Receipt:
    """A key whose request is being worked on, since `begun`; whoever begins later takes it over."""

    id: str
    begun: datetime

    async def keep(self, session: AsyncSession, answer: Answered) -> None:
        """Keep the answer with the work of this transaction.

        Raises:
            Unsettled: Somebody else has taken the request over, so this work must not stand.
        """
        if not await self.answer(session, answer):
            raise _unsettled()

    async def answer(self, session: AsyncSession, answer: Answered) -> bool:
        """Keep the answer; False where it has one, or somebody else has taken the request over."""
        given = answer.model_dump()
        kept = update(IdempotencyModel).where(*self.mine()).values(**given).returning(IdempotencyModel.id)
        return await session.scalar(kept) is not None

    def mine(self) -> tuple[ColumnElement[bool], ...]:
        """Whether the row is still this one's to answer."""
        row = IdempotencyModel
        return row.id == self.id, row.created_at == self.begun, row.status.is_(None)


class IdempotencyKeys:
    """Keys of one caller each. Every method raises StoreUnavailable when Postgres is away."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def begin(self, caller: str, key: str, request_sha256: str) -> Answered | Receipt:
        """The answer that was given to this key, or the receipt under which this request is to be answered.

        Raises:
            InvalidInput: The key belongs to another request.
            Unsettled: The same request is being worked on, or whoever did has died.
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
                return Receipt(fresh, now)
            row = await session.scalar(select(IdempotencyModel).where(*mine).with_for_update())
            if row is None:
                raise _unsettled()
            if row.request_sha256 != request_sha256:
                raise InvalidInput(
                    "This Idempotency-Key was used for another request.", hint="Use a new key for a new one."
                )
            if row.status is not None:
                return Answered(status=row.status, headers=row.headers or {}, body=row.body)
            if row.created_at > now - AT_WORK:
                raise _unsettled()
            row.created_at = now
            return Receipt(row.id, now)

    async def answered(self, receipt: Receipt, answer: Answered) -> None:
        """Keep the answer for whoever asks again, unless it was kept with the work."""
        async with self._db.transaction() as session:
            await receipt.answer(session, answer)

    async def forget(self, receipt: Receipt) -> None:
        """Nothing was answered that should stand: the same key may try again. What was kept with the work stays."""
        async with self._db.transaction() as session:
            await session.execute(delete(IdempotencyModel).where(*receipt.mine()))

    async def drop_old(self) -> None:
        """Let go of keys nobody asks for any more."""
        async with self._db.transaction() as session:
            await session.execute(
                delete(IdempotencyModel).where(IdempotencyModel.created_at <= self._clock.now() - KEPT)
            )


def _unsettled() -> Unsettled:
    return Unsettled(
        "What became of this request is not known yet: it is being worked on, or it was cut off.",
        hint="Send the very same request again: it is done once, and you get its answer.",
    )
