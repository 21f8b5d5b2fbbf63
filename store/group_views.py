"""What the read side tells of groups: immutable, ready to be served as JSON. Times are in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.groups import group_sha256
from store.group_models import GroupModel, MemberModel
from store.groups import waits_for_a_decision
from store.incident_models import ApprovalModel, IncidentModel
from store.people import listed
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
    #: Who may not approve it.
    barred: list[str] = Field(default_factory=list)


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
    #: Who may decide on all members that wait; nobody named: every approver.
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


@dataclass(frozen=True)
class _Asked:
    """What a decision on the members that wait is bound to, and who may take it."""

    sha256: str
    approvers: list[str]


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
    asked = await _asked(session, ids, at)
    return [
        GroupSummary(
            **_of_row(row),
            approvers=asked[row.id].approvers if row.id in asked else [str(name) for name in row.approvers],
            members=counts[row.id].members,
            pending=counts[row.id].pending,
            jobs=counts[row.id].jobs,
            expires_at=counts[row.id].expires_at,
            sha256=asked[row.id].sha256 if row.id in asked else None,
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


async def _asked(session: AsyncSession, group_ids: list[str], at: datetime) -> dict[str, _Asked]:
    """What each group asks now; groups in which nobody waits are left out."""
    statement = (
        select(MemberModel.group_id, ApprovalModel.id, ApprovalModel.payload_sha256, ApprovalModel.approvers)
        .join(ApprovalModel, ApprovalModel.id == MemberModel.approval_id)
        .where(MemberModel.group_id.in_(group_ids), waits_for_a_decision(at))
    )
    waiting: dict[str, list[tuple[str, str]]] = {}
    named: dict[str, list[list[str]]] = {}
    for group_id, approval_id, payload, approvers in await session.execute(statement):
        waiting.setdefault(group_id, []).append((approval_id, payload))
        named.setdefault(group_id, []).append([str(name) for name in approvers])
    return {
        group_id: _Asked(sha256=group_sha256(group_id, members), approvers=_named_by_all(named[group_id]))
        for group_id, members in waiting.items()
    }


def _named_by_all(lists: list[list[str]]) -> list[str]:
    """Who is named by every list that names anybody; an empty list is open to all approvers."""
    naming = [names for names in lists if names]
    return [name for name in naming[0] if all(listed(name, names) for names in naming)] if naming else []


def _of_row(row: GroupModel) -> dict[str, Any]:
    return {
        "id": row.id,
        "workspace": row.workspace,
        "cause": GroupCause(kind=row.cause_kind, value=row.cause_value),
        "failure_class": row.failure_class,
        "action": row.action,
        "opened_at": row.opened_at,
        "joined_at": row.joined_at,
    }
