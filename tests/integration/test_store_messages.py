"""What comes in (signals), what goes out (the outbox), who may ask (tokens), what models cost."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest

from core.errors import InvalidInput, NotFound, Unauthenticated
from store.model_calls import ModelCalls
from store.outbox import Outbox
from store.signals import Signals
from store.tokens import Tokens
from tests.store_rows import Rows
from wiring.queue import defer_intake


def signals_of(rows: Rows) -> Signals:
    async def defer(raw: Any, signal_id: str) -> None:
        await defer_intake(rows.queue, signal_id, connection=raw)

    return Signals(rows.db, rows.clock, defer)


async def test_a_signal_and_its_job_are_both_kept_or_neither(rows: Rows) -> None:
    signals = signals_of(rows)
    kept = await signals.receive(
        "webhook", key="jobs.on_failure/3/7/", run_id=7, job_id=3, data={"task": "a"}
    )
    jobs = "SELECT task_name, args->>'signal_id' FROM procrastinate_jobs"
    assert rows.sql(jobs) == [("intake", kept.id)]
    assert await signals.get(kept.id) == kept

    async def queue_and_fail(raw: Any, signal_id: str) -> None:
        await defer_intake(rows.queue, signal_id, connection=raw)
        raise RuntimeError("after the job was queued")

    with pytest.raises(RuntimeError):
        await Signals(rows.db, rows.clock, queue_and_fail).receive("webhook", key="k", run_id=8)
    assert rows.sql(jobs) == [("intake", kept.id)]
    assert rows.sql("SELECT count(*) FROM signals") == [(1,)]


async def test_a_signal_is_unhandled_until_it_is_handled(rows: Rows) -> None:
    signals = signals_of(rows)
    kept = await signals.receive("poller", key="k", run_id=7)
    rows.clock.turn(seconds=60)
    assert await signals.unhandled(61) == []
    await signals.tried(kept.id, "the workspace was away")
    (waiting,) = await signals.unhandled(60)
    assert (waiting.attempts, waiting.error) == (1, "the workspace was away")
    incident_id = await rows.incident()
    await signals.handled(kept.id, incident_id=incident_id)
    assert await signals.unhandled(0) == []
    done = await signals.get(kept.id)
    assert (done.incident_id, done.handled_at, done.error) == (incident_id, rows.clock.now(), None)
    with pytest.raises(NotFound):
        await signals.get("sig_none")


async def test_messages_are_queued_once_for_each_incident_key_and_recipient(rows: Rows) -> None:
    first, second = await rows.incident(7), await rows.incident(8)
    for incident_id in (first, first, second):
        await rows.store.notify(
            incident_id, "critical", ["a@x.org", "A@x.org", "", "b@x.org"], key="critical/1"
        )
    await rows.store.notify(first, "critical", [], key="critical/2")
    assert rows.sql("SELECT count(*) FROM outbox") == [(4,)]


async def test_each_message_is_taken_by_one_sender(rows: Rows) -> None:
    outbox = Outbox(rows.db, rows.clock)
    incident_id = await rows.incident()
    await rows.store.notify(incident_id, "escalation", [f"p{n}@x.org" for n in range(20)], key="k")
    takes = await asyncio.gather(*(outbox.take(limit=5) for _ in range(8)))
    taken = [message.id for batch in takes for message in batch]
    assert len(taken) == len(set(taken)) == 20


async def test_a_message_comes_up_again_until_it_is_sent_or_given_up(rows: Rows) -> None:
    outbox = Outbox(rows.db, rows.clock)
    await rows.store.notify(await rows.incident(), "escalation", ["a@x.org"], key="k")
    (message,) = await outbox.take(hold_seconds=60)
    assert (message.kind, message.recipient, message.attempts) == ("escalation", "a@x.org", 1)
    assert await outbox.take() == []
    rows.clock.turn(seconds=60)
    (message,) = await outbox.take()
    assert message.attempts == 2, "its sender died"
    await outbox.failed(message.id, "refused", retry_at=rows.clock.now() + timedelta(seconds=30))
    assert await outbox.take() == []
    rows.clock.turn(seconds=30)
    (message,) = await outbox.take()
    await outbox.postpone(message.id, rows.clock.now() + timedelta(hours=8))
    rows.clock.turn(hours=8)
    (message,) = await outbox.take()
    assert message.attempts == 3, "waiting for the morning is no failure"
    await outbox.sent(message.id)
    await outbox.failed(message.id, "late", retry_at=None)
    rows.clock.turn(days=1)
    assert await outbox.take() == []
    assert rows.sql("SELECT status, error FROM outbox") == [("sent", None)]


async def test_a_message_given_up_stays_to_be_seen(rows: Rows) -> None:
    outbox = Outbox(rows.db, rows.clock)
    await rows.store.notify(await rows.incident(), "escalation", ["a@x.org"], key="k")
    (message,) = await outbox.take()
    await outbox.failed(message.id, "no such mailbox", retry_at=None)
    assert rows.sql("SELECT status, error FROM outbox") == [("failed", "no such mailbox")]


async def test_a_token_is_known_by_its_hash_alone(rows: Rows) -> None:
    tokens = Tokens(rows.db, rows.clock)
    secret, made = await tokens.create(" anna@example.com ", "approver", by="root@example.com")
    assert secret.startswith("pit_") and len(secret) > 40
    assert rows.sql("SELECT sha256 FROM api_tokens") == [(hashlib.sha256(secret.encode()).hexdigest(),)]
    found = await tokens.verify(secret)
    assert (found.id, found.name, found.role) == (made.id, "anna@example.com", "approver")
    assert (await tokens.all())[0].last_used_at == rows.clock.now()
    for wrong in ("", "pit_", secret[:-1], secret + "x", "\x00", "\ud800"):
        with pytest.raises(Unauthenticated):
            await tokens.verify(wrong)


async def test_a_token_ends_with_its_time_or_when_it_is_revoked(rows: Rows) -> None:
    tokens = Tokens(rows.db, rows.clock)
    short, _ = await tokens.create("a", "viewer", ttl_seconds=60)
    long, made = await tokens.create("b", "admin")
    await tokens.verify(short)
    rows.clock.turn(seconds=60)
    with pytest.raises(Unauthenticated, match="expired"):
        await tokens.verify(short)
    await tokens.verify(long)
    revoked = await tokens.revoke(made.id)
    rows.clock.turn(seconds=60)
    assert (await tokens.revoke(made.id)).revoked_at == revoked.revoked_at
    with pytest.raises(Unauthenticated, match="revoked"):
        await tokens.verify(long)
    with pytest.raises(NotFound):
        await tokens.revoke("tok_none")


@pytest.mark.parametrize(("name", "role"), [(" ", "viewer"), ("a", "rule"), ("a", "owner")])
async def test_a_token_needs_a_name_and_a_role(rows: Rows, name: str, role: Any) -> None:
    with pytest.raises(InvalidInput):
        await Tokens(rows.db, rows.clock).create(name, role)


async def test_costs_are_summed_by_incident_and_by_day(rows: Rows) -> None:
    calls = ModelCalls(rows.db, rows.clock)
    incident_id = await rows.incident()
    known: dict[str, Any] = {"model": "m", "prompt_sha256": "0" * 64, "input_tokens": 10, "output_tokens": 5}
    await calls.record(incident_id=incident_id, usd=0.25, **known)
    rows.clock.turn(days=1)
    await calls.record(incident_id=incident_id, usd=0.5, **known)
    await calls.record(incident_id=None, usd=1.0, **known)
    assert await calls.usd_of(incident_id) == 0.75
    assert await calls.usd_today() == 1.5
    assert await calls.usd_of("inc_none") == 0
