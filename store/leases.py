"""Leases: at most one worker at a time advances an incident, and a worker that lost its turn changes nothing.

Times are the database's own, so that workers need not agree on theirs; the epoch fences whatever is late.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, or_, select, update

from core.errors import LeaseLost, NotFound
from store.engine import Database
from store.models import IncidentModel


@dataclass(frozen=True)
class Lease:
    """The right to advance one incident, for as long as the incident's epoch is this one."""

    incident_id: str
    holder: str
    epoch: int


def fence(row: IncidentModel, lease: Lease | None) -> None:
    """Stop a worker whose lease went to another. Call it with the incident's row locked.

    Raises:
        LeaseLost: The epoch has moved on, or the lease is for another incident.
    """
    if lease is not None and (lease.incident_id, lease.epoch) != (row.id, row.lease_epoch):
        raise LeaseLost(f"Another worker has incident {row.id} now ({row.lease_holder or 'since finished'}).")


class Leases:
    """Takes, renews and gives back leases."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def acquire(self, incident_id: str, holder: str, seconds: float) -> Lease | None:
        """The lease, or None while somebody holds it (also under the same name).

        Raises:
            NotFound: No such incident.
            StoreUnavailable: Postgres is away.
        """
        now = func.clock_timestamp()
        free = or_(IncidentModel.lease_until.is_(None), IncidentModel.lease_until <= now)
        statement = (
            update(IncidentModel)
            .where(IncidentModel.id == incident_id, free)
            .values(
                lease_holder=holder,
                lease_epoch=IncidentModel.lease_epoch + 1,
                lease_until=now + timedelta(seconds=seconds),
            )
            .returning(IncidentModel.lease_epoch)
        )
        async with self._db.transaction() as session:
            epoch = (await session.execute(statement)).scalar()
            if epoch is not None:
                return Lease(incident_id, holder, epoch)
            known = select(IncidentModel.id).where(IncidentModel.id == incident_id)
            if (await session.execute(known)).scalar() is None:
                raise NotFound(f"There is no incident {incident_id}.")
            return None

    async def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold it for `seconds` from now; False when another took it. One that only ran out is renewed."""
        return await self._set(lease, func.clock_timestamp() + timedelta(seconds=seconds))

    async def release(self, lease: Lease) -> bool:
        """Give it back; False when another has it already, which is left alone."""
        return await self._set(lease, None)

    async def _set(self, lease: Lease, until: object) -> bool:
        statement = (
            update(IncidentModel)
            .where(IncidentModel.id == lease.incident_id, IncidentModel.lease_epoch == lease.epoch)
            .values(lease_until=until)
            .returning(IncidentModel.id)
        )
        async with self._db.transaction() as session:
            return (await session.execute(statement)).scalar() is not None
