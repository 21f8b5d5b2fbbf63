"""The approval's row: proposed, decided once, expired or superseded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.actions import CHANGES_THE_WORLD, Proposal, payload_sha256
from core.approvals import NewApproval
from core.errors import Conflict, InvalidInput, NotFound
from core.incident import AUTHORISES, FINISHED, Approval, ApprovalStatus
from store import events, groups, notices, outbox
from store.incidents import LOOK_AFTER
from store.models import ApprovalModel, ClaimModel, IncidentModel, new_id


def is_claimed() -> ColumnElement[bool]:
    """Whether a claim stands on an approval: then it is history, and nothing may change it."""
    return exists().where(ClaimModel.approval_id == ApprovalModel.id)


async def get(session: AsyncSession, approval_id: str) -> Approval:
    """One approval. Raises: NotFound."""
    row, claimed = await _one(session, approval_id)
    return view(row, claimed)


async def lock(session: AsyncSession, approval_id: str) -> tuple[ApprovalModel, bool]:
    """The row, locked, and whether it is claimed. The incident's row must be locked before.

    Raises:
        NotFound: No such approval.
    """
    return await _one(session, approval_id, locked=True)


async def incident_of(session: AsyncSession, approval_id: str) -> str:
    """The incident that an approval is about, so that its row can be locked first. Raises: NotFound."""
    found = await session.scalar(select(ApprovalModel.incident_id).where(ApprovalModel.id == approval_id))
    if found is None:
        raise NotFound(f"There is no approval {approval_id}.")
    return found


async def of_incident(session: AsyncSession, incident_id: str) -> list[Approval]:
    """All approvals of an incident, oldest first."""
    statement = (
        select(ApprovalModel, is_claimed())
        .where(ApprovalModel.incident_id == incident_id)
        .order_by(ApprovalModel.attempt, ApprovalModel.revision, ApprovalModel.created_at)
    )
    return [view(row, claimed) for row, claimed in await session.execute(statement)]


async def propose(session: AsyncSession, incident: IncidentModel, new: NewApproval, at: datetime) -> Approval:
    """Write a proposal down, once for each (attempt, revision, payload); `incident` is locked.

    What was open before is superseded. On an incident that a person has muted or taken over the row begins
    superseded: nothing is asked, and nothing can be acted on.

    Raises:
        Conflict: The incident is finished.
        InvalidInput: The hash is not that of the parameters, or these don't fit the action.
    """
    expected = payload_sha256(new.incident_id, new.attempt, new.proposal.action, new.proposal.checked())
    if new.payload_sha256 != expected:
        raise InvalidInput("The proposal's hash is not that of its parameters.")
    standing = await session.scalar(
        select(ApprovalModel.id).where(
            ApprovalModel.incident_id == new.incident_id,
            ApprovalModel.attempt == new.attempt,
            ApprovalModel.revision == new.revision,
            ApprovalModel.original_sha256 == new.payload_sha256,
        )
    )
    if standing is not None:
        return await get(session, standing)
    if incident.status in FINISHED:
        raise Conflict(f"Incident {incident.id} is {incident.status} already.")
    await supersede(session, incident.id, "a newer proposal", at)
    row, notice = await _add(session, incident, new, at)
    await _announce(session, row, notice, at)
    incident.wake_at = row.expires_at if row.status == ApprovalStatus.PENDING else at + LOOK_AFTER
    incident.updated_at = at
    return view(row, claimed=False)


async def _add(
    session: AsyncSession, incident: IncidentModel, new: NewApproval, at: datetime
) -> tuple[ApprovalModel, groups.Notice]:
    """The new row, in the group of its cause where it has one, and what is to be said of it."""
    group = await groups.find_or_open(session, incident, new, at)
    follows = None
    if group and new.grouping and (new.grouping.follow or new.decided_by_rule):
        follows = await groups.followed(session, group, new.grouping, at)
    if group and follows and not new.decided_by_rule:
        rule = f"policy: follows the decision of {follows.decided_by} on group {group.id}"
        new = new.model_copy(update={"decided_by_rule": rule})
    row = _new_row(incident, new, at)
    session.add(row)
    await session.flush()
    if group is None or row.status == ApprovalStatus.SUPERSEDED:
        return row, groups.Notice(new.notify, at, {})
    return row, await groups.join(session, group, row, new, follows, at)


def _new_row(incident: IncidentModel, new: NewApproval, at: datetime) -> ApprovalModel:
    status = ApprovalStatus.PENDING
    if incident.muted or incident.taken_over_by is not None:
        status = ApprovalStatus.SUPERSEDED
    elif new.decided_by_rule:
        status = ApprovalStatus.APPROVED
    by_rule = status is ApprovalStatus.APPROVED
    proposal = new.proposal.model_dump(mode="json")
    return ApprovalModel(
        id=new_id("apr"),
        incident_id=incident.id,
        attempt=new.attempt,
        revision=new.revision,
        status=status,
        action=new.proposal.action,
        failure_class=incident.failure_class,
        proposal=proposal,
        payload_sha256=new.payload_sha256,
        original=proposal,
        original_sha256=new.payload_sha256,
        approvers=[name.strip() for name in new.approvers if name.strip()],
        rule=new.decided_by_rule,
        created_at=at,
        expires_at=at + timedelta(seconds=new.ttl_seconds),
        decided_at=at if by_rule else None,
        decided_by=new.decided_by_rule if by_rule else None,
        channel="policy" if by_rule else None,
        comment="",
        then_do="nothing",
        barred=[name.strip() for name in new.barred if name.strip()],
        separate_duties=new.separate_duties,
    )


async def _announce(session: AsyncSession, row: ApprovalModel, notice: groups.Notice, at: datetime) -> None:
    """The event, and a notice for each who should know, with the row."""
    facts = {
        "approval_id": row.id,
        "action": row.action,
        "attempt": row.attempt,
        "revision": row.revision,
        "payload_sha256": row.payload_sha256,
        "status": row.status,
    }
    await events.append(
        session, row.incident_id, "approval_requested", facts, key=f"approval/{row.id}", at=at
    )
    if row.status == ApprovalStatus.APPROVED:
        decided = {**facts, "by": row.decided_by, "channel": row.channel}
        await events.append(session, row.incident_id, "decided", decided, key=f"decided/{row.id}", at=at)
    if row.status == ApprovalStatus.PENDING:
        await outbox.put(
            session,
            row.incident_id,
            "approval",
            notice.recipients,
            key=f"approval/{row.id}",
            payload={"approval_id": row.id, **notice.payload},
            at=notice.at,
        )


async def expire(
    session: AsyncSession, row: ApprovalModel, claimed: bool, now: datetime, at: datetime
) -> Approval:
    """Mark a pending row whose time is over at `now` as expired; any other stays as it is."""
    over = row.expires_at is not None and row.expires_at <= now
    if row.status == ApprovalStatus.PENDING and over and not claimed:
        row.status = ApprovalStatus.EXPIRED
        facts = {"approval_id": row.id, "expires_at": iso(row.expires_at)}
        await events.append(session, row.incident_id, "expired", facts, key=f"expired/{row.id}", at=at)
        await notices.settle(session, row.incident_id, [row.id], at)
    return view(row, claimed)


async def supersede(
    session: AsyncSession, incident_id: str, why: str, at: datetime, *, only: str | None = None
) -> list[str]:
    """Close what is open: pending rows, and approved ones whose action was never begun; the ids closed.

    Rows with a claim stay, and so do approved messages to people: those need no claim and may have been sent.
    With `only`, nothing but that row is closed. The incident is locked.
    """
    unused = and_(ApprovalModel.status.in_(AUTHORISES), ApprovalModel.action.in_(CHANGES_THE_WORLD))
    statement = (
        update(ApprovalModel)
        .where(
            ApprovalModel.incident_id == incident_id,
            or_(ApprovalModel.status == ApprovalStatus.PENDING, unused),
            ~is_claimed(),
            true() if only is None else ApprovalModel.id == only,
        )
        .values(status=ApprovalStatus.SUPERSEDED)
        .returning(ApprovalModel.id)
        .execution_options(synchronize_session=False)
    )
    closed = list(await session.scalars(statement))
    for approval_id in closed:
        facts = {"approval_id": approval_id, "by": why}
        await events.append(session, incident_id, "superseded", facts, key=f"superseded/{approval_id}", at=at)
    await notices.settle(session, incident_id, closed, at)
    return closed


def view(row: ApprovalModel, claimed: bool) -> Approval:
    """The row as everyone else sees it."""
    return Approval(
        id=row.id,
        incident_id=row.incident_id,
        attempt=row.attempt,
        revision=row.revision,
        status=ApprovalStatus(row.status),
        proposal=Proposal.model_validate(row.proposal),
        payload_sha256=row.payload_sha256,
        approvers=[str(name) for name in row.approvers],
        barred=[str(name) for name in row.barred],
        separate_duties=row.separate_duties,
        created_at=row.created_at.astimezone(UTC).isoformat(),
        expires_at=iso(row.expires_at),
        decided_at=iso(row.decided_at),
        decided_by=row.decided_by,
        channel=row.channel,
        comment=row.comment,
        then=row.then_do,
        useful=row.useful,
        extended_at=iso(row.extended_at),
        claimed=claimed,
    )


def iso(instant: datetime | None) -> str | None:
    """An instant as ISO 8601 in UTC."""
    return None if instant is None else instant.astimezone(UTC).isoformat()


async def _one(
    session: AsyncSession, approval_id: str, *, locked: bool = False
) -> tuple[ApprovalModel, bool]:
    statement = select(ApprovalModel, is_claimed()).where(ApprovalModel.id == approval_id)
    if locked:
        statement = statement.with_for_update(of=ApprovalModel)
    found = await session.execute(statement.execution_options(populate_existing=True))
    pair = found.one_or_none()
    if pair is None:
        raise NotFound(f"There is no approval {approval_id}.")
    return pair
