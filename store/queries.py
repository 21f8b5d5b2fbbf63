"""The read side of the API and the console. Every method raises StoreUnavailable when Postgres is away."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, literal, or_, select, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from core.errors import NotFound
from core.incident import FINISHED, ApprovalStatus, Category, Reviewer, Status
from store import (
    approvals,
    artifacts,
    claims,
    cursors,
    events,
    group_views,
    groups,
    incidents,
    model_calls,
)
from store.clock import Clock
from store.columns import clean_text
from store.engine import Database
from store.models import (
    ApprovalModel,
    ClaimModel,
    IncidentModel,
    MessageModel,
    ModelCallModel,
    SignalModel,
)
from store.sweeps import UNSETTLED
from store.views import ApprovalItem, Counts, Event, IncidentDetail, IncidentSummary, Page

MAX_LIMIT = 500


class Queries:
    """Reads, each in a transaction of its own."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def incidents(
        self,
        *,
        status: Collection[Status] = (),
        open_only: bool = False,
        category: Category | None = None,
        failure_class: str = "",
        job_id: int | None = None,
        run_id: int | None = None,
        threads: Collection[str] = (),
        text: str = "",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[IncidentSummary]:
        """Newest first. `threads` are LangGraph's thread ids.

        `text` is looked for in ids, job names, classes and summaries.

        Raises:
            InvalidInput: The cursor is none of ours.
        """
        conditions: list[ColumnElement[bool]] = []
        if status:
            conditions.append(IncidentModel.status.in_([s.value for s in status]))
        if open_only:
            conditions.append(IncidentModel.status.not_in([s.value for s in FINISHED]))
        if category is not None:
            conditions.append(IncidentModel.category == category.value)
        if failure_class:
            conditions.append(IncidentModel.failure_class == clean_text(failure_class))
        if job_id is not None:
            conditions.append(IncidentModel.job_id == job_id)
        if run_id is not None:
            conditions.append(IncidentModel.run_id == run_id)
        if threads:
            conditions.append(IncidentModel.thread_id.in_(threads))
        if text.strip():
            conditions.append(mentions(text.strip()))
        if cursor is not None:
            conditions.append(_before(IncidentModel, "opened_at", cursor))
        limit = max(1, min(limit, MAX_LIMIT))
        statement = (
            select(IncidentModel)
            .where(*conditions)
            .options(defer(IncidentModel.facts, raiseload=True))
            .order_by(IncidentModel.opened_at.desc(), IncidentModel.id.desc())
            .limit(limit + 1)
        )
        async with self._db.transaction() as session:
            rows = list(await session.scalars(statement))
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(
            items=[incidents.summary(row) for row in rows[:limit]],
            next_cursor=cursors.encode(last.opened_at, last.id) if last else None,
        )

    async def incident(self, incident_id: str) -> IncidentDetail:
        """One incident with its approvals, claims and artifacts. Raises: NotFound."""
        async with self._db.transaction() as session:
            row = await session.get(IncidentModel, incident_id)
            if row is None:
                raise NotFound(f"There is no incident {incident_id}.")
            asked = await approvals.of_incident(session, incident_id)
            marks = await group_views.marks(session, [a.id for a in asked[-1:]], self._clock.now())
            return IncidentDetail(
                incident=incidents.view(row),
                approvals=asked,
                group=next(iter(marks.values()), None),
                claims=await claims.of_incident(session, incident_id),
                artifacts=await artifacts.listed(session, incident_id),
                model_usd=await model_calls.usd_where(session, ModelCallModel.incident_id == incident_id),
            )

    async def events(self, incident_id: str, *, after: int = 0, limit: int = 500) -> list[Event]:
        """The events of an incident with an id over `after`, oldest first. Raises: NotFound."""
        async with self._db.transaction() as session:
            found = await events.after(session, incident_id, after, max(1, min(limit, MAX_LIMIT)))
            if not found and await session.get(IncidentModel, incident_id) is None:
                raise NotFound(f"There is no incident {incident_id}.")
            return found

    async def approvals(
        self,
        *,
        status: Collection[ApprovalStatus] = (),
        reviewer: Reviewer | None = None,
        incident_id: str | None = None,
        once: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ApprovalItem]:
        """Newest first; with `reviewer`, only those that this person may decide.

        With `once`, of the pending members of a group only the oldest.
        """
        conditions: list[ColumnElement[bool]] = []
        if status:
            conditions.append(ApprovalModel.status.in_([s.value for s in status]))
        if incident_id is not None:
            conditions.append(ApprovalModel.incident_id == incident_id)
        if reviewer is not None:
            conditions.append(decidable_by(reviewer))
        if once:
            conditions.append(groups.speaks_for_itself())
        if cursor is not None:
            conditions.append(_before(ApprovalModel, "created_at", cursor))
        limit = max(1, min(limit, MAX_LIMIT))
        async with self._db.transaction() as session:
            items = await _items(session, conditions, limit + 1, self._clock.now())
        more = len(items) > limit
        last = items[limit - 1][0] if more else None
        return Page(
            items=[item for _, item in items[:limit]],
            next_cursor=cursors.encode(last.created_at, last.id) if last else None,
        )

    async def approval(self, approval_id: str) -> ApprovalItem:
        """One approval with its incident. Raises: NotFound."""
        async with self._db.transaction() as session:
            found = await _items(session, [ApprovalModel.id == approval_id], 1, self._clock.now())
        if not found:
            raise NotFound(f"There is no approval {approval_id}.")
        return found[0][1]

    async def counts(self) -> Counts:
        """How many of everything there are."""
        now = self._clock.now()
        async with self._db.transaction() as session:
            by_status = select(IncidentModel.status, func.count()).group_by(IncidentModel.status)
            unfinished = IncidentModel.status.not_in([s.value for s in FINISHED])
            category = func.coalesce(IncidentModel.category, "")
            by_category = select(category, func.count()).where(unfinished).group_by(category)
            pending = select(func.count(), func.min(ApprovalModel.created_at)).where(
                ApprovalModel.status == ApprovalStatus.PENDING
            )
            waiting, oldest = (await session.execute(pending)).one()
            messages = select(MessageModel.status, func.count()).group_by(MessageModel.status)
            outbox = dict((await session.execute(messages)).all())
            return Counts(
                by_status=dict((await session.execute(by_status)).all()),
                open_by_category=dict((await session.execute(by_category)).all()),
                approvals_pending=waiting,
                oldest_pending_seconds=max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
                outbox_pending=outbox.get("pending", 0),
                outbox_failed=outbox.get("failed", 0),
                signals_open=await _count(session, SignalModel.handled_at.is_(None)),
                claims_unsettled=await _count(session, ClaimModel.status.in_(UNSETTLED)),
                model_usd_today=await model_calls.usd_where(
                    session, ModelCallModel.at > now - timedelta(days=1)
                ),
            )


