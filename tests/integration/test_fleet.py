"""The fleet's measures: each counted by hand on a few incidents, and quick on very many."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.incident import Decision, DecisionKind, Status
from store.fleet import Fleet, FleetNumbers, bucket_for
from store.pulse import Pulse
from tests.server_box import Box
from tests.store_rows import ANNA, Rows, proposed, rows

__all__ = ["rows"]

RULE = "policy: oom x RETRY, granted by Rita"


async def incident(rows: Rows, run_id: int, failure_class: str = "oom", **facts: Any) -> str:
    """An incident of a class."""
    incident_id = await rows.incident(run_id, **facts)
    diagnosis = {"category": "resource", "failure_class": failure_class, "root_cause": "x", "confidence": 0.9}
    await rows.store.update_incident(incident_id, diagnosis=diagnosis)
    return incident_id


async def decided(rows: Rows, incident_id: str, kind: DecisionKind, **more: Any) -> None:
    """A proposal on which Anna decided."""
    pending = await rows.store.propose(proposed(incident_id))
    await rows.store.decide(pending.id, Decision(kind=kind, **more), ANNA)


async def measured(rows: Rows) -> FleetNumbers:
    """The last and the next week."""
    now = datetime.now(UTC)
    return await Fleet(rows.db).measure(now - timedelta(days=7), now + timedelta(days=7))


async def test_nothing_at_all(rows: Rows) -> None:
    numbers = await measured(rows)
    assert numbers.outcomes.opened == numbers.judged == 0
    assert numbers.recovery is None and numbers.up is None
    assert not (numbers.classes or numbers.jobs or numbers.decisions or numbers.tries or numbers.cost)


async def test_failures_by_class_and_by_job(rows: Rows) -> None:
    await incident(rows, 1)
    await incident(rows, 2)
    await incident(rows, 3, "reset", job_id=9, job_name="other")
    await rows.incident(4)
    numbers = await measured(rows)
    assert {c.name: c.count for c in numbers.classes} == {"oom": 2, "reset": 1, "not known yet": 1}
    assert [(j.job_name, j.incidents) for j in numbers.jobs] == [("nightly load", 3), ("other", 1)]
    earlier = await Fleet(rows.db).measure(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
    assert earlier.outcomes.opened == 0


async def test_time_to_recovery(rows: Rows) -> None:
    for number, minutes in enumerate((1, 2, 3, 4, 100), 1):
        incident_id = await incident(rows, number)
        rows.clock.turn(minutes=minutes)
        await rows.store.finish(incident_id, "resolved" if number % 2 else "resolved_elsewhere")
        rows.clock.turn(minutes=-minutes)
    closed = await incident(rows, 6)
    rows.clock.turn(minutes=500)
    await rows.store.close(closed, by="anna@example.com")
    numbers = await measured(rows)
    assert numbers.recovery is not None
    assert (numbers.recovery.count, numbers.recovery.median) == (5, 180.0)
    assert numbers.recovery.p90 == pytest.approx(4 * 60 + 0.6 * 96 * 60)
    assert [(r.name, r.count) for r in numbers.recovery_by_class] == [("oom", 5)]


async def test_whose_work_it_was(rows: Rows) -> None:
    yes, ruled, edited, taken, observed = [await incident(rows, n) for n in range(1, 6)]
    await decided(rows, yes, DecisionKind.APPROVE)
    await rows.store.propose(proposed(ruled, decided_by_rule=RULE))
    await decided(rows, edited, DecisionKind.EDIT, params={"task_keys": ["other"]})
    await rows.store.take_over(taken, by="anna@example.com")
    for incident_id in (yes, ruled, edited, taken):
        await rows.store.finish(incident_id, "resolved")
    await rows.store.finish(observed, "observed")
    outcomes = (await measured(rows)).outcomes
    assert (outcomes.opened, outcomes.observed, outcomes.ended) == (5, 1, 4)
    assert (outcomes.hands_free, outcomes.unasked) == (2, 1)
    helped = await incident(rows, 6)
    await rows.store.propose(proposed(helped))
    await rows.store.update_incident(helped, status=Status.AWAITING_APPROVAL)
    await rows.store.look_again(helped, by="anna@example.com")
    await rows.store.finish(helped, "resolved")
    outcomes = (await measured(rows)).outcomes
    assert (outcomes.resolved, outcomes.hands_free) == (5, 2)


async def test_what_people_said(rows: Rows) -> None:
    for number, (kind, more) in enumerate(
        (
            (DecisionKind.APPROVE, {"useful": True}),
            (DecisionKind.APPROVE, {"useful": False}),
            (DecisionKind.REJECT, {}),
            (DecisionKind.RESPOND, {"comment": "the skew", "useful": True}),
        ),
        1,
    ):
        await decided(rows, await incident(rows, number), kind, **more)
    await rows.store.propose(proposed(await incident(rows, 9), decided_by_rule=RULE))
    numbers = await measured(rows)
    assert {c.name: c.count for c in numbers.decisions} == {"approved": 2, "rejected": 1, "responded": 1}
    assert (numbers.judged, numbers.false_positives) == (4, 2)
    assert {c.name: c.count for c in numbers.useful} == {"useful": 2, "not useful": 1}


async def test_what_models_cost(rows: Rows) -> None:
    from store.model_calls import ModelCalls

    calls = ModelCalls(rows.db, rows.clock)
    for usd in (0.002, 0.003):
        await calls.record(
            incident_id=None, model="m", prompt_sha256="0", input_tokens=1, output_tokens=1, usd=usd
        )
    ((_, usd, count),) = (await measured(rows)).cost
    assert (usd, count) == (pytest.approx(0.005), 2)


async def test_uptime_counts_minutes_since_the_first(rows: Rows) -> None:
    pulse = Pulse(rows.db, rows.clock)
    start = datetime(2026, 1, 5, 12, 0, 30, tzinfo=UTC)
    for minute in (0, 1, 1, 2, 5):
        rows.clock.at = start + timedelta(minutes=minute)
        await pulse.beat()
    end = start.replace(second=0) + timedelta(minutes=8)
    numbers = await Fleet(rows.db).measure(start - timedelta(days=1), end)
    assert numbers.up == pytest.approx(4 / 8)
    assert numbers.up_since == start.replace(second=0)


async def test_shadow_mode(rows: Rows) -> None:
    for number, (did, agrees) in enumerate(
        (("repaired", True), ("repaired", True), ("left alone", False)), 1
    ):
        incident_id = await incident(rows, number)
        await rows.store.update_incident(
            incident_id, proposal=proposed(incident_id).proposal.model_dump(mode="json")
        )
        await rows.store.finish(incident_id, "observed")
        await rows.store.add_event(incident_id, "aftermath", {"did": did, "agrees": agrees}, key="aftermath")
    found = [(s.action, s.did, s.count, s.agrees) for s in (await measured(rows)).shadow]
    assert found == [("RETRY", "repaired", 2, True), ("RETRY", "left alone", 1, False)]


def test_buckets_follow_the_range() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = [bucket_for(start, start + timedelta(days=n)) for n in (1, 30, 365, 1500)]
    assert found == ["hour", "day", "week", "month"]


async def test_many_incidents_are_counted_in_time(box: Box) -> None:
    """50,000 incidents over a year, as many proposals: the page comes well before anybody looks away."""
    box.sql(
        """INSERT INTO incidents (id, workspace, run_id, source, status, outcome, job_id, job_name, failure_class,
             action, opened_at, updated_at, finished_at)
           SELECT 'inc_' || n, 'w', n, 'poll', 'resolved', 'resolved', n %% 400, 'job ' || n %% 400,
             'class_' || n %% 40, 'RETRY', now() - n * interval '10 min', now(),
             now() - n * interval '10 min' + (n %% 90) * interval '1 min'
           FROM generate_series(1, 50000) n"""
    )
    box.sql(
        """INSERT INTO approvals (id, incident_id, attempt, revision, status, action, failure_class, proposal,
             payload_sha256, original, original_sha256, approvers, created_at, decided_at, decided_by, useful)
           SELECT 'apr_' || n, 'inc_' || n, 1, 1, 'approved', 'RETRY', 'class_' || n %% 40, '{}', 'x', '{}', 'x',
             '[]', now() - n * interval '10 min', now() - n * interval '10 min', 'anna', n %% 3 > 0
           FROM generate_series(1, 50000) n"""
    )
    box.sql("ANALYZE incidents, approvals")
    fleet, now = Fleet(box.runtime.db), datetime.now(UTC)
    start = time.perf_counter()
    year = await fleet.measure(now - timedelta(days=365), now)
    seconds = time.perf_counter() - start
    assert year.outcomes.opened == 50000 and len(year.jobs) == 15
    month = await fleet.measure(now - timedelta(days=30), now)
    assert 4300 < month.outcomes.opened < 4330
    print(f"a year of 50,000 incidents: {seconds:.2f} s")
