"""Rows for tests of the store: a clock that is turned by hand, runs, proposals, people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from procrastinate import App

from core.actions import Action, Params, Proposal, SettingChange, check_params, payload_sha256
from core.approvals import ClaimRequest, NewApproval
from core.errors import InvalidInput
from core.incident import Approval, Decision, DecisionKind, Reviewer
from core.run import Repair, RunFacts
from store.decisions import Subject
from store.engine import Database
from store.store import Store
from wiring.queue import build_queue, waker

ANNA = Reviewer(name="anna@example.com", role="approver", channel="console")
BEN = Reviewer(name="ben@example.com", role="approver", channel="api")
ADMIN = Reviewer(name="root@example.com", role="admin", channel="api")
VIEWER = Reviewer(name="vera@example.com", role="viewer", channel="api")
RETRY = Proposal(action=Action.RETRY, params={"task_keys": ["load"]}, reason="It passes.", confidence=0.9)
START = ClaimRequest(step="start", call="repair_run", before={"latest_repair_id": 0}, request={"run_id": 7})


@dataclass
class TurnedClock:
    """Stands still until it is turned."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        return self.at

    def turn(self, **by: float) -> None:
        self.at += timedelta(**by)


def run_facts(run_id: int = 7, *, repair_id: int = 0, **facts: Any) -> RunFacts:
    """A failed run of job 3, repaired last by `repair_id`."""
    known = {"workspace": "https://w.example.com", "job_id": 3, "job_name": "nightly load"}
    repairs = [Repair(id=repair_id)] if repair_id else []
    return RunFacts(**{**known, "run_id": run_id, "repairs": repairs, **facts})


def proposed(
    incident_id: str,
    proposal: Proposal = RETRY,
    *,
    attempt: int = 1,
    revision: int = 1,
    ttl_seconds: float = 3600,
    **fields: Any,
) -> NewApproval:
    """A proposal on its way to a row, its hash computed as the nodes do."""
    params = check_params(proposal.action, proposal.params)
    return NewApproval(
        incident_id=incident_id,
        attempt=attempt,
        revision=revision,
        proposal=proposal,
        payload_sha256=payload_sha256(incident_id, attempt, proposal.action, params),
        ttl_seconds=ttl_seconds,
        **fields,
    )


def check_edit(approval: Approval, action: Action, params: Params, about: Subject) -> None:
    """A policy that lets nobody change a setting to more than 64."""
    for change in getattr(params, "settings", []):
        if isinstance(change, SettingChange) and isinstance(change.proposed, int) and change.proposed > 64:
            raise InvalidInput(f"{change.path} may be at most 64 in {about.job_name}.")


@dataclass
class Rows:
    """A store on a database of its own, with the real queue beside it."""

    db: Database
    clock: TurnedClock
    queue: App
    store: Store

    async def incident(self, run_id: int = 7, **facts: Any) -> str:
        """A fresh incident with its thread; its id."""
        row = await self.store.open_incident(run_facts(run_id, **facts), thread_id=f"thread-{run_id}")
        return row.id

    async def approved(self, run_id: int = 7) -> Approval:
        """An approval that Anna gave, on a fresh incident."""
        pending = await self.store.propose(proposed(await self.incident(run_id)))
        return await self.store.decide(pending.id, Decision(kind=DecisionKind.APPROVE), ANNA)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of a statement, on a connection that knows nothing of the store."""
        with psycopg.connect(self.db.libpq_url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def jobs(self) -> list[str]:
        """The incidents that the queue was asked to look at, in order."""
        found = self.sql("SELECT args->>'incident_id' FROM procrastinate_jobs ORDER BY id")
        return [row[0] for row in found]

    def events(self, incident_id: str) -> list[str]:
        """The kinds of an incident's events, in order."""
        found = self.sql("SELECT kind FROM events WHERE incident_id = %s ORDER BY id", incident_id)
        return [row[0] for row in found]


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[Rows]:
    """A store on a fresh database."""
    clock = TurnedClock()
    queue = build_queue(database.libpq_url)
    async with queue.open_async():
        store = Store(database, clock, waker(queue), check_edit=check_edit, graph_version="1")
        yield Rows(database, clock, queue, store)
