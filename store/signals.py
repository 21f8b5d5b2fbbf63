"""Signals: notices that something may have failed, kept before they are answered, read by a queued job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from core.errors import NotFound
from store.clock import Clock
from store.engine import Database, raw_connection
from store.models import SignalModel, new_id
from store.views import Signal

Defer = Callable[[Any, str], Awaitable[None]]


class Signals:
    """The rows of webhooks, the poller, and calls of the API.

    Args:
        db: Where.
        clock: When.
        defer: `defer(raw_connection, signal_id)` queues the job that reads a signal, within its transaction.
    """

    def __init__(self, db: Database, clock: Clock, defer: Defer) -> None:
        self._db = db
        self._clock = clock
        self._defer = defer

    async def receive(
        self,
        source: str,
        *,
        key: str,
        run_id: int | None = None,
        job_id: int | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Signal:
        """Keep a signal and queue the job for it, both or neither.

        Raises:
            StoreUnavailable: Postgres is away; nothing was kept.
        """
        row = SignalModel(
            id=new_id("sig"),
            source=source,
            key=key,
            run_id=run_id,
            job_id=job_id,
            data=dict(data or {}),
            received_at=self._clock.now(),
            attempts=0,
        )
        async with self._db.transaction() as session:
            session.add(row)
            await session.flush()
            await self._defer(await raw_connection(session), row.id)
        return _view(row)

    async def get(self, signal_id: str) -> Signal:
        """Raises: NotFound."""
        async with self._db.transaction() as session:
            row = await session.get(SignalModel, signal_id)
        if row is None:
            raise NotFound(f"There is no signal {signal_id}.")
        return _view(row)

    async def handled(
        self, signal_id: str, *, incident_id: str | None = None, error: str | None = None
    ) -> None:
        """It was read: it belongs to this incident, or to none, for this reason."""
        await self._set(
            signal_id,
            handled_at=self._clock.now(),
            incident_id=incident_id,
            error=error,
            attempts=SignalModel.attempts + 1,
        )

    async def tried(self, signal_id: str, error: str) -> None:
        """It could not be read this time, and will be tried again."""
        await self._set(signal_id, error=error[:1000], attempts=SignalModel.attempts + 1)

    async def unhandled(self, older_than_seconds: float, limit: int = 100) -> list[Signal]:
        """Signals that wait for longer than they should, oldest first."""
        limit_at = self._clock.now() - timedelta(seconds=older_than_seconds)
        statement = (
            select(SignalModel)
            .where(SignalModel.handled_at.is_(None), SignalModel.received_at <= limit_at)
            .order_by(SignalModel.received_at)
            .limit(limit)
        )
        async with self._db.transaction() as session:
            return [_view(row) for row in await session.scalars(statement)]

    async def _set(self, signal_id: str, **values: Any) -> None:
        async with self._db.transaction() as session:
            await session.execute(
                update(SignalModel)
                .where(SignalModel.id == signal_id)
                .values(**values)
                .execution_options(synchronize_session=False)
            )


def _view(row: SignalModel) -> Signal:
    return Signal.model_validate(row, from_attributes=True)
