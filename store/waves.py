"""Acting on a group's approval: the canary first, then the others in turn, and a stop at the first failure.

Which member has its turn is a row, given out here and nowhere else: whoever dies leaves nothing that the next
round would not find. Nothing is believed but the members' own rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from core.groups import SPREAD_SECONDS, Standing, Step, next_step, turns_free
from core.incident import AUTHORISES, FINISHED, LEFT_TO_PEOPLE, Status
from store import approvals
from store.group_models import GOING_ON, GroupDecisionModel, GroupModel, MemberModel
from store.incident_models import ApprovalModel, ClaimModel, IncidentModel

#: Ends that prove nothing about the cause: a person, or somebody's own repair, was there first.
_PROVES_NOTHING = frozenset({"resolved_elsewhere", "taken_over", "muted", "closed", "observed"})
_ENDED = FINISHED | LEFT_TO_PEOPLE

T = TypeVar("T", GroupModel, GroupDecisionModel)

#: Queues a look at an incident within the transaction.
Wake = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Member:
    """One member of a group's approval, as its rows say."""

    approval_id: str
    incident_id: str
    job_name: str
    run_id: int
    status: str
    attempt: int
    turn_at: datetime | None
    claimed: bool
    newest_attempt: int
    incident_status: str
    outcome: str | None

    @property
    def standing(self) -> Standing:
        """How it stands, for what is to be done next about the group."""
        if self.outcome == "resolved" and self.newest_attempt == self.attempt and self.claimed:
            return Standing.GOOD
        by_hand = self.incident_status in (Status.MUTED, Status.TAKEN_OVER)
        if self.claimed and not by_hand and self.outcome not in _PROVES_NOTHING:
            failed = self.newest_attempt > self.attempt or self.incident_status in _ENDED
            return Standing.FAILED if failed else Standing.ACTING
        if self.claimed or self.status not in AUTHORISES or self.incident_status in _ENDED - {Status.BROKEN}:
            return Standing.LEFT
        if self.incident_status == Status.BROKEN:
            return Standing.FAILED if self.turn_at else Standing.LEFT
        if self.newest_attempt > self.attempt:  # refused before anything was claimed
            return Standing.FAILED if self.turn_at else Standing.LEFT
        return Standing.ACTING if self.turn_at else Standing.WAITING


async def going_on(session: AsyncSession) -> list[str]:
    """The ids of the approvals of groups that are acted on."""
    statement = select(GroupDecisionModel.id).where(GroupDecisionModel.phase.in_(GOING_ON))
    return list(await session.scalars(statement.order_by(GroupDecisionModel.id)))


async def members(session: AsyncSession, decision_id: str) -> list[Member]:
    """The members decided on together, in the order in which they came."""
    claimed = select(ClaimModel.id).where(ClaimModel.approval_id == MemberModel.approval_id).exists()
    later = aliased(ApprovalModel)
    newest = (
        select(func.max(later.attempt)).where(later.incident_id == MemberModel.incident_id).scalar_subquery()
    )
    statement = (
        select(
            MemberModel.approval_id,
            MemberModel.incident_id,
            IncidentModel.job_name,
            IncidentModel.run_id,
            ApprovalModel.status,
            ApprovalModel.attempt,
            MemberModel.turn_at,
            claimed.label("claimed"),
            func.greatest(IncidentModel.attempt, newest).label("newest_attempt"),
            IncidentModel.status.label("incident_status"),
            IncidentModel.outcome,
        )
        .join(ApprovalModel, ApprovalModel.id == MemberModel.approval_id)
        .join(IncidentModel, IncidentModel.id == MemberModel.incident_id)
        .where(MemberModel.decision_id == decision_id)
        .order_by(MemberModel.number)
    )
    return [Member(**row) for row in (await session.execute(statement)).mappings()]


