"""Bundles: news of one kind and cause that go out to each recipient as one message, the oldest speaking for all.

Each incident keeps its own row in the outbox, by its own key, so what is told stays exactly once for each; what is
shared is only the letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, exists, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from core.groups import Together
from store.models import IncidentModel, MessageModel
from store.views import Message


@dataclass(frozen=True)
class Along:
    """One message that goes out as part of another, and the incident that it is about."""

    message_id: int
    incident_id: str
    job_id: int | None
    job_name: str
    run_id: int
    summary: str


async def due(
    session: AsyncSession, bundle: str, recipients: Iterable[str], together: Together, at: datetime
) -> dict[str, datetime]:
    """When the next message of this bundle to each recipient is due; the bundle is locked until the end.

    The first one waits `settle_seconds` for others; one that comes after a message went out waits until
    `update_seconds` have passed since.
    """
    # Two at once: one is the first, and the other goes with it.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(literal(bundle), 0))))
    names = list(recipients)
    newest = (
        select(MessageModel)
        .where(MessageModel.bundle == bundle, MessageModel.recipient.in_(names))
        .ext(distinct_on(MessageModel.recipient))
        .order_by(MessageModel.recipient, MessageModel.id.desc())
    )
    last = {row.recipient: row for row in await session.scalars(newest)}
    return {name: _next(last.get(name), together, at) for name in names}


def _next(last: MessageModel | None, together: Together, at: datetime) -> datetime:
    settled = at + timedelta(seconds=together.settle_seconds)
    if last is None or last.status in ("failed", "dropped"):
        return settled
    if last.status == "pending" and not last.attempts:
        return max(last.next_at, at)  # nobody has taken it up: they go together
    told = last.sent_at or at
    return max(settled, told + timedelta(seconds=together.update_seconds))


def speaks() -> ColumnElement[bool]:
    """The condition that no older pending message of its bundle to the same recipient speaks for this one."""
    older = aliased(MessageModel)
    spoken_for = exists().where(
        older.bundle == MessageModel.bundle,
        older.recipient == MessageModel.recipient,
        older.id < MessageModel.id,
        older.status == "pending",
    )
    return or_(MessageModel.bundle.is_(None), ~spoken_for)


async def along(session: AsyncSession, message: Message) -> list[Along]:
    """Who goes out with this message, oldest first."""
    incident = IncidentModel
    statement = (
        select(
            MessageModel.id.label("message_id"),
            incident.id.label("incident_id"),
            incident.job_id,
            incident.job_name,
            incident.run_id,
            incident.summary,
        )
        .join(incident, incident.id == MessageModel.incident_id)
        .where(
            MessageModel.bundle == message.bundle,
            MessageModel.recipient == message.recipient,
            MessageModel.status == "pending",
            MessageModel.id > message.id,
        )
        .order_by(MessageModel.id)
    )
    return [Along(**row) for row in (await session.execute(statement)).mappings()]
