"""Groups as the service uses them: read, decided on, and acted on in turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict, InvalidInput, NotFound
from core.groups import GroupAnswer, group_sha256
from core.incident import Decision, DecisionKind, Reviewer
from store import approvals, cursors, decisions, group_detail, group_views, groups, review_links, waves
from store.base import new_id
from store.clock import Clock
from store.columns import clean_text
from store.decisions import Answer, CheckEdit
from store.engine import Database, raw_connection
from store.group_models import GroupDecisionModel, GroupModel, MemberModel
from store.group_views import Group, GroupSummary
from store.incident_models import ApprovalModel, IncidentModel
from store.views import Page

MAX_LIMIT = 200
#: A turn wakes its member; whoever waits for one is looked at this rarely.
LOOK_AFTER_A_TURN = timedelta(minutes=10)
Wake = Callable[[Any, str], Awaitable[None]]
Pairs = list[tuple[MemberModel, ApprovalModel]]


class GroupDesk:
    """Each method is one transaction and raises StoreUnavailable while Postgres is away.

    Args:
        db: Where the rows are.
        clock: What time it is.
        wake: Queues a look at an incident, within a transaction.
        check_edit: Holds edited parameters against the policy, as for decisions on single approvals.
        clean: Takes secrets out of what people write.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        wake: Wake,
        *,
        check_edit: CheckEdit,
        clean: Callable[[str], str] = str,
    ) -> None:
        self._db = db
        self._clock = clock
        self._wake = wake
        self._check_edit = check_edit
        self._clean = clean

    async def listed(
        self, *, waiting: bool = False, cursor: str | None = None, limit: int = 50
    ) -> Page[GroupSummary]:
        """Groups, the newest first; with `waiting` those with members that wait for a decision.

        Raises:
            InvalidInput: The cursor is none of ours.
        """
        at = self._clock.now()
        limit = max(1, min(limit, MAX_LIMIT))
        statement = select(GroupModel).order_by(GroupModel.opened_at.desc(), GroupModel.id.desc())
        if waiting:
            member = select(MemberModel.approval_id).join(
                ApprovalModel, ApprovalModel.id == MemberModel.approval_id
            )
            statement = statement.where(
                member.where(MemberModel.group_id == GroupModel.id, groups.waits_for_a_decision(at)).exists()
            )
        if cursor is not None:
            opened, group_id = cursors.decode(cursor)
            before = tuple_(literal(opened), literal(clean_text(group_id)))
            statement = statement.where(tuple_(GroupModel.opened_at, GroupModel.id) < before)
        async with self._db.transaction() as session:
            rows = list(await session.scalars(statement.limit(limit + 1)))
            items = await group_views.summaries(session, rows[:limit], at)
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(items=items, next_cursor=cursors.encode(last.opened_at, last.id) if last else None)

    async def get(self, group_id: str) -> Group:
        """One group with its members and decisions. Raises: NotFound."""
        async with self._db.transaction() as session:
            return await group_detail.whole(session, await _row(session, group_id), self._clock.now())

    async def summary(self, group_id: str) -> GroupSummary:
        """One group without its members. Raises: NotFound."""
        async with self._db.transaction() as session:
            row = await _row(session, group_id)
            return (await group_views.summaries(session, [row], self._clock.now()))[0]

    async def decide(
        self, group_id: str, answer: GroupAnswer, reviewer: Reviewer, *, link: str | None = None
    ) -> Group:
        """Decide on every member that waits, but for those excepted: all of them or none, in one transaction.

        Each member's own row gets the decision, with its own hash. An approval begins with one member; the
        others wait for their turn. The very same decision again is returned as it stands.

        `link` is the id of the reviewer's link that it came through; it is used up with the decision.

        Raises:
            NotFound: No such group, or no such link to it.
            Conflict: Members joined, left or changed since, somebody else decided on them, or the link was used.
            Forbidden, Gone, InvalidInput: As for a single approval.
        """
        answer = answer.model_copy(update={"comment": self._clean(answer.comment)})
        at = self._clock.now()
        async with self._db.transaction() as session:
            row = await _row(session, group_id)
            waiting = await groups.pending(session, group_id, at)
            incidents = await waves.lock_incidents(session, [m.incident_id for m, _ in waiting])
            await session.refresh(row, with_for_update=True)
            waiting = await groups.pending(session, group_id, at)
            if link is not None:
                await review_links.use(session, link, group_id, reviewer, at)
            if not await self._stands(session, row, waiting, answer, reviewer):
                chosen, excepted = _chosen(waiting, answer)
                decision = Decision(
                    kind=answer.kind, comment=answer.comment, then=answer.then, useful=answer.useful
                )
                for member, _ in chosen:
                    locked, _claimed = await approvals.lock(session, member.approval_id)
                    bound = decision.model_copy(update={"payload_sha256": locked.payload_sha256})
                    incident = incidents[member.incident_id]
                    given = Answer(bound, reviewer, at)
                    await decisions.decide(session, incident, locked, given, self._check_edit)
                await self._begin(session, row, chosen, excepted, answer, reviewer, at, incidents)
            await session.flush()
            return await group_detail.whole(session, row, at)

    async def go_on(self) -> int:
        """Do what is next about approved groups, each in a transaction of its own.

        How many members got their turn or were sent back.
        """
        async with self._db.transaction() as session:
            ids = await waves.going_on(session)
        moved = 0
        for decision_id in ids:
            async with self._db.transaction() as session:
                moved += await waves.go_on(session, decision_id, self._waking(session), self._clock.now())
        return moved

    async def _stands(
        self, session: AsyncSession, row: GroupModel, waiting: Pairs, answer: GroupAnswer, reviewer: Reviewer
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
            if (known.decided_by, known.kind, known.then_do) == (reviewer.name, answer.kind, answer.then):
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

    async def _begin(
        self,
        session: AsyncSession,
        row: GroupModel,
        chosen: Pairs,
        excepted: list[str],
        answer: GroupAnswer,
        reviewer: Reviewer,
        at: datetime,
        incidents: dict[str, IncidentModel],
    ) -> None:
        """Write the group's decision down and set it going."""
        approved = answer.kind is DecisionKind.APPROVE
        canary = chosen[0][0] if approved else None
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
            canary=canary.approval_id if canary else None,
            changed_at=at,
        )
        session.add(made)
        await session.flush()
        for member, _ in chosen:
            member.decision_id = made.id
        row.notice_at = None  # who joins from now on is a new question
        wake = self._waking(session)
        if canary is not None:
            canary.turn_at = at
            for member, _ in chosen[1:]:
                incidents[member.incident_id].wake_at = at + LOOK_AFTER_A_TURN
            await session.flush()
            await wake(canary.incident_id)
        else:
            await session.flush()
            for member, _ in chosen:
                await wake(member.incident_id)

    def _waking(self, session: AsyncSession) -> waves.Wake:
        async def wake(incident_id: str) -> None:
            await self._wake(await raw_connection(session), incident_id)

        return wake


async def _row(session: AsyncSession, group_id: str) -> GroupModel:
    row = await session.get(GroupModel, clean_text(group_id))
    if row is None:
        raise NotFound(f"There is no group {group_id}.")
    return row


def _chosen(waiting: Pairs, answer: GroupAnswer) -> tuple[Pairs, list[str]]:
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
