"""What the periodic rounds look for: level-triggered, so that nothing is lost with a lost wake-up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.orm import aliased, defer

from core.approvals import Claim
from core.incident import LEFT_TO_PEOPLE, Status
from store.claims import view
from store.clock import Clock
from store.engine import Database
from store.incidents import summary
from store.models import ClaimModel, EventModel, IncidentModel
from store.views import Due, IncidentSummary

UNSETTLED = ("claimed", "sending", "unknown")


class Sweeps:
    """Reads over all incidents. Every method raises StoreUnavailable when Postgres is away."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def due(self, limit: int = 100) -> list[Due]:
        """Unfinished incidents whose time to be looked at has come and that no worker has, longest due first."""
        free = or_(IncidentModel.lease_until.is_(None), IncidentModel.lease_until <= func.clock_timestamp())
        statement = (
            select(
                IncidentModel.id,
                IncidentModel.status,
                IncidentModel.thread_id,
                IncidentModel.attempt,
                IncidentModel.wake_at,
            )
            .where(IncidentModel.finished_at.is_(None), IncidentModel.wake_at <= self._clock.now(), free)
            .order_by(IncidentModel.wake_at)
            .limit(limit)
        )
        async with self._db.transaction() as session:
            rows = (await session.execute(statement)).mappings()
            return [Due.model_validate(dict(row)) for row in rows]

    async def unrestored(self, *, older_than_seconds: float = 0.0) -> list[Claim]:
        """Claims that may have changed a job's settings and whose incident has gone on without putting them back.

        That is: its graph has ended, it is broken, or it is at a later attempt.
        """
        limit_at = self._clock.now() - timedelta(seconds=older_than_seconds)
        restore = aliased(ClaimModel)
        restored = exists().where(
            restore.incident_id == ClaimModel.incident_id,
            restore.attempt == ClaimModel.attempt,
            restore.step == "restore",
            restore.status == "done",
        )
        gone_on = or_(
            IncidentModel.outcome.is_not(None),
            IncidentModel.status == Status.BROKEN,
            IncidentModel.attempt > ClaimModel.attempt,
        )
        statement = (
            select(ClaimModel)
            .join(IncidentModel, IncidentModel.id == ClaimModel.incident_id)
            .where(
                ClaimModel.step == "apply",
                ClaimModel.status.not_in(["failed", "restored"]),
                ClaimModel.updated_at <= limit_at,
                gone_on,
                ~restored,
            )
            .order_by(ClaimModel.number)
        )
        async with self._db.transaction() as session:
            return [view(row) for row in await session.scalars(statement)]

    async def open_claims(
        self, workspace: str, *, job_id: int | None = None, run_id: int | None = None
    ) -> list[Claim]:
        """Claims on this job or run of which it is not known yet whether they took effect, oldest first.

        An unknown run of such a job may be ours: it waits until they are settled.
        """
        about = [IncidentModel.job_id == job_id] if job_id is not None else []
        about += [IncidentModel.run_id == run_id] if run_id is not None else []
        statement = (
            select(ClaimModel)
            .join(IncidentModel, IncidentModel.id == ClaimModel.incident_id)
            .where(
                IncidentModel.workspace == workspace,
                ClaimModel.status.in_(UNSETTLED),
                or_(*about) if about else IncidentModel.id.is_not(None),
            )
            .order_by(ClaimModel.number)
        )
        async with self._db.transaction() as session:
            return [view(row) for row in await session.scalars(statement)]

    async def left_to_people(
        self, workspace: str, *, job_id: int | None = None, limit: int = 200
    ) -> list[IncidentSummary]:
        """Incidents whose graph has ended and that are open still, oldest first: a good run closes them."""
        statuses: Sequence[str] = [status.value for status in LEFT_TO_PEOPLE]
        statement = (
            select(IncidentModel)
            .where(
                IncidentModel.workspace == workspace,
                IncidentModel.finished_at.is_(None),
                IncidentModel.status.in_(statuses),
            )
            .options(defer(IncidentModel.facts, raiseload=True))
            .order_by(IncidentModel.opened_at)
            .limit(limit)
        )
        if job_id is not None:
            statement = statement.where(IncidentModel.job_id == job_id)
        async with self._db.transaction() as session:
            return [summary(row) for row in await session.scalars(statement)]

    async def ended(self, *, after: str | None = None, limit: int = 200) -> list[IncidentSummary]:
        """Incidents whose graph has ended, in the order of their ids, from the one behind `after` on.

        For rebuilding what is remembered of them.
        """
        statement = (
            select(IncidentModel)
            .where(and_(IncidentModel.outcome.is_not(None), IncidentModel.id > (after or "")))
            .options(defer(IncidentModel.facts, raiseload=True))
            .order_by(IncidentModel.id)
            .limit(limit)
        )
        async with self._db.transaction() as session:
            return [summary(row) for row in await session.scalars(statement)]

    async def observed(self, *, since: datetime, without: str, limit: int) -> list[IncidentSummary]:
        """Incidents that were only observed, opened since then, with no event of the kind `without`: any `limit`.

        In no order, so that those whose time has not come hold up nothing.
        """
        known = exists().where(EventModel.incident_id == IncidentModel.id, EventModel.kind == without)
        statement = (
            select(IncidentModel)
            .where(IncidentModel.opened_at >= since, IncidentModel.status == Status.OBSERVED, ~known)
            .options(defer(IncidentModel.facts, raiseload=True))
            .order_by(func.random())
            .limit(limit)
        )
        async with self._db.transaction() as session:
            return [summary(row) for row in await session.scalars(statement)]
