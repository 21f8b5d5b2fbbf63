"""What the read side tells of groups: immutable, ready to be served as JSON. Times are in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.groups import Standing, group_sha256
from core.incident import ApprovalStatus
from store import waves
from store.group_models import GroupDecisionModel, GroupModel, MemberModel
from store.groups import waits_for_a_decision
from store.incident_models import ApprovalModel, IncidentModel
from store.views import GroupMark, View


class GroupCause(View):
    """What the members have in common."""

    kind: str
    value: str


class GroupMember(View):
    """One member: an incident with the approval that it is in the group by.

    `state`: `pending`, or what its approval became when it was decided alone (`approved`, `rejected`,
    `superseded`, `expired`, ...); decided with the group it is `waiting`, `acting`, `good`, `failed` or `left`.
    """

    incident_id: str
    approval_id: str
    job_id: int | None = None
    job_name: str = ""
    run_id: int
    summary: str = ""
    payload_sha256: str
    params: dict[str, Any] = Field(default_factory=dict)
    approval_status: str
    incident_status: str
    state: str
    canary: bool = False
    joined_at: datetime
    turn_at: datetime | None = None


class GroupDecision(View):
    """One decision on the members that waited then. `phase`: `canary`, `released`, `stopped` or `done`."""

    id: str
    sha256: str
    kind: str
    decided_by: str
    channel: str
    comment: str = ""
    then: str = "nothing"
    decided_at: datetime
    members: int
    excepted: list[str] = Field(default_factory=list)
    phase: str
    #: The approval that goes first, and the incident it is about.
    canary: str | None = None
    canary_incident_id: str | None = None
    why: str = ""


class GroupSummary(View):
    """One group. `pending` members wait for a decision; `sha256` is what a decision on them is bound to."""

    id: str
    workspace: str
    cause: GroupCause
    failure_class: str | None = None
    action: str
    approvers: list[str] = Field(default_factory=list)
    opened_at: datetime
    joined_at: datetime
    #: When the first of the pending members' time is over.
    expires_at: datetime | None = None
    members: int
    pending: int
    jobs: int
    sha256: str | None = None


class Group(GroupSummary):
    """A group with its members, oldest first, what was decided on them, and how many stand how."""

    counts: dict[str, int] = Field(default_factory=dict)
    decisions: list[GroupDecision] = Field(default_factory=list)
    items: list[GroupMember] = Field(default_factory=list)
    per_minute: int
    at_once: int


async def summaries(session: AsyncSession, rows: Sequence[GroupModel], at: datetime) -> list[GroupSummary]:
    """The groups as lines of a list, in the order given."""
    ids = [row.id for row in rows]
    waits = waits_for_a_decision(at)
    counted = (
        select(
            MemberModel.group_id,
            func.count().label("members"),
            func.count().filter(waits).label("pending"),
            func.count(func.distinct(IncidentModel.job_id)).label("jobs"),
            func.min(ApprovalModel.expires_at).filter(waits).label("expires_at"),
        )
        .join(ApprovalModel, ApprovalModel.id == MemberModel.approval_id)
        .join(IncidentModel, IncidentModel.id == MemberModel.incident_id)
        .where(MemberModel.group_id.in_(ids))
        .group_by(MemberModel.group_id)
    )
    counts = {row.group_id: row for row in await session.execute(counted)}
    hashes = await _hashes(session, ids, at)
    return [
        GroupSummary(
            **_of_row(row),
            members=counts[row.id].members,
            pending=counts[row.id].pending,
            jobs=counts[row.id].jobs,
            expires_at=counts[row.id].expires_at,
            sha256=hashes.get(row.id),
        )
        for row in rows
        if row.id in counts
    ]


async def marks(session: AsyncSession, approval_ids: Sequence[str], at: datetime) -> dict[str, GroupMark]:
    """The groups that these approvals are members of, by the approval's id; those that are in none are left out."""
    found = await session.execute(
        select(MemberModel.approval_id, MemberModel.group_id).where(MemberModel.approval_id.in_(approval_ids))
    )
    group_of = {row.approval_id: row.group_id for row in found}
    counted = (
        select(MemberModel.group_id, func.count().label("waiting"))
        .join(ApprovalModel, ApprovalModel.id == MemberModel.approval_id)
        .where(MemberModel.group_id.in_(set(group_of.values())), waits_for_a_decision(at))
        .group_by(MemberModel.group_id)
    )
    pending = {row.group_id: row.waiting for row in await session.execute(counted)} if group_of else {}
    return {
        approval_id: GroupMark(id=group_id, pending=pending.get(group_id, 0))
        for approval_id, group_id in group_of.items()
    }