async def go_on(session: AsyncSession, decision_id: str, wake: Wake, at: datetime) -> int:
    """Do what is next about a group's approval; how many members got their turn (or were sent back).

    Looks first and locks then, so that the many looks that find nothing to do hold up nobody.
    """
    found = await session.get(GroupDecisionModel, decision_id)
    if found is None or found.phase not in GOING_ON:
        return 0
    everyone = await members(session, decision_id)
    step = _next(found, everyone)
    if step is Step.STOP:
        return await _stop(session, decision_id, everyone, wake, at)
    waiting = any(m.standing is Standing.WAITING for m in everyone)
    if step is Step.WAIT and not (waiting and found.phase == "released"):
        return 0
    group = await _locked(session, GroupModel, found.group_id)
    decision = await _locked(session, GroupDecisionModel, decision_id)
    if decision.phase not in GOING_ON:
        return 0
    everyone = await members(session, decision_id)
    step = _next(decision, everyone)
    if step is Step.END:
        decision.phase, decision.changed_at = "done", at
    elif step is Step.RELEASE:
        decision.phase, decision.changed_at = "released", at
    elif step is Step.NEXT_CANARY:
        following = next(m for m in everyone if m.standing is Standing.WAITING)
        decision.canary, decision.changed_at = following.approval_id, at
        return await _give_turns(session, [following], wake, at)
    if decision.phase != "released" or step is Step.STOP:  # a stop is for the next look: its locks come first
        return 0
    free = await _free(session, group, everyone, at)
    return await _give_turns(
        session, [m for m in everyone if m.standing is Standing.WAITING][:free], wake, at
    )


def _next(decision: GroupDecisionModel, everyone: list[Member]) -> Step:
    canary = next((m.standing for m in everyone if m.approval_id == decision.canary), Standing.LEFT)
    others = [m.standing for m in everyone if m.approval_id != decision.canary]
    return next_step(released=decision.phase == "released", canary=canary, others=others)


async def _free(session: AsyncSession, group: GroupModel, everyone: list[Member], at: datetime) -> int:
    """How many turns may be given now; the group's row is locked, so nobody else counts at the same time."""

    def since(seconds: float) -> datetime:
        return at - timedelta(seconds=seconds)

    turns = [MemberModel.group_id == group.id, MemberModel.turn_at > since(60)]
    lately = func.count().filter(MemberModel.turn_at > since(SPREAD_SECONDS))
    last_minute, last_seconds = (
        await session.execute(select(func.count(), lately).select_from(MemberModel).where(*turns))
    ).one()
    return turns_free(
        per_minute=group.per_minute,
        at_once=group.at_once,
        acting=sum(m.standing is Standing.ACTING for m in everyone),
        last_minute=last_minute,
        last_seconds=last_seconds,
    )


async def _give_turns(session: AsyncSession, chosen: list[Member], wake: Wake, at: datetime) -> int:
    if chosen:
        ids = [m.approval_id for m in chosen]
        await session.execute(
            update(MemberModel)
            .where(MemberModel.approval_id.in_(ids))
            .values(turn_at=at)
            .execution_options(synchronize_session=False)
        )
        for member in chosen:
            await wake(member.incident_id)
    return len(chosen)


async def _stop(
    session: AsyncSession, decision_id: str, everyone: list[Member], wake: Wake, at: datetime
) -> int:
    """Send back who has not acted: their approvals are superseded, with what failed as the reason."""
    open_ones = [m for m in everyone if not m.claimed and m.status in AUTHORISES]
    await lock_incidents(session, [m.incident_id for m in open_ones])
    found = await session.get_one(GroupDecisionModel, decision_id)
    group = await _locked(session, GroupModel, found.group_id)
    decision = await _locked(session, GroupDecisionModel, decision_id)
    if decision.phase not in GOING_ON:
        return 0
    failed = next(m for m in everyone if m.standing is Standing.FAILED)
    decision.why = (
        f"The same action was tried first on {failed.job_name or 'job'} (run {failed.run_id}) and did not help: "
        f"the cause may still stand."
    )
    decision.phase, decision.changed_at = "stopped", at
    group.notice_at = None  # the new question is said at once
    sent_back = 0
    for member in open_ones:
        closed = await approvals.supersede(
            session, member.incident_id, f"group {group.id} was stopped", at, only=member.approval_id
        )
        if closed:
            sent_back += 1
            await wake(member.incident_id)
    return sent_back


async def lock_incidents(session: AsyncSession, incident_ids: list[str]) -> dict[str, IncidentModel]:
    """Many incidents' rows, locked in the order of their ids, as `store.incidents.lock` locks one."""
    rows = await session.scalars(
        select(IncidentModel)
        .where(IncidentModel.id.in_(incident_ids))
        .order_by(IncidentModel.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return {row.id: row for row in rows}


async def _locked(session: AsyncSession, model: type[T], row_id: str) -> T:
    found = await session.scalar(
        select(model).where(model.id == row_id).with_for_update().execution_options(populate_existing=True)
    )
    assert found is not None  # noqa: S101
    return found
