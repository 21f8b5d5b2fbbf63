"""The store as the nodes and the service use it: each method one transaction, idempotent by the keys it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from core.approvals import Claim, ClaimRequest, NewApproval
from core.errors import NotFound
from core.groups import Together
from core.incident import Approval, Status
from core.run import RunFacts
from store import (
    approvals,
    artifacts,
    claims,
    events,
    groups,
    incidents,
    outbox,
    stats,
)
from store.answers import Answers
from store.idempotency import Keep, unkept
from store.models import IncidentModel
from store.views import Incident

T = TypeVar("T")


class Store(Answers):
    """Implements `nodes.rows.Store`; what people do is in `Answers` (to a question) and `Interventions`."""

    # The incident

    async def open_incident(
        self,
        run: RunFacts,
        *,
        thread_id: str | None,
        incident_id: str | None = None,
        source: str = "graph",
        keep: Keep = unkept,
    ) -> Incident:
        """Open or find the incident of this run and repair, and bind the thread to it.

        A run or repair that an action of ours started gives the incident which started it. `keep` (here and below)
        is called in the same transaction with what is returned.

        Raises:
            Conflict: Another thread works on it, or it is about another run.
            NotFound: There is no incident of this id.
        """
        at = self._clock.now()
        async with self._db.transaction() as session:
            row = await incidents.open_row(
                session, run, incident_id=incident_id, source=source, at=at, lease=self._lease
            )
            await incidents.bind_thread(session, row, thread_id, self._graph_version)
            return await _kept(session, incidents.view(row), keep)

    async def incident(self, incident_id: str) -> Incident:
        """One incident. Raises: NotFound."""
        async with self._db.transaction() as session:
            row = await session.get(IncidentModel, incident_id)
            if row is None:
                raise NotFound(f"There is no incident {incident_id}.")
            return incidents.view(row)

    async def update_incident(self, incident_id: str, *, status: Status | None = None, **facts: Any) -> None:
        """Lay the newest facts over the old ones; a finished, muted or taken over incident keeps its status."""
        async with self._changing(incident_id) as (_, row, at):
            incidents.update(row, status, facts, at)

    async def finish(self, incident_id: str, outcome: str, *, note: str = "") -> None:
        """Record how it ended; the first ending stands, except that one left to people can still be resolved."""
        async with self._changing(incident_id) as (session, row, at):
            if incidents.finish(row, outcome, note, at):
                await approvals.supersede(session, row.id, outcome, at)
                facts = {"outcome": outcome, "note": note}
                looks = row.facts.get("second_look", {}).get("times", 0)  # each may come to the same end
                await events.append(
                    session, row.id, "finished", facts, key=f"finished/{outcome}/{looks}", at=at
                )

    async def class_stats(self, failure_class: str, action: str) -> tuple[int, int]:
        """(verified successes, trials) of this action on this class."""
        async with self._db.transaction() as session:
            return await stats.class_stats(session, failure_class, action)

    # What is kept about it

    async def add_event(self, incident_id: str, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        """Append to the audit trail; a second event with the same `key` is the first."""
        async with self._changing(incident_id, fenced=False) as (session, _, at):
            await events.append(session, incident_id, kind, data, key=key, at=at)

    async def put_artifact(self, incident_id: str, name: str, text: str, *, key: str) -> str:
        """Keep a redacted text whole; the id of the artifact. Idempotent by `key`."""
        packed = await artifacts.pack(text)
        async with self._changing(incident_id, fenced=False) as (session, _, at):
            kept = await artifacts.put(
                session, incident_id, name, packed, key=key, kind="artifact", by=None, at=at
            )
            return kept.id

    async def get_artifact(self, artifact_id: str) -> str:
        """The text of an artifact. Raises: NotFound."""
        async with self._db.transaction() as session:
            row = await artifacts.get(session, artifact_id)
        return await artifacts.unpack(row)

    async def find_artifact(self, incident_id: str, key: str) -> str | None:
        """The text of the artifact put under this key, None when there is none."""
        async with self._db.transaction() as session:
            row = await artifacts.find(session, incident_id, key)
        return None if row is None else await artifacts.unpack(row)

    async def attachments(self, incident_id: str) -> dict[str, str]:
        """Texts that people attached, by file name; a name that comes again is counted up."""
        async with self._db.transaction() as session:
            rows = await artifacts.attached(session, incident_id)
        texts: dict[str, str] = {}
        for row in rows:
            name, count = row.name, 1
            while name in texts:
                count += 1
                name = f"{row.name} ({count})"
            texts[name] = await artifacts.unpack(row)
        return texts

    async def notify(
        self,
        incident_id: str,
        event: str,
        recipients: Sequence[str],
        *,
        key: str,
        together: Together | None = None,
    ) -> None:
        """Put a message about this incident into the outbox, once for each key and recipient.

        With `together` it goes out with others of its kind that share the same: one message to each recipient.
        """
        async with self._changing(incident_id) as (session, row, at):
            await outbox.put(
                session,
                incident_id,
                event,
                recipients,
                key=key,
                payload={"event": event},
                at=at,
                bundle=together.bundle(row.workspace, event) if together else None,
                pace=together,
            )

    # Approvals

    async def propose(self, new: NewApproval) -> Approval:
        """Write the approval row and its notices by (incident, attempt, revision, payload hash).

        Raises:
            Conflict: The incident is finished.
            InvalidInput: The hash is not that of the parameters.
        """
        async with self._changing(new.incident_id) as (session, row, at):
            return await approvals.propose(session, row, new, at)

    async def approval(self, approval_id: str) -> Approval:
        """One approval row. Raises: NotFound."""
        async with self._db.transaction() as session:
            return await approvals.get(session, approval_id)

    async def expire(self, approval_id: str, now: datetime) -> Approval:
        """Mark a pending row whose time is over as expired; any other row is returned as it is."""
        async with self._db.transaction() as session:
            incident_id = await approvals.incident_of(session, approval_id)
            await incidents.lock(session, incident_id, self._lease)
            row, claimed = await approvals.lock(session, approval_id)
            return await approvals.expire(session, row, claimed, now, self._clock.now())

    async def supersede(self, approval_id: str, *, why: str = "the run changed meanwhile") -> Approval:
        """Close a row that is open and not acted on; any other is returned as it is. Raises: NotFound."""
        async with self._db.transaction() as session:
            incident_id = await approvals.incident_of(session, approval_id)
            await incidents.lock(session, incident_id, self._lease)
            await approvals.supersede(session, incident_id, why, self._clock.now(), only=approval_id)
            return await approvals.get(session, approval_id)

    # Acting

    async def authorised(self, approval_id: str, thread_id: str) -> Approval:
        """The row, if this thread may act on it now.

        Raises:
            NotAuthorised: It may not; the message says which check failed.
            NotFound: There is no such approval.
        """
        async with self._db.transaction() as session:
            incident = await incidents.lock(
                session, await approvals.incident_of(session, approval_id), self._lease
            )
            row, claimed = await approvals.lock(session, approval_id)
            claims.check_authority(incident, row, thread_id)
            return approvals.view(row, claimed)

    async def speaks(self, approval_id: str) -> bool:
        """Whether people are told of this one: False where an older pending one of its group stands for it."""
        async with self._db.transaction() as session:
            return await groups.speaks(session, approval_id)

    async def holds_back(self, approval_id: str) -> str:
        """The id of the group under whose decision this approval waits for its turn; empty when it need not."""
        async with self._db.transaction() as session:
            decision = await groups.held_by(session, approval_id)
            return decision.group_id if decision else ""

    async def stopped_because(self, approval_id: str) -> str:
        """Why the group's approval that covered this one was stopped before it could act; empty otherwise."""
        async with self._db.transaction() as session:
            return await groups.stopped_because(session, approval_id)

    async def claim(self, approval_id: str, thread_id: str, request: ClaimRequest) -> Claim:
        """In one transaction: lock the approval, check it, take the step's claim or give the one that stands.

        Raises:
            NotAuthorised: As `authorised`; putting settings back is allowed also after the incident's end.
            LeaseLost: Another worker holds the incident.
            NotFound: There is no such approval.
        """
        async with self._db.transaction() as session:
            incident = await incidents.lock(
                session, await approvals.incident_of(session, approval_id), self._lease
            )
            await claims.check_turn(session, incident, self._lease)
            row, _ = await approvals.lock(session, approval_id)
            claims.check_authority(incident, row, thread_id, restoring=request.step == "restore")
            if request.step != "restore":
                await groups.check_turn(session, approval_id)
            return await claims.claim(session, incident, row, request, self._clock.now())

    async def record_claim(self, claim_id: str, status: str, result: Mapping[str, Any]) -> None:
        """Record what became of a claim: `sending`, `done`, `failed`, `unknown` or `restored`.

        Not fenced by the lease: what happened to the world is true whoever says it.

        Raises:
            NotFound: There is no such claim.
            Conflict: It took effect already, and can't be said not to have.
        """
        async with self._db.transaction() as session:
            incident = await incidents.lock(session, await claims.incident_of(session, claim_id))
            await claims.record(session, incident, claim_id, status, result, self._clock.now())

    async def claims(self, incident_id: str, attempt: int | None = None) -> list[Claim]:
        """The claims of an incident, oldest first."""
        async with self._db.transaction() as session:
            return await claims.of_incident(session, incident_id, attempt)


async def _kept(session: AsyncSession, answer: T, keep: Keep) -> T:
    await keep(session, answer)
    return answer
