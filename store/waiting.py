"""What waits for a decision, with what says how pressing it is; a group of one cause is one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Text, cast, func, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.sql.selectable import CTE

from core.actions import Action
from core.incident import ApprovalStatus, Category, Reviewer
from core.run import RunFacts
from store import group_views, groups
from store.clock import Clock
from store.columns import clean_text
from store.engine import Database
from store.models import ApprovalModel, IncidentModel
from store.queries import decidable_by, mentions
from store.views import GroupMark, View

#: So many are read to be weighed; more than these waiting at once is an outage of the people.
WEIGHED = 2000


class Waiting(View):
    """One open question: what it is about, and what waiting costs."""

    approval_id: str
    incident_id: str
    job_id: int | None = None
    job_name: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    run_id: int
    category: str | None = None
    failure_class: str | None = None
    summary: str = ""
    action: str
    created_at: datetime
    opened_at: datetime
    expires_at: datetime | None = None
    muted: bool = False
    taken_over_by: str | None = None
    #: The run goes on, so its clusters are paid for while nobody decides.
    running: bool = False
    #: Tasks of the run that were skipped because this one failed.
    skipped: int = 0
    #: Incidents of other jobs that wait until this job has made what they read.
    downstream: int = 0
    group: GroupMark | None = None
    #: Who may decide (nobody named: every approver), and who of them may not approve.
    approvers: list[str] = Field(default_factory=list)
    barred: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Room:
    """Those that wait longest, at most `WEIGHED`, oldest first; and how many wait in all."""

    items: list[Waiting]
    total: int


class WaitingRoom:
    """The read side of the queue. Raises StoreUnavailable when Postgres is away."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def all(
        self,
        *,
        reviewer: Reviewer | None = None,
        category: Category | None = None,
        failure_class: str = "",
        text: str = "",
    ) -> Room:
        """Open questions; with `reviewer`, those that this person may decide.

        `text` is looked for as `Queries.incidents` does.
        """
        conditions = [ApprovalModel.status == ApprovalStatus.PENDING, groups.speaks_for_itself()]
        if reviewer is not None:
            conditions.append(decidable_by(reviewer))
        if category is not None:
            conditions.append(IncidentModel.category == category.value)
        if failure_class:
            conditions.append(IncidentModel.failure_class == clean_text(failure_class))
        if text.strip():
            conditions.append(mentions(text.strip()))
        downstream = _downstream()
        statement = (
            select(*_columns(downstream))
            .join(IncidentModel, IncidentModel.id == ApprovalModel.incident_id)
            .outerjoin(downstream, downstream.c.job == cast(IncidentModel.job_id, Text))
            .where(*conditions)
            .order_by(ApprovalModel.created_at, ApprovalModel.id)
            .limit(WEIGHED)
        )
        async with self._db.transaction() as session:
            found = await session.execute(statement)
            names = list(found.keys())  # asked of each row it would cost more than the query
            rows = [dict(zip(names, row, strict=True)) for row in found]
            marks = await group_views.marks(session, [r["approval_id"] for r in rows], self._clock.now())
        total = rows[0]["total"] if rows else 0
        return Room([_line(row, marks.get(row["approval_id"])) for row in rows], total)


def _columns(downstream: CTE) -> list[Any]:
    skipped = func.jsonb_path_query_array(
        IncidentModel.facts,
        cast('$.run.tasks[*] ? (@.result_state starts with "UPSTREAM_")', JSONPATH),
    )
    return [
        ApprovalModel.id.label("approval_id"),
        ApprovalModel.incident_id,
        ApprovalModel.action,
        ApprovalModel.created_at,
        ApprovalModel.expires_at,
        ApprovalModel.approvers,
        ApprovalModel.barred,
        IncidentModel.job_id,
        IncidentModel.job_name,
        IncidentModel.tags,
        IncidentModel.run_id,
        IncidentModel.category,
        IncidentModel.failure_class,
        IncidentModel.summary,
        IncidentModel.opened_at,
        IncidentModel.muted,
        IncidentModel.taken_over_by,
        IncidentModel.facts["run"]["life_cycle_state"].astext.label("state"),
        func.jsonb_array_length(skipped).label("skipped"),
        func.count().over().label("total"),
        func.coalesce(downstream.c.waiting, 0).label("downstream"),
    ]


def _downstream() -> CTE:
    """Job ids (as text), each with how many open questions propose to run that job first."""
    job = ApprovalModel.proposal["params"]["job_id"].as_string().label("job")
    return (
        select(job, func.count().label("waiting"))
        .where(
            ApprovalModel.status == ApprovalStatus.PENDING, ApprovalModel.action == Action.RUN_UPSTREAM.value
        )
        .group_by(job)
        .cte("downstream")
    )


def _line(row: dict[str, Any], mark: GroupMark | None) -> Waiting:
    row.pop("total")
    running = RunFacts(workspace="", run_id=0, life_cycle_state=row.pop("state") or "").active
    return Waiting(**row, running=running, group=mark if mark and mark.pending > 1 else None)
