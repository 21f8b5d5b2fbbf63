"""A workspace's worth of incidents for tests of the console: waiting, grouped, resolved, observed, over weeks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from core.actions import Action
from core.groups import Cause, Grouping
from store.pulse import Pulse
from tests.incident_stories import EVIDENCE, a_proposal, a_run, ask, tell
from tests.server_box import Box

POLICY = """
defaults:
  owners: [data@example.com]
  escalate_to: [oncall@example.com, "slack:#data-oncall"]
jobs:
  - match: {name: "billing*"}
    rules: {critical: true, approvers: [anna@example.com, ben@example.com], max_attempts: 2}
  - match: {tags: {team: ml}}
    rules: {mode: observe}
"""
STORY = 4711
#: (class, share of all, minutes to recovery)
KINDS = (
    ("executor_oom", 9, 14),
    ("connection_reset", 12, 4),
    ("spot_termination", 7, 6),
    ("unresolved_column", 4, 190),
    ("table_not_found", 5, 45),
    ("delta_concurrent_append", 6, 5),
    ("permission_denied", 2, 300),
    ("query_timeout", 3, 30),
)
JOBS = ("billing_export", "nightly_orders", "customer_journeys", "partner_price_feed", "clickstream_hourly")

SEEN_BEFORE = [
    {
        "id": "inc_past7", "kind": "incident", "title": "clickstream_hourly: executor oom", "score": 0.74,
        "text": "An executor was killed. It was run again with twice the memory, and held.",
        "outcome": "resolved", "action": "RETRY_WITH_NEW_PARAMS", "times": 7,
    },
    {
        "id": "inc_past12", "kind": "incident", "title": "nightly_orders: executor oom", "score": 0.6, "text": "",
        "outcome": "rejected", "action": "RETRY", "times": 1,
    },
]  # fmt: skip


async def furnish(box: Box) -> str:
    """Fill the store; the id of the incident whose page has everything."""
    store = box.runtime.store
    story = await tell(store, a_run(STORY))
    log = [
        f"26/11/21 02:{n // 60:02}:{n % 60:02} INFO TaskSetManager: Finished task {n}.0" for n in range(1842)
    ]
    await store.put_artifact(
        story, "aggregate/stderr", "\n".join([*log, EVIDENCE, *log[:40]]), key="1/aggregate/whole"
    )
    await ask(store, story)
    running = a_run(4712, "billing_export", life_cycle_state="RUNNING", result_state=None)
    await ask(store, await tell(store, running))
    many = a_run(4713, "clickstream_hourly", tags={"team": "web"})
    await ask(store, await tell(store, many))
    for number in range(6):
        run = a_run(4720 + number, JOBS[number % 5], job_id=60 + number % 5)
        await ask(store, await tell(store, run), grouping=_outage())
    observed = await tell(store, a_run(4750, "ml_features", job_id=77, tags={"team": "ml"}))
    await store.update_incident(observed, proposal=a_proposal().model_dump(mode="json"))
    await store.finish(observed, "observed")
    await store.add_event(observed, "aftermath", {"did": "repaired", "agrees": True}, key="aftermath")
    await Pulse(box.runtime.db, box.runtime.clock).beat()
    _history(box)
    return story


async def escalated(box: Box) -> str:
    """An incident that Pitstop could not help with and left to people."""
    store = box.runtime.store
    incident_id = await tell(store, a_run(4800, "partner_price_feed"), similar=SEEN_BEFORE)
    tell_them = a_proposal(
        action=Action.ESCALATE,
        params={"recipients": ["oncall@example.com"], "reason": "Not known."},
        reason="The cause is not known well enough to propose anything.",
        confidence=0.3,
        risks=[],
    )
    await ask(store, incident_id, tell_them, decided_by_rule="policy: telling people needs no approval")
    await store.finish(incident_id, "escalated")
    return incident_id


def _outage() -> Grouping:
    return Grouping(
        cause=Cause(kind="endpoint", value="prices.partner.example:443"),
        window_seconds=900,
        settle_seconds=10,
        update_seconds=300,
        per_minute=60,
        at_once=20,
        follow=False,
    )


def _history(box: Box) -> None:
    """Some weeks of incidents that have ended, straight into the tables: the past can't be lived again."""
    now, number = datetime.now(UTC), 0
    with psycopg.connect(box.runtime.db.libpq_url) as connection:
        rows = connection.cursor()
        for day in range(1, 30):
            for index, (failure_class, share, minutes) in enumerate(KINDS):
                for one in range((share * (3 + (day * 7 + index) % 5)) // 12):
                    number += 1
                    at = now - timedelta(days=day, hours=one)
                    _past(rows, number, failure_class, at, minutes + (number * 13) % 40)
            calls = {"model": "m", "prompt_sha256": "0", "input_tokens": 900, "output_tokens": 200}
            spent = {"usd": 0.0004 * (1 + day % 4), "seconds": 1.2, "at": now - timedelta(days=day)}
            _insert(rows, "model_calls", {**calls, **spent})


def _past(rows: psycopg.Cursor[Any], number: int, failure_class: str, at: datetime, minutes: int) -> None:
    good = number % 6 != 0
    incident = f"inc_past{number}"
    status = ("resolved" if good else "rejected") if number % 11 else "resolved_elsewhere"
    row: dict[str, Any] = {
        "id": incident, "workspace": "w", "run_id": 10_000 + number, "source": "poll", "status": status,
        "outcome": status, "job_id": 60 + number % 5, "job_name": JOBS[number % 5],
        "failure_class": failure_class, "category": "resource", "action": "RETRY",
        "summary": "What it was.", "opened_at": at, "updated_at": at, "finished_at": at + timedelta(minutes=minutes),
    }  # fmt: skip
    _insert(rows, "incidents", row)
    decided = ("approved", "approved", "approved", "edited", "approved", "rejected")[number % 6]
    approval = {
        "id": f"apr_past{number}", "incident_id": incident, "attempt": 1, "revision": 1, "status": decided,
        "action": "RETRY", "failure_class": failure_class, "proposal": "{}", "payload_sha256": "x", "original": "{}",
        "original_sha256": "x" if decided != "edited" else "y", "approvers": "[]", "created_at": at,
        "decided_at": at + timedelta(minutes=2), "decided_by": "anna@example.com", "channel": "console",
        "useful": number % 5 > 0 if number % 2 else None,
    }  # fmt: skip
    _insert(rows, "approvals", approval)
    if decided != "rejected":
        claim = {
            "id": f"clm_past{number}", "incident_id": incident, "approval_id": approval["id"], "attempt": 1,
            "step": "start", "call": "repair_run", "before": "{}", "request": "{}", "status": "done", "result": "{}",
            "lease_epoch": 1, "created_at": at, "updated_at": at,
        }  # fmt: skip
        _insert(rows, "claims", claim)
        result = "SUCCESS" if good else "FAILED"
        event = f'{{"attempt": 1, "result_state": "{result}", "repair_id": 1}}'
        seen = {"incident_id": incident, "kind": "verified", "key": "v", "data": event, "at": at}
        _insert(rows, "events", seen)


def _insert(rows: psycopg.Cursor[Any], table: str, row: dict[str, Any]) -> None:
    columns, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    rows.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})".encode(), list(row.values()))
