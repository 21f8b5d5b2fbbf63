"""Measures over many incidents, counted by Postgres. Docstrings say what each counts; the console repeats it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from store import pulse, stats
from store.engine import Database
from store.fleet_sql import (
    CLASSES,
    COST,
    DECISIONS,
    JOBS,
    JUDGED,
    OUTCOMES,
    RECOVERY,
    RECOVERY_BY_CLASS,
    SHADOW,
    USEFUL,
)
from store.views import View

Bucket = Literal["hour", "day", "week", "month"]


class Count(View):
    """How many of something there were in the bucket that began at `at` (UTC)."""

    at: datetime
    name: str
    count: int


class Recovery(View):
    """Seconds from opening to a good run: the median and the 90th percentile of `count` incidents."""

    name: str = ""
    at: datetime | None = None
    median: float
    p90: float
    count: int


class Job(View):
    """One job's part in the failures."""

    job_id: int | None
    job_name: str
    incidents: int
    resolved: int
    median: float | None = None


class Tries(View):
    """How often an action held, of all its verified tries on failures of a class."""

    failure_class: str
    action: str
    successes: int
    trials: int


class Outcomes(View):
    """Incidents by how they ended; see `store.fleet_sql.OUTCOMES` for what each word means."""

    opened: int = 0
    observed: int = 0
    ended: int = 0
    recovered: int = 0
    resolved: int = 0
    hands_free: int = 0
    unasked: int = 0


class Shadow(View):
    """Proposals made in observe mode against what people did afterwards."""

    action: str
    did: str
    count: int
    agrees: bool | None = None


class FleetNumbers(View):
    """Everything on the fleet's page, over [since, until) in buckets of `bucket`."""

    since: datetime
    until: datetime
    bucket: Bucket
    outcomes: Outcomes
    classes: list[Count] = Field(default_factory=list)
    jobs: list[Job] = Field(default_factory=list)
    recovery: Recovery | None = None
    recovery_over_time: list[Recovery] = Field(default_factory=list)
    recovery_by_class: list[Recovery] = Field(default_factory=list)
    decisions: list[Count] = Field(default_factory=list)
    judged: int = 0
    false_positives: int = 0
    tries: list[Tries] = Field(default_factory=list)
    useful: list[Count] = Field(default_factory=list)
    #: US dollars and calls of language models by bucket.
    cost: list[tuple[datetime, float, int]] = Field(default_factory=list)
    shadow: list[Shadow] = Field(default_factory=list)
    #: Share of the minutes in which a worker was at work, and since when that is known.
    up: float | None = None
    up_since: datetime | None = None


def bucket_for(since: datetime, until: datetime) -> Bucket:
    """The bucket that gives a readable number of bars."""
    span = until - since
    if span <= timedelta(days=2):
        return "hour"
    return "day" if span <= timedelta(days=62) else "week" if span <= timedelta(days=400) else "month"


class Fleet:
    """The read side of the fleet's page. Raises StoreUnavailable when Postgres is away."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def measure(self, since: datetime, until: datetime) -> FleetNumbers:
        """Count what began in [since, until): incidents by when they were opened, the rest by its own time."""
        bucket = bucket_for(since, until)
        given = {"since": since, "until": until, "bucket": bucket}
        async with self._db.transaction() as session:
            recovery = [Recovery(**row) for row in await _rows(session, RECOVERY, given)]
            (judged,) = await _rows(session, JUDGED, given)
            (outcomes,) = await _rows(session, OUTCOMES, given)
            up, up_since = await pulse.share_up(session, since, until)
            return FleetNumbers(
                since=since,
                until=until,
                bucket=bucket,
                outcomes=Outcomes(**outcomes),
                classes=[Count(**row) for row in await _rows(session, CLASSES, given)],
                jobs=[Job(**row) for row in await _rows(session, JOBS, given)],
                recovery=next((r for r in recovery if r.at is None), None),
                recovery_over_time=[r for r in recovery if r.at is not None],
                recovery_by_class=[Recovery(**row) for row in await _rows(session, RECOVERY_BY_CLASS, given)],
                decisions=[Count(**row) for row in await _rows(session, DECISIONS, given)],
                **judged,
                tries=[
                    Tries(failure_class=kind, action=action, successes=won, trials=trials)
                    for kind, action, won, trials in await stats.trials_by_class(session, since, until)
                ],
                useful=[Count(**row) for row in await _rows(session, USEFUL, given)],
                cost=[(r["at"], r["usd"], r["calls"]) for r in await _rows(session, COST, given)],
                shadow=[Shadow(**row) for row in await _rows(session, SHADOW, given)],
                up=up,
                up_since=up_since,
            )


async def _rows(session: AsyncSession, statement: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = {name: value for name, value in given.items() if f":{name}" in statement}
    return [dict(row) for row in (await session.execute(text(statement), wanted)).mappings()]
