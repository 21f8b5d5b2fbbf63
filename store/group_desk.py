"""Groups as the service uses them: read, decided on, and acted on in turn."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from typing import Any

from sqlalchemy import literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import NotFound
from core.groups import GroupAnswer
from core.incident import Decision, Reviewer
from store import (
    cursors,
    decisions,
    group_decisions,
    group_detail,
    group_views,
    groups,
    handing_over,
    review_links,
    waves,
)
from store.clock import Clock
from store.columns import clean_text
from store.decisions import Answer, CheckEdit
from store.engine import Database, raw_connection
from store.group_decisions import Question
from store.group_models import GroupModel, MemberModel
from store.group_views import Group, GroupSummary
from store.idempotency import Keep, unkept
from store.incident_models import ApprovalModel
from store.views import Page

MAX_LIMIT = 200
Wake = Callable[[Any, str], Awaitable[None]]


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

    async def decide(
        self,
        group_id: str,
        answer: GroupAnswer,
        reviewer: Reviewer,
        *,
        link: str | None = None,
        keep: Keep = unkept,
    ) -> Group:
        """Decide on every member that waits, but for those excepted: all of them or none, in one transaction.

        Each member's own row gets the decision, with its own hash. An approval begins with one member; the
        others wait for their turn. The very same decision again is returned as it stands.

        `link` is the id of the reviewer's link that it came through; it is used up with the decision. `keep` (here and
        below) is called in the same transaction with what is returned.

        Raises:
            NotFound: No such group, or no such link to it.
            Conflict: Members joined, left or changed since, somebody else decided on them, or the link was used.
            Forbidden, Gone, InvalidInput: As for a single approval.
        """
        answer = answer.model_copy(update={"comment": self._clean(answer.comment)})
        async with self._asking(group_id) as asked:
            session, row, at = asked.session, asked.row, asked.at
            if link is not None:
                await review_links.use(session, link, group_id, reviewer, at)
            if not await group_decisions.stands(session, row, asked.waiting, answer, reviewer):
                decided, excepted = group_decisions.chosen(asked.waiting, answer)
                said = Decision(
                    kind=answer.kind, comment=answer.comment, then=answer.then, useful=answer.useful
                )
                for member, approval in decided:
                    bound = said.model_copy(update={"payload_sha256": approval.payload_sha256})
                    incident = asked.incidents[member.incident_id]
                    await decisions.decide(
                        session, incident, approval, Answer(bound, reviewer, at), self._check_edit
                    )
                made = await group_decisions.record(session, row, decided, excepted, answer, reviewer, at)
                await group_decisions.begin(
                    session, made, decided, asked.incidents, self._waking(session), at
                )
            return await _told(asked, keep)

    async def delegate(
        self,
        group_id: str,
        to: str,
        by: Reviewer,
        *,
        comment: str = "",
        named: Collection[str] = (),
        keep: Keep = unkept,
    ) -> Group:
        """Let another approver decide too on all that wait, and on who joins them; ask them in one message.

        Args:
            named: Everyone whom the policy names as an approver of anything.

        Raises:
            NotFound: There is no such group.
            Forbidden: `by` may not decide on all that wait.
            Conflict: Nobody waits for a decision.
            InvalidInput: `to` is no approver.
        """
        async with self._asking(group_id) as asked:
            rows = asked.rows()
            await handing_over.delegate_group(
                asked.session,
                asked.row,
                rows,
                handing_over.HandOn(to.strip(), by, self._clean(comment)),
                named,
                asked.at,
            )
            return await _told(asked, keep)

    async def extend(
        self,
        group_id: str,
        by: Reviewer,
        *,
        seconds: float | None = None,
        comment: str = "",
        keep: Keep = unkept,
    ) -> Group:
        """Give all that wait more time, each once: `seconds`, or as long again as it had.

        Who had more time already keeps what it has.

        Raises:
            NotFound: There is no such group.
            Forbidden: `by` may not decide on all that wait.
            Conflict: Nobody waits for a decision, or each was extended before.
            InvalidInput: It would be longer than a week.
        """
        async with self._asking(group_id) as asked:
            rows = asked.rows()
            fresh = [row for row in rows if row.extended_at is None] or rows[:1]  # which then says why not
            for row in fresh:
                await handing_over.extend(
                    asked.session,
                    asked.incidents[row.incident_id],
                    row,
                    by,
                    seconds=seconds,
                    comment=self._clean(comment),
                    at=asked.at,
                )
            return await _told(asked, keep)

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

    @contextlib.asynccontextmanager
    async def _asking(self, group_id: str) -> AsyncIterator[Question]:
        """A group's question, locked. Raises: NotFound."""
        async with self._db.transaction() as session:
            yield await group_decisions.lock(session, await _row(session, group_id), self._clock.now())

    def _waking(self, session: AsyncSession) -> waves.Wake:
        async def wake(incident_id: str) -> None:
            await self._wake(await raw_connection(session), incident_id)

        return wake


async def _told(asked: Question, keep: Keep) -> Group:
    """The group as it stands now, kept for whoever asks again."""
    await asked.session.flush()
    group = await group_detail.whole(asked.session, asked.row, asked.at)
    await keep(asked.session, group)
    return group


async def _row(session: AsyncSession, group_id: str) -> GroupModel:
    row = await session.get(GroupModel, clean_text(group_id))
    if row is None:
        raise NotFound(f"There is no group {group_id}.")
    return row
