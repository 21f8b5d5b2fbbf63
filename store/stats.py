"""What became of actions, counted from rows: only what was verified counts."""

from __future__ import annotations

from sqlalchemy import Integer, and_, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from store.models import ApprovalModel, ClaimModel, EventModel, IncidentModel


async def class_stats(session: AsyncSession, failure_class: str, action: str) -> tuple[int, int]:
    """(successes, trials) of `action` on failures of `failure_class`, over incidents whose graph has ended.

    A trial is an attempt that began (a claim of it took effect) and whose run was looked at afterwards (a
    `verified` event). It succeeded when the incident ended by it: resolved, or terminated as proposed. An
    attempt that somebody else's repair overtook says nothing, and neither does one that was refused.
    """
    attempt = EventModel.data["attempt"].astext.cast(Integer)
    latest = (
        select(
            EventModel.incident_id,
            attempt.label("attempt"),
            EventModel.data["result_state"].astext.label("result"),
        )
        .where(EventModel.kind == "verified")
        .ext(distinct_on(EventModel.incident_id, attempt))
        .order_by(EventModel.incident_id, attempt, EventModel.id.desc())
        .subquery()
    )
    begun = exists().where(
        ClaimModel.approval_id == ApprovalModel.id,
        ClaimModel.step.in_(["start", "stop"]),
        ClaimModel.status == "done",
    )
    later_claim = exists().where(
        ClaimModel.incident_id == ApprovalModel.incident_id, ClaimModel.attempt > ApprovalModel.attempt
    )
    last = ~later_claim
    won = or_(
        and_(IncidentModel.outcome == "resolved", latest.c.result == "SUCCESS"),
        and_(IncidentModel.outcome == "terminated", ApprovalModel.action == "TERMINATE"),
    )
    overtaken = and_(last, IncidentModel.outcome == "resolved_elsewhere")
    statement = (
        select(func.coalesce(func.sum(case((and_(last, won), 1), else_=0)), 0), func.count())
        .select_from(ApprovalModel)
        .join(IncidentModel, IncidentModel.id == ApprovalModel.incident_id)
        .join(
            latest,
            and_(
                latest.c.incident_id == ApprovalModel.incident_id,
                latest.c.attempt == ApprovalModel.attempt,
            ),
        )
        .where(
            ApprovalModel.failure_class == failure_class,
            ApprovalModel.action == action,
            IncidentModel.outcome.is_not(None),
            begun,
            ~overtaken,
        )
    )
    successes, trials = (await session.execute(statement)).one()
    return int(successes), int(trials)
