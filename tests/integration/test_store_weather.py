"""Postgres goes away in the middle and comes back: a named error, nothing half done, and on it goes."""

import asyncio
from typing import Any

import psycopg
import pytest

from core.errors import ConfigurationError, StoreUnavailable
from core.incident import ApprovalStatus, Decision, DecisionKind
from store.embedded import EmbeddedPostgres
from store.engine import Database, libpq_url, sqlalchemy_url
from store.leases import Leases
from store.migrate import check_schema, migrate
from store.queries import Queries
from store.store import Store
from tests.postgres import kill_postgres
from tests.store_rows import ANNA, START, TurnedClock, check_edit, proposed, run_facts

APPROVE = Decision(kind=DecisionKind.APPROVE)


async def no_wake(raw: Any, incident_id: str) -> None:
    return None


async def test_killed_and_back(own_postgres: EmbeddedPostgres) -> None:
    url = own_postgres.url
    await asyncio.to_thread(migrate, url)
    db = Database(url, pool_size=3)
    clock = TurnedClock()
    store = Store(db, clock, no_wake, check_edit=check_edit)
    row = await store.open_incident(run_facts(), thread_id="t")
    asked = await store.propose(proposed(row.id))

    await asyncio.to_thread(kill_postgres, own_postgres)
    for attempt in (
        store.incident(row.id),
        store.decide(asked.id, APPROVE, ANNA),
        store.add_event(row.id, "k", {}, key="k"),
        Queries(db, clock).counts(),
        Leases(db).acquire(row.id, "w", 30),
        db.ping(),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(check_schema, url)

    assert await own_postgres.aensure_running() == url
    assert (await store.approval(asked.id)).status is ApprovalStatus.PENDING
    assert (await store.decide(asked.id, APPROVE, ANNA)).status is ApprovalStatus.APPROVED
    assert (await store.claim(asked.id, "t", START)).fresh
    await db.close()


async def test_killed_between_the_decision_and_its_commit(own_postgres: EmbeddedPostgres) -> None:
    url = own_postgres.url
    await asyncio.to_thread(migrate, url)
    db = Database(url, pool_size=3)

    async def kill_then_queue(raw: Any, incident_id: str) -> None:
        await asyncio.to_thread(kill_postgres, own_postgres)
        await raw.execute("SELECT 1")

    store = Store(db, TurnedClock(), kill_then_queue, check_edit=check_edit)
    row = await store.open_incident(run_facts(), thread_id="t")
    asked = await store.propose(proposed(row.id))
    with pytest.raises(StoreUnavailable):
        await store.decide(asked.id, APPROVE, ANNA)
    await own_postgres.aensure_running()
    assert await store.approval(asked.id) == asked
    await db.close()


async def test_a_connection_that_the_server_ended_is_replaced(database: Database) -> None:
    store = Store(database, TurnedClock(), no_wake, check_edit=check_edit)
    row = await store.open_incident(run_facts(), thread_id="t")
    with psycopg.connect(database.libpq_url, autocommit=True) as other:
        ended = other.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        ).fetchone()
    assert ended is not None and ended[0] >= 1
    assert (await store.incident(row.id)).id == row.id


async def test_a_bug_is_not_weather(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            raise ZeroDivisionError


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p%40ss@h:5433/db",
        "postgresql://u:p%40ss@h:5433/db",
        "postgresql+psycopg://u:p%40ss@h:5433/db",
    ],
)
def test_every_spelling_of_an_address_is_understood(url: str) -> None:
    assert (
        sqlalchemy_url(url).render_as_string(hide_password=False) == "postgresql+psycopg://u:p%40ss@h:5433/db"
    )
    assert libpq_url(url) == "postgresql://u:p%40ss@h:5433/db"


@pytest.mark.parametrize("url", ["", "mysql://u:secret@h/db", "secret", "sqlite:///x"])
def test_another_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as refused:
        Database(url)
    assert "secret" not in str(refused.value)
