"""Claims: the right to send one step of an attempt, taken in the transaction that checks the authority for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actions import Proposal, payload_sha256
from core.approvals import Claim, ClaimRequest
from core.errors import Conflict, InvalidInput, LeaseLost, NotAuthorised, NotFound
from core.incident import AUTHORISES, FINISHED
from store import events, runs
from store.leases import Lease
from store.models import ApprovalModel, ClaimModel, IncidentModel, RunState, new_id

#: Steps that start a run of ours, or a repair.
STARTING = frozenset({"start", "upstream"})
#: What took effect can't become anything else, except that a changed setting is put back.
FINAL = {"done": frozenset({"done", "restored"}), "restored": frozenset({"restored"})}


def check_authority(
    incident: IncidentModel, row: ApprovalModel, thread_id: str, *, restoring: bool = False
) -> None:
    """Whether `row` lets this thread act; the caller holds both rows.

    Putting settings back (`restoring`) is what an approval allows also after the incident's end.

    Raises:
        NotAuthorised: It doesn't; the message says which check failed.
    """
    if row.status not in AUTHORISES:
        raise NotAuthorised(f"Approval {row.id} is {row.status}, not approved.")
    if not thread_id or incident.thread_id != thread_id:
        raise NotAuthorised(f"Approval {row.id} belongs to another thread's incident.")
    if not restoring:
        if incident.status in FINISHED:
            raise NotAuthorised(f"Incident {incident.id} is {incident.status} already.")
        if incident.taken_over_by is not None:
            raise NotAuthorised(f"{incident.taken_over_by} has taken incident {incident.id} over.")
        if incident.muted:
            raise NotAuthorised(f"Incident {incident.id} is muted.")
    proposal = Proposal.model_validate(row.proposal)
    try:
        actual = payload_sha256(row.incident_id, row.attempt, proposal.action, proposal.checked())
    except InvalidInput as error:
        raise NotAuthorised(f"The proposal of approval {row.id} is not whole: {error}") from error
    if actual != row.payload_sha256 or row.action != proposal.action:
        raise NotAuthorised(f"The proposal of approval {row.id} is not the one that was decided on.")


async def check_turn(session: AsyncSession, incident: IncidentModel, lease: Lease | None) -> None:
    """Without a lease, act only while nobody has one. (With one, locking the row has fenced it.)

    Raises:
        LeaseLost: A worker has the incident.
    """
    if lease is None and incident.lease_until is not None:
        held = await session.scalar(select(incident.lease_until > func.clock_timestamp()))
        if held:
            raise LeaseLost(f"Worker {incident.lease_holder} has incident {incident.id}.")


async def claim(
    session: AsyncSession, incident: IncidentModel, row: ApprovalModel, request: ClaimRequest, at: datetime
) -> Claim:
    """The claim on (incident, attempt, step): the one that stands, or a fresh one. Both rows are locked."""
    standing = await session.scalar(
        select(ClaimModel).where(
            ClaimModel.incident_id == incident.id,
            ClaimModel.attempt == row.attempt,
            ClaimModel.step == request.step,
        )
    )
    if standing is not None:
        return view(standing)
    made = ClaimModel(
        id=new_id("clm"),
        incident_id=incident.id,
        approval_id=row.id,
        attempt=row.attempt,
        step=request.step,
        call=request.call,
        before=request.before,
        request=request.request,
        status="claimed",
        result={},
        lease_epoch=incident.lease_epoch,
        created_at=at,
        updated_at=at,
    )
    session.add(made)
    await session.flush()
    facts = {"claim_id": made.id, "approval_id": row.id, "step": made.step, "call": made.call}
    await events.append(session, incident.id, "claimed", facts, key=f"claimed/{made.id}", at=at)
    return view(made, fresh=True)


async def incident_of(session: AsyncSession, claim_id: str) -> str:
    """The incident of a claim, so that its row can be locked first. Raises: NotFound."""
    found = await session.scalar(select(ClaimModel.incident_id).where(ClaimModel.id == claim_id))
    if found is None:
        raise NotFound(f"There is no claim {claim_id}.")
    return found


async def record(
    session: AsyncSession,
    incident: IncidentModel,
    claim_id: str,
    status: str,
    result: Mapping[str, Any],
    at: datetime,
) -> None:
    """Write down what became of a claim; a run or repair that it started belongs to the incident from now on.

    Raises:
        Conflict: It took effect already, and can't be said not to have.
    """
    row = await session.get_one(ClaimModel, claim_id)
    if status not in FINAL.get(row.status, {status}):
        raise Conflict(f"Claim {claim_id} is {row.status} and can't become {status}.")
    row.status, row.result, row.updated_at = status, dict(result), at
    if status == "done" and row.step in STARTING:
        run_id, repair_id = result.get("run_id"), result.get("repair_id")
        if repair_id is not None and run_id is None:
            run_id = incident.run_id
        if run_id is not None:
            await runs.mark(
                session,
                incident.workspace,
                int(run_id),
                int(repair_id or 0),
                state=RunState.OURS,
                incident_id=incident.id,
                at=at,
            )


async def of_incident(session: AsyncSession, incident_id: str, attempt: int | None = None) -> list[Claim]:
    """The claims of an incident, of one attempt or of all, oldest first."""
    statement = select(ClaimModel).where(ClaimModel.incident_id == incident_id).order_by(ClaimModel.number)
    if attempt is not None:
        statement = statement.where(ClaimModel.attempt == attempt)
    return [view(row) for row in await session.scalars(statement)]


def view(row: ClaimModel, *, fresh: bool = False) -> Claim:
    """The row as everyone else sees it."""
    return Claim.model_validate(
        {
            "id": row.id,
            "incident_id": row.incident_id,
            "attempt": row.attempt,
            "approval_id": row.approval_id,
            "step": row.step,
            "call": row.call,
            "before": row.before,
            "request": row.request,
            "status": row.status,
            "result": row.result,
            "created_at": row.created_at.isoformat(),
            "fresh": fresh,
        }
    )
