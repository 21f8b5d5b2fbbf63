"""What became of actions, counted from rows: only what was verified counts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, String, and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from store.models import ApprovalModel, ClaimModel, EventModel, IncidentModel


async def class_stats(session: AsyncSession, failure_class: str, action: str) -> tuple[int, int]:
    """(successes, trials) of `action` on failures of `failure_class`, over incidents whose graph has ended.

    A trial is an attempt of which a claim took effect, and whose very repair was looked at afterwards (a
    `verified` event). It succeeded when the incident ended by it: resolved, or terminated as proposed; it failed
    when another attempt followed or the incident ended otherwise. What was refused, or overtaken by somebody
    else's repair, says nothing.
    """
    found = _trials(ApprovalModel.failure_class == failure_class, ApprovalModel.action == action).subquery()
    statement = select(func.coalesce(func.sum(found.c.won), 0), func.count()).select_from(found)
    successes, trials = (await session.execute(statement)).one()
    return int(successes), int(trials)


async def trials_by_class(
    session: AsyncSession, since: datetime, until: datetime
) -> list[tuple[str, str, int, int]]:
    """(class, action, successes, trials) of what was started in [since, until), most trials first.

    Counted as `class_stats` does.
    """
    found = _trials(ClaimModel.created_at >= since, ClaimModel.created_at < until).subquery()
    name = func.coalesce(found.c.failure_class, "unknown")
    rows = await session.execute(
        select(name, found.c.action, func.sum(found.c.won), func.count())
        .group_by(name, found.c.action)
        .order_by(func.count().desc(), name)
    )
    return [(kind, action, int(won), int(trials)) for kind, action, won, trials in rows]


def _trials(*conditions: ColumnElement[bool]) -> Select[str | None, str, Any]:
    """One row a trial: its class, its action, and whether (1, 0) it succeeded; see `class_stats`."""
    attempt = EventModel.data["attempt"].astext.cast(Integer)
    verified = (
        select(
            EventModel.incident_id,
            attempt.label("attempt"),
            EventModel.data["repair_id"].astext.label("repair_id"),
            EventModel.data["result_state"].astext.label("result"),
        )
        .where(EventModel.kind == "verified")
        .ext(distinct_on(EventModel.incident_id, attempt))
        .order_by(EventModel.incident_id, attempt, EventModel.id.desc())
        .subquery()
    )
    repair_id = ClaimModel.result["repair_id"].astext
    later = ClaimModel.__table__.alias()
    last = ~exists().where(
        later.c.incident_id == ApprovalModel.incident_id, later.c.attempt > ApprovalModel.attempt
    )
    won = or_(
        and_(IncidentModel.outcome == "resolved", verified.c.result == "SUCCESS"),
        and_(IncidentModel.outcome == "terminated", ApprovalModel.action == "TERMINATE"),
    )
    return (
        select(
            ApprovalModel.failure_class,
            ApprovalModel.action,
            case((and_(last, won), 1), else_=0).label("won"),
        )
        .select_from(ApprovalModel)
        .join(IncidentModel, IncidentModel.id == ApprovalModel.incident_id)
        .join(ClaimModel, ClaimModel.approval_id == ApprovalModel.id)
        .join(
            verified,
            and_(
                verified.c.incident_id == ApprovalModel.incident_id,
                verified.c.attempt == ApprovalModel.attempt,
            ),
        )
        .where(
            *conditions,
            IncidentModel.outcome.is_not(None),
            ClaimModel.step.in_(["start", "stop"]),
            ClaimModel.status == "done",
            or_(repair_id.is_(None), repair_id == verified.c.repair_id.cast(String)),
        )
    )
