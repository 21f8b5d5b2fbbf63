"""Failed tries to say who one is, counted over all servers, so that guessing is slow wherever it is tried.

Each address has so many tries in a while. While a door is tried from many addresses at once, each has fewer; it never
has none, so nobody can lock others out by failing often, but for those who share an address with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import TooManyTries
from store.clock import Clock
from store.columns import clean_text
from store.engine import Database
from store.models import FailedTryModel

WINDOW = timedelta(minutes=5)
Door = Literal["console", "oidc", "api"]
#: So many old rows are let go of with each new one.
AT_ONCE = 1000


@dataclass(frozen=True)
class Limit:
    """How many failed tries there may be within `WINDOW`."""

    #: From one address.
    each: int
    #: From one address while the door is flooded.
    flooded: int
    #: More than this from everywhere together is a flood.
    together: int


#: A person mistypes; a program with an old token tries again and again, and its neighbours shall not suffer for it.
LIMITS: dict[Door, Limit] = {
    "console": Limit(each=10, flooded=3, together=300),
    "oidc": Limit(each=10, flooded=3, together=300),
    "api": Limit(each=600, flooded=60, together=6000),
}


class Tries:
    """Counts failed tries. Every method raises StoreUnavailable when Postgres is away."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def begin(self, door: Door, who: str) -> int:
        """Count a try as failed until `succeeded` says otherwise; its id.

        It is counted before it is looked at: of many sent at once no more are looked at than of many in a row.

        Raises:
            TooManyTries: It is not to be looked at.
        """
        name, now = clean_text(who)[:200], self._clock.now()
        async with self._db.transaction() as session:
            await session.execute(
                select(func.pg_advisory_xact_lock(func.hashtextextended(f"{door} {name}", 0)))
            )
            if seconds := await _wait(session, door, name, now):
                raise TooManyTries(
                    "Too many tries from here have failed.",
                    hint=f"Wait {_length(seconds)}.",
                    seconds=seconds,
                )
            await _let_go(session, now)
            row = FailedTryModel(door=door, who=name, at=now)
            session.add(row)
            await session.flush()
            return row.id

    async def succeeded(self, try_id: int) -> None:
        """This one did not fail. Those before it stay: one's own good token must not buy tries at others'."""
        async with self._db.transaction() as session:
            await session.execute(delete(FailedTryModel).where(FailedTryModel.id == try_id))


async def _wait(session: AsyncSession, door: Door, who: str, now: datetime) -> float:
    """Seconds until `who` may try again; 0 when they may now."""
    limit, since = LIMITS[door], now - WINDOW
    recent = (FailedTryModel.door == door, FailedTryModel.at > since)
    newest = select(FailedTryModel.at).where(*recent, FailedTryModel.who == who)
    mine = list(await session.scalars(newest.order_by(FailedTryModel.at.desc()).limit(limit.each)))
    if len(mine) < limit.flooded:
        return 0.0
    together = select(func.count()).select_from(select(1).where(*recent).limit(limit.together).subquery())
    flooded = (await session.scalar(together) or 0) >= limit.together
    most = limit.flooded if flooded else limit.each
    return 0.0 if len(mine) < most else (mine[most - 1] - since).total_seconds()


async def _let_go(session: AsyncSession, now: datetime) -> None:
    old = (
        select(FailedTryModel.id)
        .where(FailedTryModel.door.in_(LIMITS), FailedTryModel.at <= now - WINDOW)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(FailedTryModel).where(FailedTryModel.id.in_(old.scalar_subquery())))


def _length(seconds: float) -> str:
    whole = int(seconds) + 1
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"