async def whole(session: AsyncSession, row: GroupModel, at: datetime) -> Group:
    """A group with everything that is known of it."""
    head = (await summaries(session, [row], at))[0]
    decisions = list(
        await session.scalars(
            select(GroupDecisionModel)
            .where(GroupDecisionModel.group_id == row.id)
            .order_by(GroupDecisionModel.decided_at, GroupDecisionModel.id)
        )
    )
    standing: dict[str, Standing] = {}
    for decision in decisions:
        if decision.canary is not None:
            standing |= {m.approval_id: m.standing for m in await waves.members(session, decision.id)}
    items = await _members(session, row.id, standing, {d.canary for d in decisions}, at)
    counts: dict[str, int] = {}
    for item in items:
        counts[item.state] = counts.get(item.state, 0) + 1
    decided = await _decided(session, row.id)
    incidents = {item.approval_id: item.incident_id for item in items}
    return Group(
        **head.model_dump(),
        counts=counts,
        decisions=[_decision(d, decided.get(d.id, 0), incidents) for d in decisions],
        items=items,
        per_minute=row.per_minute,
        at_once=row.at_once,
    )


async def _members(
    session: AsyncSession,
    group_id: str,
    standing: dict[str, Standing],
    canaries: set[str | None],
    at: datetime,
) -> list[GroupMember]:
    columns = (
        IncidentModel.id,
        IncidentModel.job_id,
        IncidentModel.job_name,
        IncidentModel.run_id,
        IncidentModel.summary,
        IncidentModel.status,
    )
    statement = (
        select(MemberModel, ApprovalModel, *columns)
        .join(ApprovalModel, ApprovalModel.id == MemberModel.approval_id)
        .join(IncidentModel, IncidentModel.id == MemberModel.incident_id)
        .where(MemberModel.group_id == group_id)
        .order_by(MemberModel.number)
    )
    return [
        GroupMember(
            incident_id=incident_id,
            approval_id=row.id,
            job_id=job_id,
            job_name=job_name,
            run_id=run_id,
            summary=summary,
            payload_sha256=row.payload_sha256,
            params=row.proposal.get("params") or {},
            approval_status=row.status,
            incident_status=status,
            state=_state(row, standing.get(row.id), at),
            canary=row.id in canaries,
            joined_at=member.joined_at,
            turn_at=member.turn_at,
        )
        for member, row, incident_id, job_id, job_name, run_id, summary, status in await session.execute(
            statement
        )
    ]


def _state(row: ApprovalModel, standing: Standing | None, at: datetime) -> str:
    if row.status == ApprovalStatus.PENDING and row.expires_at is not None and row.expires_at <= at:
        return ApprovalStatus.EXPIRED.value
    if standing is None or row.status == ApprovalStatus.SUPERSEDED:
        return row.status
    return standing.value


async def _hashes(session: AsyncSession, group_ids: list[str], at: datetime) -> dict[str, str]:
    """What a decision on each group would be bound to now; none for groups in which nobody waits."""
    statement = (
        select(MemberModel.group_id, ApprovalModel.id, ApprovalModel.payload_sha256)
        .join(ApprovalModel, ApprovalModel.id == MemberModel.approval_id)
        .where(MemberModel.group_id.in_(group_ids), waits_for_a_decision(at))
    )
    waiting: dict[str, list[tuple[str, str]]] = {}
    for group_id, approval_id, payload in await session.execute(statement):
        waiting.setdefault(group_id, []).append((approval_id, payload))
    return {group_id: group_sha256(group_id, members) for group_id, members in waiting.items()}


async def _decided(session: AsyncSession, group_id: str) -> dict[str, int]:
    """How many members each decision was made on."""
    counted = (
        select(MemberModel.decision_id, func.count())
        .where(MemberModel.group_id == group_id, MemberModel.decision_id.is_not(None))
        .group_by(MemberModel.decision_id)
    )
    return {decision_id: count for decision_id, count in await session.execute(counted) if decision_id}


def _decision(row: GroupDecisionModel, members: int, incidents: dict[str, str]) -> GroupDecision:
    return GroupDecision(
        id=row.id,
        sha256=row.sha256,
        kind=row.kind,
        decided_by=row.decided_by,
        channel=row.channel,
        comment=row.comment,
        then=row.then_do,
        decided_at=row.decided_at,
        members=members,
        excepted=[str(approval_id) for approval_id in row.excepted],
        phase=row.phase,
        canary=row.canary,
        canary_incident_id=incidents.get(row.canary or ""),
        why=row.why,
    )


def _of_row(row: GroupModel) -> dict[str, Any]:
    return {
        "id": row.id,
        "workspace": row.workspace,
        "cause": GroupCause(kind=row.cause_kind, value=row.cause_value),
        "failure_class": row.failure_class,
        "action": row.action,
        "approvers": [str(name) for name in row.approvers],
        "opened_at": row.opened_at,
        "joined_at": row.joined_at,
    }
