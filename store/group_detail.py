"""One group whole: its members and how each stands, and the decisions on them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.groups import Standing
from core.incident import ApprovalStatus
from store import waves
from store.group_models import GroupDecisionModel, GroupModel, MemberModel
from store.group_views import Group, GroupDecision, GroupMember, summaries
from store.incident_models import ApprovalModel, IncidentModel


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
            barred=[str(name) for name in row.barred],
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
