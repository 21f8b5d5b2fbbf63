"""Runs that were seen, and whose they are: an incident's, started by one, or nothing to worry about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import Clock
from store.engine import Database
from store.models import RunSeenModel, RunState


async def owner(session: AsyncSession, workspace: str, run_id: int, repair_id: int) -> str | None:
    """The incident that this run and repair belong to; None when they belong to none yet."""
    return await session.scalar(
        select(RunSeenModel.incident_id).where(
            RunSeenModel.workspace == workspace,
            RunSeenModel.run_id == run_id,
            RunSeenModel.repair_id == repair_id,
        )
    )


async def mark(
    session: AsyncSession,
    workspace: str,
    run_id: int,
    repair_id: int,
    *,
    state: RunState,
    incident_id: str | None,
    at: datetime,
) -> None:
    """Write down whose a run is. What belongs to an incident already stays with it."""
    statement = insert(RunSeenModel).values(
        workspace=workspace,
        run_id=run_id,
        repair_id=repair_id,
        state=state,
        incident_id=incident_id,
        seen_at=at,
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["workspace", "run_id", "repair_id"],
            set_={"state": state, "incident_id": incident_id, "seen_at": at},
            where=RunSeenModel.incident_id.is_(None),
        )
    )


class Runs:
    """What the poller asks, so as to read no run twice."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def seen(
        self, workspace: str, run_id: int, repair_id: int = 0
    ) -> tuple[RunState, str | None] | None:
        """What is known of a run and repair: its state, and the incident it belongs to."""
        async with self._db.transaction() as session:
            row = await session.get(RunSeenModel, (workspace, run_id, repair_id))
            return None if row is None else (RunState(row.state), row.incident_id)

    async def known(self, workspace: str, runs: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those of `runs`, pairs of run and repair id, that were seen before."""
        wanted = list(runs)
        if not wanted:
            return set()
        statement = select(RunSeenModel.run_id, RunSeenModel.repair_id).where(
            RunSeenModel.workspace == workspace,
            tuple_(RunSeenModel.run_id, RunSeenModel.repair_id).in_(wanted),
        )
        async with self._db.transaction() as session:
            return {(run_id, repair_id) for run_id, repair_id in await session.execute(statement)}

    async def fine(self, workspace: str, run_id: int, repair_id: int = 0) -> None:
        """Remember that a run was looked at, and that there was nothing to do."""
        async with self._db.transaction() as session:
            await mark(
                session,
                workspace,
                run_id,
                repair_id,
                state=RunState.FINE,
                incident_id=None,
                at=self._clock.now(),
            )
