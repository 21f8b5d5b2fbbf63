"""The audit trail: appended to, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.models import EventModel
from store.views import Event

#: The channel on which a trigger announces each event, as `<event id> <incident id>`.
CHANNEL = "pitstop_events"


async def append(
    session: AsyncSession, incident_id: str, kind: str, data: Mapping[str, Any], *, key: str, at: datetime
) -> None:
    """Append an event; one with the same key stands as it is.

    Call it with the incident's row locked: only then are its events committed in the order of their ids, and
    whoever reads "all after this id" misses none.
    """
    await session.execute(
        insert(EventModel)
        .values(incident_id=incident_id, kind=kind, key=key, data=dict(data), at=at)
        .on_conflict_do_nothing(index_elements=["incident_id", "key"])
    )


async def after(session: AsyncSession, incident_id: str, event_id: int, limit: int) -> list[Event]:
    """At most `limit` events of an incident with an id over `event_id`, oldest first."""
    found = await session.scalars(
        select(EventModel)
        .where(EventModel.incident_id == incident_id, EventModel.id > event_id)
        .order_by(EventModel.id)
        .limit(limit)
    )
    return [view(row) for row in found]


def view(row: EventModel) -> Event:
    """The row as everyone else sees it."""
    return Event(id=row.id, incident_id=row.incident_id, kind=row.kind, key=row.key, data=row.data, at=row.at)
