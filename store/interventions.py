"""What people, and the service for them, do to an incident from outside the graph."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Literal, Self

from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict
from core.incident import FINISHED, Status
from store import approvals, artifacts, events, incidents, second_looks
from store.clock import Clock
from store.decisions import CheckEdit
from store.engine import Database, raw_connection
from store.idempotency import Keep, unkept
from store.leases import Lease
from store.models import IncidentModel, new_id
from store.views import ArtifactInfo, Incident

#: `wake(raw_connection, incident_id)` queues a look at the incident, within the transaction of that connection.
Wake = Callable[[Any, str], Awaitable[None]]


class Interventions:
    """Each method is one transaction and raises StoreUnavailable while Postgres is away.

    Args:
        db: Where the rows are.
        clock: What time it is (leases go by the database's own clock).
        wake: Queues a look at an incident.
        check_edit: Holds edited parameters against the policy.
        clean: Takes secrets out of what people write.
        graph_version: Recorded with each thread that is bound.
        lease: When given, the nodes' writes are refused as soon as the lease went to another.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        wake: Wake,
        *,
        check_edit: CheckEdit,
        clean: Callable[[str], str] = str,
        graph_version: str = "",
        lease: Lease | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._wake = wake
        self._check_edit = check_edit
        self._clean = clean
        self._graph_version = graph_version
        self._lease = lease

    def under(self, lease: Lease) -> Self:
        """The same store, fenced by a lease."""
        fenced = copy.copy(self)
        fenced._lease = lease
        return fenced

    async def mute(self, incident_id: str, *, by: str, on: bool = True) -> Incident:
        """From now on only watch: what waits for a decision is withdrawn, and nothing new is asked or sent.

        With `on` false, go on as before; only while the graph has not come to its end.

        Raises:
            NotFound: No such incident.
            Conflict: It is finished, or it is too late to go on.
        """
        async with self._changing(incident_id, fenced=False) as (session, row, at):
            _refuse_finished(row)
            if row.muted == on:
                return incidents.view(row)
            if not on and row.outcome is not None:
                raise Conflict(f"Pitstop has let go of {row.id} already.", hint="Investigate the run again.")
            row.muted = on
            row.status = Status.MUTED if on else Status.INVESTIGATING
            await self._intervene(session, row, "muted" if on else "unmuted", {"by": by}, at)
            return incidents.view(row)

    async def take_over(self, incident_id: str, *, by: str) -> Incident:
        """A person does it by hand from now on; Pitstop only watches.

        Raises:
            NotFound: No such incident.
            Conflict: It is finished, or another person has taken it over.
        """
        async with self._changing(incident_id, fenced=False) as (session, row, at):
            _refuse_finished(row)
            if row.taken_over_by == by:
                return incidents.view(row)
            if row.taken_over_by is not None:
                raise Conflict(f"{row.taken_over_by} has taken incident {row.id} over already.")
            row.taken_over_by, row.status = by, Status.TAKEN_OVER
            await self._intervene(session, row, "taken_over", {"by": by}, at)
            return incidents.view(row)

    async def close(
        self,
        incident_id: str,
        *,
        by: str,
        note: str = "",
        outcome: Literal["closed", "resolved", "resolved_elsewhere"] = "closed",
    ) -> Incident:
        """End an incident by hand, or because a later run was good.

        Raises:
            NotFound: No such incident.
            Conflict: It is finished already.
        """
        async with self._changing(incident_id, fenced=False) as (session, row, at):
            _refuse_finished(row)
            incidents.finish(row, outcome, note, at)
            await approvals.supersede(session, row.id, by, at)
            facts = {"by": by, "outcome": outcome, "note": note}
            await events.append(session, row.id, "closed", facts, key="closed", at=at)
            return incidents.view(row)

    async def broken(self, incident_id: str, reason: str) -> None:
        """Pitstop can't go on for a reason that waiting does not mend; a person looks, then `retry_broken`."""
        async with self._changing(incident_id, fenced=False) as (session, row, at):
            if row.status in FINISHED:
                return
            row.status, row.note, row.wake_at, row.updated_at = Status.BROKEN, reason, None, at
            facts = {"reason": reason}
            await events.append(session, row.id, "broken", facts, key=f"broken/{at.isoformat()}", at=at)

    async def retry_broken(self, incident_id: str, *, by: str) -> Incident:
        """Go on where it broke.

        Raises:
            NotFound: No such incident.
            Conflict: It is not broken.
        """
        async with self._changing(incident_id, fenced=False) as (session, row, at):
            if row.status != Status.BROKEN:
                raise Conflict(f"Incident {row.id} is {row.status}, not broken.")
            row.status, row.note = Status.INVESTIGATING, ""
            await self._intervene(session, row, "retried", {"by": by}, at)
            return incidents.view(row)

    async def look_again(self, incident_id: str, *, by: str, hint: str = "", keep: Keep = unkept) -> Incident:
        """Have Pitstop look from the start, with what was attached since and `hint` as evidence, and propose anew.

        What waits for a decision is withdrawn; an incident that was left to people goes on. `keep` is called in the
        same transaction with what is returned.

        Raises:
            NotFound: No such incident.
            Conflict: It is finished, acted on, looked into right now, or a person does it by hand.
        """
        async with self._changing(incident_id, fenced=False) as (session, row, at):
            await second_looks.check(session, row)
            look = await second_looks.begin(session, row, by=by, hint=self._clean(hint))
            facts = {"by": by, "attempt": look.attempt, "revision": look.revision, "hint": look.hint}
            key = f"{second_looks.ASKED}/{look.times}"
            await self._intervene(session, row, second_looks.ASKED, facts, at, key=key)
            begun = incidents.view(row)
            await keep(session, begun)
            return begun

    async def attach(self, incident_id: str, name: str, text: str, *, by: str) -> ArtifactInfo:
        """Keep a redacted text that a person brought; the same text again is the first.

        Raises:
            NotFound: No such incident.
            InvalidInput: It is too large.
        """
        packed = await artifacts.pack(text)
        async with self._changing(incident_id, fenced=False) as (session, row, at):
            kept = await artifacts.put(
                session,
                row.id,
                name,
                packed,
                key=f"attachment/{packed.sha256}",
                kind="attachment",
                by=by,
                at=at,
            )
            facts = {"artifact_id": kept.id, "name": kept.name, "by": by, "size": kept.size}
            await events.append(session, row.id, "attached", facts, key=f"attached/{kept.id}", at=at)
            return kept

    async def snooze(self, incident_id: str, until: datetime) -> None:
        """Have the watcher look at `until`, unless something wakes the incident before."""
        async with self._changing(incident_id) as (_, row, _at):
            if row.status not in FINISHED:
                row.wake_at = until

    @asynccontextmanager
    async def _changing(
        self, incident_id: str, *, fenced: bool = True
    ) -> AsyncIterator[tuple[AsyncSession, IncidentModel, datetime]]:
        """A transaction with the incident's row locked, and its time."""
        async with self._db.transaction() as session:
            row = await incidents.lock(session, incident_id, self._lease if fenced else None)
            yield session, row, self._clock.now()

    async def _intervene(
        self,
        session: AsyncSession,
        row: IncidentModel,
        kind: str,
        facts: Mapping[str, Any],
        at: datetime,
        *,
        key: str = "",
    ) -> None:
        """Withdraw what is open, write it down, and have the graph look."""
        await approvals.supersede(session, row.id, str(facts["by"]), at)
        await events.append(session, row.id, kind, facts, key=key or f"{kind}/{new_id('evt')}", at=at)
        row.wake_at, row.updated_at = at + incidents.LOOK_AFTER, at
        await session.flush()
        await self._wake(await raw_connection(session), row.id)


def _refuse_finished(row: IncidentModel) -> None:
    """Raises: Conflict: the incident is finished."""
    if row.status in FINISHED:
        raise Conflict(f"Incident {row.id} is {row.status} already.")
