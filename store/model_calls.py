"""What language models cost, so that a budget can be kept."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.clock import Clock
from store.engine import Database
from store.models import ModelCallModel


async def usd_where(session: AsyncSession, condition: ColumnElement[bool]) -> float:
    """The US dollars of the calls that match."""
    total = await session.scalar(select(func.sum(ModelCallModel.usd)).where(condition))
    return float(total or 0.0)


class ModelCalls:
    """Records calls and sums their cost, in US dollars."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def record(
        self,
        *,
        incident_id: str | None,
        model: str,
        prompt_sha256: str,
        input_tokens: int,
        output_tokens: int,
        usd: float,
        seconds: float = 0.0,
    ) -> None:
        """Write one call down; `prompt_sha256` is that of the prompt's template, never of its text."""
        row = ModelCallModel(
            incident_id=incident_id,
            model=model,
            prompt_sha256=prompt_sha256,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            usd=usd,
            seconds=seconds,
            at=self._clock.now(),
        )
        async with self._db.transaction() as session:
            session.add(row)

    async def usd_of(self, incident_id: str) -> float:
        """What an incident has cost so far."""
        async with self._db.transaction() as session:
            return await usd_where(session, ModelCallModel.incident_id == incident_id)

    async def usd_today(self) -> float:
        """What the last 24 hours have cost."""
        since = self._clock.now() - timedelta(days=1)
        async with self._db.transaction() as session:
            return await usd_where(session, ModelCallModel.at > since)