async def _count(session: AsyncSession, condition: ColumnElement[bool]) -> int:
    return await session.scalar(select(func.count()).where(condition)) or 0


async def _items(
    session: AsyncSession, conditions: list[ColumnElement[bool]], limit: int, at: datetime
) -> list[tuple[ApprovalModel, ApprovalItem]]:
    statement = (
        select(ApprovalModel, approvals.is_claimed(), IncidentModel)
        .join(IncidentModel, IncidentModel.id == ApprovalModel.incident_id)
        .where(*conditions)
        .options(defer(IncidentModel.facts, raiseload=True))
        .order_by(ApprovalModel.created_at.desc(), ApprovalModel.id.desc())
        .limit(limit)
    )
    found = (await session.execute(statement)).all()
    marks = await group_views.marks(session, [row.id for row, _, _ in found], at)
    return [
        (
            row,
            ApprovalItem(
                approval=approvals.view(row, claimed),
                incident=incidents.summary(incident),
                group=marks.get(row.id),
            ),
        )
        for row, claimed, incident in found
    ]


def _before(model: Any, column: str, cursor: str) -> ColumnElement[bool]:
    """Rows behind the cursor, newest first. Raises: InvalidInput."""
    at, row_id = cursors.decode(cursor)
    return tuple_(getattr(model, column), model.id) < tuple_(literal(at), literal(clean_text(row_id)))


def mentions(text: str) -> ColumnElement[bool]:
    """Rows that have `text` in one of the columns a person would search by, without case."""
    columns = (
        IncidentModel.id,
        IncidentModel.job_name,
        IncidentModel.failure_class,
        IncidentModel.summary,
        IncidentModel.action,
        cast(IncidentModel.run_id, Text),
        cast(IncidentModel.job_id, Text),
    )
    return or_(*(column.icontains(clean_text(text), autoescape=True) for column in columns))


def decidable_by(reviewer: Reviewer) -> ColumnElement[bool]:
    """The condition that `store.decisions.may_decide` checks, in SQL."""
    if reviewer.role == "admin":
        return literal(True)
    if reviewer.role != "approver":
        return literal(False)
    name = clean_text(reviewer.name.strip()).lower()
    listed = func.lower(cast(ApprovalModel.approvers, Text)).cast(JSONB).contains([name])
    return or_(ApprovalModel.approvers == cast([], JSONB), listed)
