"""When the service was at work: one row for each minute in which a worker was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import Clock
from store.engine import Database
from store.models import PulseModel

MINUTE = timedelta(minutes=1)
KEPT = timedelta(days=400)


class Pulse:
    """Marks the minutes. Raises StoreUnavailable when Postgres is away: such a minute is not marked."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def beat(self) -> None:
        """Mark the present minute, and let go of very old ones."""
        minute = _floor(self._clock.now())
        async with self._db.transaction() as session:
            await session.execute(insert(PulseModel).values(minute=minute).on_conflict_do_nothing())
            await session.execute(delete(PulseModel).where(PulseModel.minute < minute - KEPT))


async def share_up(
    session: AsyncSession, since: datetime, until: datetime
) -> tuple[float | None, datetime | None]:
    """The share (0..1) of the minutes of [since, until) that are marked, and when marking began in it.

    Minutes before the very first mark don't count: nothing ran yet. (None, None) where nothing was marked.
    """
    first = await session.scalar(select(func.min(PulseModel.minute)))
    if first is None or first >= until:
        return None, None
    begin = max(_floor(since), first)
    marked = await session.scalar(
        select(func.count()).where(PulseModel.minute >= begin, PulseModel.minute < until)
    )
    minutes = max(1, -((begin - until) // MINUTE))
    return min(1.0, (marked or 0) / minutes), begin


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)
