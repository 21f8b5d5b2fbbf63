"""Membership: which approvals share a cause, who speaks for them, and who must wait for a turn.

Everything here runs inside a transaction of the caller, which holds the incident's row (see `store.group_models`
for the order of locks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from core.actions import CHANGES_THE_WORLD
from core.approvals import NewApproval
from core.errors import NotAuthorised
from core.groups import Grouping, group_key, group_sha256
from core.incident import AUTHORISES, ApprovalStatus, DecisionKind
from store import events
from store.base import new_id
from store.group_models import GOING_ON, GroupDecisionModel, GroupModel, MemberModel
from store.incident_models import ApprovalModel, IncidentModel
from store.people import listed


@dataclass(frozen=True)
class Notice:
    """Who is to be told about a new member, when, and as which of the group's messages; nobody: it was said."""

    recipients: Sequence[str]
    at: datetime
    payload: dict[str, object]


async def find_or_open(
    session: AsyncSession, incident: IncidentModel, new: NewApproval, at: datetime
) -> GroupModel | None:
    """The group that a proposal belongs to, locked; opened now where there is none. None: it is put alone.

    Only what changes the world is grouped. An incident whose group was stopped comes back into that group;
    otherwise the newest of its key counts, while it waits for a decision or its window is open.
    """
    if new.grouping is None or new.proposal.action not in CHANGES_THE_WORLD:
        return None
    key = group_key(incident.workspace, new.grouping.cause, new.proposal.action, new.approvers, new.notify)
    # The first two of a cause may come at once: one opens the group, the other finds it.
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(literal(key), 0))))
    before = exists().where(MemberModel.group_id == GroupModel.id, MemberModel.incident_id == incident.id)
    waits = exists().where(
        MemberModel.group_id == GroupModel.id,
        ApprovalModel.id == MemberModel.approval_id,
        ApprovalModel.status == ApprovalStatus.PENDING,
    )
    recent = GroupModel.joined_at > at - timedelta(seconds=new.grouping.window_seconds)
    found = await session.scalar(
        select(GroupModel)
        .where(GroupModel.key == key, or_(before, waits, recent))
        .order_by(GroupModel.joined_at.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found or await _open(session, incident, new, new.grouping, key, at)


async def _open(
    session: AsyncSession,
    incident: IncidentModel,
    new: NewApproval,
    grouping: Grouping,
    key: str,
    at: datetime,
) -> GroupModel:
    group = GroupModel(
        id=new_id("grp"),
        workspace=incident.workspace,
        key=key,
        cause_kind=grouping.cause.kind,
        cause_value=grouping.cause.value,
        failure_class=incident.failure_class,
        action=new.proposal.action,
        approvers=[name.strip() for name in new.approvers if name.strip()],
        per_minute=grouping.per_minute,
        at_once=grouping.at_once,
        opened_at=at,
        joined_at=at,
        notices=0,
        notice_at=None,
    )
    session.add(group)
    await session.flush()
    return group


async def followed(
    session: AsyncSession, group: GroupModel, grouping: Grouping, at: datetime
) -> GroupDecisionModel | None:
    """The approval of this group that one who comes now may follow, locked: the newest, not stopped, still fresh."""
    newest = await session.scalar(
        select(GroupDecisionModel)
        .where(GroupDecisionModel.group_id == group.id)
        .order_by(GroupDecisionModel.decided_at.desc(), GroupDecisionModel.id.desc())
        .limit(1)
        .with_for_update()
    )
    fresh = newest is not None and newest.decided_at > at - timedelta(seconds=grouping.window_seconds)
    if newest is None or not fresh or newest.kind != DecisionKind.APPROVE or newest.phase == "stopped":
        return None
    return newest


async def join(
    session: AsyncSession,
    group: GroupModel,
    row: ApprovalModel,
    new: NewApproval,
    follows: GroupDecisionModel | None,
    at: datetime,
) -> Notice:
    """Make an approval a member of its (locked) group; what is to be said of it, and to whom.

    One that a rule has approved takes its place behind the canary of the approval it follows, or becomes the
    canary of one of its own.
    """
    grouping = new.grouping
    assert grouping is not None  # noqa: S101
    group.joined_at = at
    group.per_minute = min(group.per_minute, grouping.per_minute)
    group.at_once = min(group.at_once, grouping.at_once)
    member = MemberModel(
        approval_id=row.id, incident_id=row.incident_id, group_id=group.id, joined_at=at, turn_at=None
    )
    if row.status in AUTHORISES:
        decision = follows or await _by_rule(session, group, row, at)
        member.decision_id = decision.id
        if decision.canary == row.id:
            member.turn_at = at
        elif decision.phase == "done":
            decision.phase, decision.changed_at = "released", at
    elif row.approvers and group.asked_too:
        await _hand_on(session, group, row, at)
    session.add(member)
    await session.flush()
    facts = {
        "group_id": group.id,
        "cause": group.cause_kind,
        "value": group.cause_value,
        "approval_id": row.id,
    }
    await events.append(session, row.incident_id, "grouped", facts, key=f"grouped/{row.id}", at=at)
    if row.status != ApprovalStatus.PENDING:
        return Notice([], at, {})
    return _notice(group, new, grouping, at)


async def _hand_on(session: AsyncSession, group: GroupModel, row: ApprovalModel, at: datetime) -> None:
    """Whom the question was handed on to may answer it for who joins, too, while somebody in it waits still."""
    if not await pending(session, group.id, at):
        group.asked_too = []
    more = [str(name) for name in group.asked_too if not listed(str(name), row.approvers)]
    row.approvers = [*row.approvers, *more]


async def _by_rule(
    session: AsyncSession, group: GroupModel, row: ApprovalModel, at: datetime
) -> GroupDecisionModel:
    """The group's approval by a rule, begun by its first member as the canary."""
    decision = GroupDecisionModel(
        id=new_id("gdn"),
        group_id=group.id,
        sha256=group_sha256(group.id, [(row.id, row.payload_sha256)]),
        kind=DecisionKind.APPROVE,
        decided_by=row.decided_by or "policy",
        channel=row.channel or "policy",
        excepted=[],
        decided_at=at,
        phase="canary",
        canary=row.id,
        changed_at=at,
    )
    session.add(decision)
    await session.flush()
    return decision


def _notice(group: GroupModel, new: NewApproval, grouping: Grouping, at: datetime) -> Notice:
    """The group's next message, unless one that is not due yet will tell of this member too."""
    if group.notice_at is not None and group.notice_at > at:
        return Notice([], at, {})
    due = at + timedelta(seconds=grouping.settle_seconds)
    if group.notice_at is not None:
        due = max(due, group.notice_at + timedelta(seconds=grouping.update_seconds))
    group.notices, group.notice_at = group.notices + 1, due
    return Notice(new.notify, due, {"group_id": group.id, "notice": group.notices})


def waits_for_a_decision(at: datetime) -> ColumnElement[bool]:
    """The condition that an approval is pending and its time is not over."""
    return and_(
        ApprovalModel.status == ApprovalStatus.PENDING,
        or_(ApprovalModel.expires_at.is_(None), ApprovalModel.expires_at > at),
    )


def speaks_for_itself() -> ColumnElement[bool]:
    """The condition that an approval is not one of those that an older pending one of its group stands for.

    Lists show, and reminders are sent for, these alone.
    """
    mine, other, older = aliased(MemberModel), aliased(MemberModel), aliased(ApprovalModel)
    return ~exists().where(
        ApprovalModel.status == ApprovalStatus.PENDING,
        mine.approval_id == ApprovalModel.id,
        other.group_id == mine.group_id,
        other.number < mine.number,
        older.id == other.approval_id,
        older.status == ApprovalStatus.PENDING,
    )


async def speaks(session: AsyncSession, approval_id: str) -> bool:
    """Whether no older pending member of its group stands for this approval."""
    found = select(ApprovalModel.id).where(ApprovalModel.id == approval_id, speaks_for_itself())
    return await session.scalar(found) is not None


async def pending(
    session: AsyncSession, group_id: str, at: datetime, *, locked: bool = False
) -> list[tuple[MemberModel, ApprovalModel]]:
    """The members that wait for a decision, in the order in which they came; `locked`, once their incidents are."""
    statement = (
        select(MemberModel, ApprovalModel)
        .join(ApprovalModel, ApprovalModel.id == MemberModel.approval_id)
        .where(MemberModel.group_id == group_id, waits_for_a_decision(at))
        .order_by(MemberModel.number)
        .execution_options(populate_existing=True)
    )
    if locked:
        statement = statement.with_for_update(of=ApprovalModel)
    return [(member, row) for member, row in await session.execute(statement)]


async def held_by(session: AsyncSession, approval_id: str) -> GroupDecisionModel | None:
    """The group decision under which this approval must wait for its turn; None when it need not."""
    return await session.scalar(
        select(GroupDecisionModel)
        .join(MemberModel, MemberModel.decision_id == GroupDecisionModel.id)
        .join(ApprovalModel, ApprovalModel.id == MemberModel.approval_id)
        .where(
            MemberModel.approval_id == approval_id,
            MemberModel.turn_at.is_(None),
            GroupDecisionModel.phase.in_(GOING_ON),
            ApprovalModel.status.in_(AUTHORISES),
        )
    )


async def check_turn(session: AsyncSession, approval_id: str) -> None:
    """Raises: NotAuthorised: The approval was given with a group's, and its turn has not come."""
    decision = await held_by(session, approval_id)
    if decision is not None:
        raise NotAuthorised(f"Approval {approval_id} waits for its turn in group {decision.group_id}.")


async def stopped_because(session: AsyncSession, approval_id: str) -> str:
    """Why the group decision over this approval was stopped; empty when it was not."""
    found = await session.scalar(
        select(GroupDecisionModel.why)
        .join(MemberModel, MemberModel.decision_id == GroupDecisionModel.id)
        .where(MemberModel.approval_id == approval_id, GroupDecisionModel.phase == "stopped")
    )
    return found or ""
