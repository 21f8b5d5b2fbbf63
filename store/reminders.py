"""Reminding of questions that nobody has answered yet, and asking the next person in time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Float, and_, cast, extract, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.incident import ApprovalStatus
from core.policy import Policy
from core.quiet_hours import QuietHours
from core.recipients import person
from store import approvals, duties, events, group_decisions, groups, incidents, outbox
from store.approvals import view
from store.clock import Clock
from store.engine import Database
from store.models import ApprovalModel, GroupModel, IncidentModel, MemberModel
from store.notices import ASKS
from store.people import listed
from store.views import ApprovalItem, Waiting

#: An approval's stages: half of its time is over, and nearly all of it is.
HALF, LAST = 1, 2
#: "Nearly": this part of its time is left, or this long if that is shorter.
LAST_PART, LAST_AT_MOST = 0.1, timedelta(minutes=30)


def _began() -> ColumnElement[datetime]:
    """Since when its present time runs: since it was asked, or extended."""
    return func.coalesce(ApprovalModel.extended_at, ApprovalModel.created_at)


def _seconds(length: ColumnElement[timedelta]) -> ColumnElement[float]:
    return cast(extract("epoch", length), Float)


def _stage_reached(now: datetime) -> ColumnElement[bool]:
    left = _seconds(ApprovalModel.expires_at - now)
    whole = _seconds(ApprovalModel.expires_at - _began())
    half_over = left * 2 <= whole
    nearly_over = left <= func.least(whole * LAST_PART, LAST_AT_MOST.total_seconds())
    return or_(
        and_(ApprovalModel.reminders < HALF, half_over), and_(ApprovalModel.reminders < LAST, nearly_over)
    )


def stage_at(began: datetime, ends: datetime, now: datetime, quiet: QuietHours | None = None) -> int:
    """The stage that a question is in at `now`: 0, `HALF` or `LAST`; its time does not run in `quiet` hours."""
    whole, left = ends - began, ends - now
    # Somebody may have given it more time at night, for the night.
    if quiet is not None and (told := quiet.open_between(began, ends)):
        whole, left = told, quiet.open_between(now, ends)
    if left <= min(whole * LAST_PART, LAST_AT_MOST):
        return LAST
    return HALF if left * 2 <= whole else 0


class Reminders:
    """Each method is one transaction and raises StoreUnavailable while Postgres is away."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def due(self, policy: Policy | None = None, limit: int = 1000) -> list[Waiting]:
        """Open questions that have come to a stage nobody was reminded of, those that end first first.

        Of a group only the one that speaks for it. The policy's quiet hours are no part of their time.
        """
        now, policy = self._clock.now(), policy or Policy()
        # Which hours are quiet is not the database's to say.
        reached = ApprovalModel.reminders < LAST if policy.has_quiet_hours() else _stage_reached(now)
        statement = (
            select(ApprovalModel, IncidentModel)
            .join(IncidentModel, IncidentModel.id == ApprovalModel.incident_id)
            .where(
                ApprovalModel.status == ApprovalStatus.PENDING,
                ApprovalModel.expires_at > now,
                groups.speaks_for_itself(),
                reached,
            )
            .order_by(ApprovalModel.expires_at)
            .limit(limit)
        )
        found = []
        async with self._db.transaction() as session:
            for row, incident in await session.execute(statement):
                rules = policy.rules_for(incident.job_name, incident.tags, incident.failure_class)
                began = row.extended_at or row.created_at
                stage = stage_at(began, row.expires_at or now, now, rules.quiet())
                if stage > row.reminders:
                    item = ApprovalItem(approval=view(row, False), incident=incidents.summary(incident))
                    found.append(Waiting(item=item, stage=stage))
        return found

    async def remind(self, approval_id: str, stage: int, *, ask_next: Sequence[str] = ()) -> bool:
        """Remind everyone who was asked, and ask those in `ask_next` who were not; whether it was still time for it.

        Who is asked next may decide too, where only named people may. Of a group it is about all who wait.

        Raises:
            NotFound: There is no such approval.
        """
        async with self._db.transaction() as session:
            at = self._clock.now()
            rows, group = await _question(session, approval_id, at)
            row = next((r for r in rows if r.id == approval_id), None)
            over = row is None or row.expires_at is None or row.expires_at <= at
            if row is None or over or row.status != ApprovalStatus.PENDING or row.reminders >= stage:
                return False
            asked = await duties.asked(session, row)
            fresh = [one for one in ask_next if not listed(one, asked)]
            people = [name for name in map(person, fresh) if name]
            for one in rows:
                one.reminders = max(stage, one.reminders)
                if one.approvers:
                    one.approvers = [*one.approvers, *(p for p in people if not listed(p, one.approvers))]
            payload: dict[str, object] = {"approval_id": row.id, "stage": stage}
            if group is not None:
                group.asked_too = [*group.asked_too, *(p for p in people if not listed(p, group.asked_too))]
                payload["group_id"] = group.id
            await _tell(session, row, payload, asked, fresh, at)
            return True


async def _question(
    session: AsyncSession, approval_id: str, at: datetime
) -> tuple[list[ApprovalModel], GroupModel | None]:
    """The approval, or all that wait in its group, and the group; all locked. Raises: NotFound."""
    incident_id = await approvals.incident_of(session, approval_id)
    group = await session.scalar(
        select(GroupModel)
        .join(MemberModel, MemberModel.group_id == GroupModel.id)
        .where(MemberModel.approval_id == approval_id)
    )
    if group is not None:
        question = await group_decisions.lock(session, group, at)
        return [row for _, row in question.waiting if row.incident_id in question.incidents], group
    await incidents.lock(session, incident_id)
    row, _ = await approvals.lock(session, approval_id)
    return [row], None


async def _tell(
    session: AsyncSession,
    row: ApprovalModel,
    payload: dict[str, object],
    asked: Sequence[str],
    fresh: Sequence[str],
    at: datetime,
) -> None:
    """Queue the messages, and write it down."""
    round_key = f"{row.id}/{payload['stage']}" + ("/extended" if row.extended_at else "")
    for kind, people, key in (
        ("reminder", asked, f"reminder/{round_key}"),
        (ASKS, fresh, f"{ASKS}/{row.id}"),
    ):
        await outbox.put(session, row.incident_id, kind, people, key=key, payload=payload, at=at)
    facts = {**payload, "reminded": list(asked), "asked_next": list(fresh)}
    await events.append(session, row.incident_id, "reminded", facts, key=f"reminded/{round_key}", at=at)
