"""The jobs that incidents were opened for, with their newest names and tags."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on

from store.engine import Database
from store.models import IncidentModel
from store.views import View


class KnownJob(View):
    """One job as its newest incident named it."""

    job_id: int
    job_name: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    opened_at: datetime


async def known_jobs(db: Database, since: datetime, limit: int = 200) -> list[KnownJob]:
    """Jobs with an incident since then, by name. Raises: StoreUnavailable."""
    newest = (
        select(IncidentModel.job_id, IncidentModel.job_name, IncidentModel.tags, IncidentModel.opened_at)
        .where(IncidentModel.job_id.is_not(None), IncidentModel.opened_at >= since)
        .ext(distinct_on(IncidentModel.job_id))
        .order_by(IncidentModel.job_id, IncidentModel.opened_at.desc())
        .subquery()
    )
    async with db.transaction() as session:
        rows = await session.execute(select(newest).order_by(func.lower(newest.c.job_name)).limit(limit))
        return [KnownJob(**row) for row in rows.mappings()]
