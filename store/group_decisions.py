"""A decision on a group: on whom it is, whether it was taken before, and how it is set going."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict, InvalidInput
from core.groups import GroupAnswer, group_sha256
from core.incident import DecisionKind, Reviewer
from store import approvals, groups, waves
from store.base import new_id
from store.group_models import GroupDecisionModel, GroupModel, MemberModel
from store.incident_models import ApprovalModel, IncidentModel
from store.waves import Wake

#: A turn wakes its member; whoever waits for one is looked at this rarely.
LOOK_AFTER_A_TURN = timedelta(minutes=10)
Pairs = list[tuple[MemberModel, ApprovalModel]]


@dataclass(frozen=True)
class Question:
    """A group's question, locked: its row, the members that wait, and their incidents by id."""

    session: AsyncSession
    row: GroupModel
    waiting: Pairs
    incidents: dict[str, IncidentModel]
    at: datetime

    def rows(self) -> list[ApprovalModel]:
        """The approvals that wait, but for one that joined this very moment. Raises: Conflict: There are none."""
        found = [row for _, row in self.waiting if row.incident_id in self.incidents]
        if not found:
            raise Conflict("Nobody in this group waits for a decision.", hint="Look at the group again.")
        return found


async def lock(session: AsyncSession, row: GroupModel, at: datetime) -> Question:
    """A group and who waits in it, all locked in the one order."""
    waiting = await groups.pending(session, row.id, at)
    incidents = await waves.lock_incidents(session, [m.incident_id for m, _ in waiting])
    await session.refresh(row, with_for_update=True)
    return Question(session, row, await groups.pending(session, row.id, at, locked=True), incidents, at)


async def stands(
    session: AsyncSession, row: GroupModel, waiting: Pairs, answer: GroupAnswer, reviewer: Reviewer
) -> bool:
    """Whether this very decision was recorded before; refuses one that was made on other facts.

    Raises:
        Conflict: It is not what waits now.
    """
    known = await session.scalar(
        select(GroupDecisionModel).where(
            GroupDecisionModel.group_id == row.id, GroupDecisionModel.sha256 == answer.sha256
        )
    )
    if known is not None:
        said = (known.decided_by, known.kind, known.then_do) == (reviewer.name, answer.kind, answer.then)
        if said and await _leaves_out_the_same(session, known, answer):
            return True
        when = approvals.iso(known.decided_at)
        raise Conflict(
            f"{known.decided_by} has decided ({known.kind}) on this group already, at {when} through {known.channel}."
        )
    now = group_sha256(row.id, [(m.approval_id, a.payload_sha256) for m, a in waiting])
    if answer.sha256 != now:
        raise Conflict(
            "The group is not the one that this decision was made on: members joined, left or changed.",
            hint=f"Look at it again: {len(waiting)} wait for a decision now.",
        )
    return False


async def _leaves_out_the_same(session: AsyncSession, known: GroupDecisionModel, answer: GroupAnswer) -> bool:
    """Whether both are about the same members, which may be named by approval or by incident."""
    members = select(MemberModel.approval_id, MemberModel.incident_id).where(
        MemberModel.group_id == known.group_id
    )
    incident_of = {row.approval_id: row.incident_id for row in await session.execute(members)}
    left_out, now = (
        {incident_of.get(str(n), str(n)) for n in names} for names in (known.excepted, answer.excepted)
    )
    return left_out == now


def chosen(waiting: Pairs, answer: GroupAnswer) -> tuple[Pairs, list[str]]:
    """The members that are decided on, and the approvals left out.

    Raises:
        InvalidInput: A member to leave out is none that waits, or nobody is left.
    """
    named = {m.approval_id: m.approval_id for m, _ in waiting} | {
        m.incident_id: m.approval_id for m, _ in waiting
    }
    strangers = sorted(set(answer.excepted) - named.keys())
    if strangers:
        raise InvalidInput(f"{', '.join(strangers[:5])}: not among the members that wait for a decision.")
    left_out = {named[name] for name in answer.excepted}
    chosen = [(m, a) for m, a in waiting if m.approval_id not in left_out]
    if not chosen:
        raise InvalidInput("Nobody is left to decide on.", hint="Leave fewer members out.")
    return chosen, sorted(left_out)


async def record(
    session: AsyncSession,
    row: GroupModel,
    decided: Pairs,
    excepted: list[str],
    answer: GroupAnswer,
    reviewer: Reviewer,
    at: datetime,
) -> GroupDecisionModel:
    """Write the group's decision down, on all of `decided`; who joins from now on is a new question."""
    approved = answer.kind is DecisionKind.APPROVE
    made = GroupDecisionModel(
        id=new_id("gdn"),
        group_id=row.id,
        sha256=answer.sha256,
        kind=answer.kind,
        decided_by=reviewer.name,
        channel=reviewer.channel,
        comment=answer.comment,
        then_do=answer.then,
        excepted=excepted,
        decided_at=at,
        phase="canary" if approved else "done",
        canary=decided[0][0].approval_id if approved else None,
        changed_at=at,
    )
    session.add(made)
    await session.flush()
    for member, _ in decided:
        member.decision_id = made.id
    row.notice_at, row.asked_too = None, []
    return made


async def begin(
    session: AsyncSession,
    made: GroupDecisionModel,
    decided: Pairs,
    incidents: Mapping[str, IncidentModel],
    wake: Wake,
    at: datetime,
) -> None:
    """Set it going: of an approval one member goes first; anything else wakes everybody."""
    first = decided[:1] if made.canary is not None else decided
    if made.canary is not None:
        decided[0][0].turn_at = at
        for member, _ in decided[1:]:
            incidents[member.incident_id].wake_at = at + LOOK_AFTER_A_TURN
    await session.flush()
    for member, _ in first:
        await wake(member.incident_id)
