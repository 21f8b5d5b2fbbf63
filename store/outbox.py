"""The outbox: messages written with the reason for them, sent by whoever takes them, at least once each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.groups import Together
from store import bundles, lanes
from store.bundles import Along
from store.clock import Clock
from store.engine import Database
from store.lanes import Lane
from store.models import MessageModel, new_id
from store.notices import goes_on
from store.views import Message

#: The kind of a message by which somebody tries out a channel.
TEST = "test"


async def put(
    session: AsyncSession,
    incident_id: str,
    kind: str,
    recipients: Iterable[str],
    *,
    key: str,
    payload: Mapping[str, Any],
    at: datetime,
    bundle: str | None = None,
    pace: Together | None = None,
) -> None:
    """Queue a message for each recipient, once for each key of this incident, whatever happens how often.

    Args:
        at: When it is due.
        bundle: With which others it goes out, at this `pace` from `at` on.
    """
    people = _distinct(recipients)
    if not people:
        return
    due: dict[str, datetime] = {}
    if bundle is not None and pace is not None:
        due = await bundles.due(session, bundle, people.values(), pace, at)
    rows = [
        {
            "key": f"{incident_id}/{key}/{folded}",
            "kind": kind,
            "recipient": person,
            "incident_id": incident_id,
            "payload": dict(payload),
            "status": "pending",
            "created_at": at,
            "next_at": due.get(person, at),
            "bundle": bundle,
        }
        for folded, person in people.items()
    ]
    await session.execute(insert(MessageModel).values(rows).on_conflict_do_nothing(index_elements=["key"]))


def _distinct(recipients: Iterable[str]) -> dict[str, str]:
    """Each recipient once, by the name without case."""
    people: dict[str, str] = {}
    for person in filter(None, map(str.strip, recipients)):
        people.setdefault(person.casefold(), person)
    return people


class Outbox:
    """The sender's side."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def take(
        self, limit: int = 20, hold_seconds: float = 120.0, *, lane: Lane | None = None
    ) -> list[Message]:
        """Messages that are due, the longest waiting first, held back from other senders for `hold_seconds`.

        One whose sender dies comes up again after that. Of a bundle to one recipient only the oldest comes up: it
        speaks for the others.
        """
        now = self._clock.now()
        due = (
            select(MessageModel.id)
            .where(
                MessageModel.status == "pending",
                MessageModel.next_at <= now,
                bundles.speaks(),
                lanes.on(lane),
            )
            .order_by(MessageModel.next_at, MessageModel.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        statement = (
            update(MessageModel)
            .where(MessageModel.id.in_(due.scalar_subquery()))
            .values(attempts=MessageModel.attempts + 1, next_at=now + timedelta(seconds=hold_seconds))
            .returning(MessageModel)
            .execution_options(synchronize_session=False)
        )
        async with self._db.transaction() as session:
            rows = list(await session.scalars(statement))
        return [_view(row) for row in sorted(rows, key=lambda row: row.id)]

    async def test(self, recipient: str, by: str) -> None:
        """Queue a message that says that the channel works; it is about no incident."""
        now = self._clock.now()
        row = {
            "key": new_id("test"),
            "kind": TEST,
            "recipient": recipient,
            "payload": {"by": by},
            "status": "pending",
            "created_at": now,
            "next_at": now,
        }
        async with self._db.transaction() as session:
            await session.execute(insert(MessageModel).values(row))

    async def tests(self, limit: int = 10) -> list[Message]:
        """The newest test messages, and what became of them."""
        newest = (
            select(MessageModel)
            .where(MessageModel.kind == TEST)
            .order_by(MessageModel.id.desc())
            .limit(limit)
        )
        async with self._db.transaction() as session:
            return [_view(row) for row in await session.scalars(newest)]

    async def along(self, message: Message) -> list[Along]:
        """The messages that go out with this one, as part of it, oldest first."""
        if message.bundle is None:
            return []
        async with self._db.transaction() as session:
            return await bundles.along(session, message)

    async def sent(
        self, message_id: int, receipt: Mapping[str, Any] | None = None, along: Sequence[Along] = ()
    ) -> None:
        """It was handed over, with those `along`; `receipt` is what the channel will change it by."""
        given = None if receipt is None else dict(receipt)
        now = self._clock.now()
        async with self._db.transaction() as session:
            for ids, receipt_ in (([message_id], given), ([one.message_id for one in along], None)):
                values = {"status": "sent", "sent_at": now, "error": None, "receipt": receipt_}
                await session.execute(_pending(ids).values(**values))

    async def dropped(self, message_id: int, why: str) -> None:
        """Nobody needs it any more."""
        await self._set(message_id, status="dropped", error=why[:1000])

    async def get(self, message_id: int) -> Message:
        """One message, sent or not. Raises: NotFound."""
        async with self._db.transaction() as session:
            row = await session.get(MessageModel, message_id)
        if row is None:
            raise NotFound(f"There is no message {message_id}.")
        return _view(row)

    async def posted(self, group_id: str) -> list[Message]:
        """The messages that ask about a group and can be changed; of those that took one place, the newest."""
        mine = MessageModel.payload["group_id"].astext == group_id
        newest = (
            select(MessageModel)
            .ext(distinct_on(MessageModel.receipt))
            .where(mine, MessageModel.status == "sent", MessageModel.receipt.is_not(None), goes_on())
            .order_by(MessageModel.receipt, MessageModel.id.desc())
        )
        async with self._db.transaction() as session:
            return [_view(row) for row in await session.scalars(newest)]

    async def receipt_in_group(self, group_id: str, recipient: str) -> Mapping[str, Any] | None:
        """The receipt of the newest message that asks this recipient about a group; None without one."""
        newest = (
            select(MessageModel.receipt)
            .where(
                MessageModel.payload["group_id"].astext == group_id,
                MessageModel.recipient == recipient,
                MessageModel.status == "sent",
                MessageModel.receipt.is_not(None),
                goes_on(),
            )
            .order_by(MessageModel.id.desc())
            .limit(1)
        )
        async with self._db.transaction() as session:
            return await session.scalar(newest)

    async def failed(
        self, message_id: int, error: str, *, retry_at: datetime | None, along: Sequence[Along] = ()
    ) -> None:
        """It could not be handed over: try again at `retry_at`, or give it up with those `along` when that is None."""
        if retry_at is None:
            ids = [message_id, *(one.message_id for one in along)]
            async with self._db.transaction() as session:
                await session.execute(_pending(ids).values(status="failed", error=error[:1000]))
        else:
            await self._set(message_id, next_at=retry_at, error=error[:1000])

    async def postpone(self, message_id: int, until: datetime) -> None:
        """Not now (quiet hours): nothing failed, and the try does not count."""
        await self._set(message_id, next_at=until, attempts=MessageModel.attempts - 1)

    async def _set(self, message_id: int, **values: Any) -> None:
        async with self._db.transaction() as session:
            await session.execute(_pending([message_id]).values(**values))


def _pending(ids: Sequence[int]) -> Update:
    """A change of these messages, as far as they wait still."""
    return (
        update(MessageModel)
        .where(MessageModel.id.in_(ids), MessageModel.status == "pending")
        .execution_options(synchronize_session=False)
    )


def _view(row: MessageModel) -> Message:
    return Message(
        id=row.id,
        key=row.key,
        kind=row.kind,
        recipient=row.recipient,
        incident_id=row.incident_id,
        payload=row.payload,
        attempts=row.attempts,
        created_at=row.created_at,
        status=row.status,
        receipt=row.receipt,
        error=row.error,
        bundle=row.bundle,
    )
