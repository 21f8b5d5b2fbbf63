"""Questions nobody answers: reminded of at half of their time and before the end, the next person asked, once each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.incident import Decision, DecisionKind, Reviewer
from core.settings import Settings
from sandbox.mailbox import Mailbox
from sandbox.process import SandboxProcess
from server.postman import Postman
from server.reminders import remind
from store.outbox import Outbox
from store.reminders import HALF, LAST, stage_at
from store.store import Store
from tests.incident_stories import a_run, ask, tell
from tests.server_box import Box, opened
from tests.store_rows import TurnedClock
from wiring.queue import waker
from wiring.runtime import Runtime

POLICY = """
defaults:
  approvers: [anna@example.com]
  escalate_to: [ben@example.com, "slack:#oncall", carl@example.com]
  quiet_hours: {start: "22:00", end: "07:00", timezone: Europe/Berlin}
jobs:
  - match: {name: "critical*"}
    rules: {critical: true}
  - match: {name: "told*"}
    rules: {tell_decision: true}
"""
APPROVE = Decision(kind=DecisionKind.APPROVE)
ANNA = Reviewer(name="anna@example.com", role="approver", channel="console")
#: A working day in Berlin (UTC+1).
NOON = datetime(2026, 11, 20, 11, 0, tzinfo=UTC)


@pytest.fixture
async def timed(
    box_settings: Settings, sandbox: SandboxProcess, mailbox: Mailbox, tmp_path: Path
) -> AsyncIterator[tuple[Runtime, TurnedClock, Box]]:
    """The service's parts, by a clock that the test turns."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    given = {
        "policy": policy,
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port,
        "smtp_security": "none",
        "public_url": "https://pitstop.example.com",
    }
    async with opened(box_settings.model_copy(update=given), sandbox) as box:
        clock = TurnedClock(NOON)
        parts = box.runtime
        store = Store(parts.db, clock, waker(parts.queue), check_edit=parts.store._check_edit)
        yield replace(parts, clock=clock, store=store, outbox=Outbox(parts.db, clock)), clock, box


def mails(mailbox: Mailbox) -> list[tuple[str, str]]:
    """(to, subject) of what arrived, in order of recipients."""
    return sorted((str(m["To"]), str(m["Subject"]).split(":")[0]) for m in mailbox.messages)


async def test_half_of_the_time_then_the_end_each_once(
    timed: tuple[Runtime, TurnedClock, Box], mailbox: Mailbox
) -> None:
    runtime, clock, box = timed
    approval = await ask(
        runtime.store,
        await tell(runtime.store),
        approvers=["anna@example.com"],
        notify=["anna@example.com"],
        ttl_seconds=7200.0,
    )
    await Postman(runtime).deliver()
    clock.turn(minutes=59)
    assert await remind(runtime) == 0
    clock.turn(minutes=1)
    assert [await remind(runtime), await remind(runtime)] == [1, 0]
    await Postman(runtime).deliver()
    first = ("anna@example.com", "[Pitstop] Your approval is needed")
    again = ("anna@example.com", "[Pitstop] Still waiting for your decision")
    ben = ("ben@example.com", "[Pitstop] Your approval is needed")
    assert mails(mailbox) == sorted([first, again, ben])
    assert (await runtime.store.approval(approval.id)).approvers == ["anna@example.com", "ben@example.com"]
    clock.turn(minutes=48)
    assert [await remind(runtime), await remind(runtime)] == [1, 0]
    await Postman(runtime).deliver()
    sent = mails(mailbox)
    assert sent.count(again) == 2
    assert sent.count(("ben@example.com", again[1])) == 1
    assert sent.count(("carl@example.com", first[1])) == 1
    held = box.sql("SELECT recipient, status, error FROM outbox WHERE status <> 'sent'")
    assert [row[:2] for row in held] == [("slack:#oncall", "pending")]  # one channel that is not set up
    assert (await runtime.store.approval(approval.id)).approvers[-1] == "carl@example.com"
    stages = box.sql("SELECT data->>'stage' FROM events WHERE kind = 'reminded' ORDER BY id")
    assert stages == [("1",), ("2",)]
    clock.turn(minutes=13)
    assert await remind(runtime) == 0  # over: that is the graph's


async def test_who_comes_late_reminds_of_the_end_alone(timed: tuple[Runtime, TurnedClock, Box]) -> None:
    runtime, clock, box = timed
    await ask(runtime.store, await tell(runtime.store), notify=["anna@example.com"], ttl_seconds=7200.0)
    clock.turn(minutes=115)
    assert [await remind(runtime), await remind(runtime)] == [1, 0]
    assert box.sql("SELECT count(*) FROM outbox WHERE kind = 'reminder'") == [(1,)]


async def test_several_workers_remind_once(timed: tuple[Runtime, TurnedClock, Box]) -> None:
    runtime, clock, box = timed
    await ask(runtime.store, await tell(runtime.store), notify=["anna@example.com"])
    clock.turn(minutes=31)
    assert sum(await asyncio.gather(*(remind(runtime) for _ in range(4)))) == 1
    assert box.sql("SELECT count(*) FROM outbox WHERE kind = 'reminder'") == [(1,)]


async def test_more_time_begins_anew(timed: tuple[Runtime, TurnedClock, Box]) -> None:
    runtime, clock, box = timed
    approval = await ask(runtime.store, await tell(runtime.store), notify=["anna@example.com"])
    clock.turn(minutes=31)
    assert await remind(runtime) == 1
    await runtime.store.extend(approval.id, ANNA)  # 89 minutes are left
    assert await remind(runtime) == 0
    clock.turn(minutes=45)
    assert await remind(runtime) == 1
    again = "SELECT recipient, count(*) FROM outbox WHERE kind = 'reminder' GROUP BY 1 ORDER BY 1"
    assert box.sql(again) == [("anna@example.com", 2), ("ben@example.com", 1)]


async def test_a_decision_ends_the_reminders_that_were_not_sent(
    timed: tuple[Runtime, TurnedClock, Box], mailbox: Mailbox
) -> None:
    runtime, clock, box = timed
    approval = await ask(runtime.store, await tell(runtime.store), notify=["anna@example.com"])
    await Postman(runtime).deliver()
    clock.turn(minutes=31)
    await remind(runtime)
    await runtime.store.decide(approval.id, APPROVE, ANNA)
    await Postman(runtime).deliver()
    clock.turn(seconds=11)  # what tells the end waits for what may be on its way
    await Postman(runtime).deliver()
    assert len(mailbox.messages) == 1
    assert box.sql(
        "SELECT DISTINCT status FROM outbox WHERE kind <> 'approval' OR recipient LIKE 'ben%%'"
    ) == [("dropped",)]


@pytest.mark.parametrize(("job", "sent"), [("nightly", 0), ("critical_orders", 1)])
async def test_at_night_only_critical_jobs_send(
    timed: tuple[Runtime, TurnedClock, Box], mailbox: Mailbox, job: str, sent: int
) -> None:
    runtime, clock, _ = timed
    clock.at = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)  # midnight in Berlin
    incident_id = await tell(runtime.store, a_run(job_name=job))
    await ask(runtime.store, incident_id, notify=["anna@example.com"], ttl_seconds=86400.0)
    await Postman(runtime).deliver()
    assert len(mailbox.messages) == sent
    clock.at = datetime(2026, 11, 21, 5, 59, tzinfo=UTC)
    await Postman(runtime).deliver()
    assert len(mailbox.messages) == sent
    clock.at = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)  # seven o'clock
    await Postman(runtime).deliver()
    assert len(mailbox.messages) == 1


@pytest.mark.parametrize(
    ("asked_at", "quiet_until", "half"),
    [
        # In the night: all of its four hours are in the morning.
        ("2026-11-20T22:00", "2026-11-21T06:00", "2026-11-21T08:00"),
        # In the evening: three hours before the night and one after it, so half is over before it.
        ("2026-11-20T18:00", "2026-11-20T18:00", "2026-11-20T20:00"),
    ],
)
async def test_a_night_is_no_part_of_a_question_s_time(
    timed: tuple[Runtime, TurnedClock, Box], mailbox: Mailbox, asked_at: str, quiet_until: str, half: str
) -> None:
    runtime, clock, _ = timed
    clock.at = datetime.fromisoformat(asked_at).replace(tzinfo=UTC)
    seconds = runtime.policy.defaults.seconds_to_decide(clock.at)
    people: dict[str, Any] = {"approvers": ["anna@example.com"], "notify": ["anna@example.com"]}
    approval = await ask(runtime.store, await tell(runtime.store), ttl_seconds=seconds, **people)
    told: list[datetime] = []
    while clock.at < datetime.fromisoformat(str(approval.expires_at)):
        await remind(runtime)
        while await Postman(runtime).deliver():
            pass
        told += [clock.at] * (len(mailbox.messages) - len(told))
        clock.turn(minutes=15)
    assert told[:2] == [datetime.fromisoformat(at).replace(tzinfo=UTC) for at in (quiet_until, half)]
    hours = {at.astimezone(ZoneInfo("Europe/Berlin")).hour for at in told}
    assert hours <= set(range(7, 22)) and "carl@example.com" in {str(m["To"]) for m in mailbox.messages}


@pytest.mark.parametrize(("job", "told"), [("nightly", False), ("told_orders", True)])
async def test_who_was_asked_by_mail_is_told_where_the_policy_wants_it(
    timed: tuple[Runtime, TurnedClock, Box], mailbox: Mailbox, job: str, told: bool
) -> None:
    runtime, _, _ = timed
    approval = await ask(
        runtime.store,
        await tell(runtime.store, a_run(job_name=job)),
        notify=["anna@example.com", "carl@example.com"],
    )
    await Postman(runtime).deliver()
    await runtime.store.decide(approval.id, Decision(kind=DecisionKind.REJECT, comment="not at night"), ANNA)
    await Postman(runtime).deliver()
    later = mailbox.messages[2:]
    assert [str(m["To"]) for m in later] == ["carl@example.com"] * told  # Anna knows
    texts = [m.get_body(("plain",)).get_content() for m in later]  # type: ignore[union-attr]
    if told:
        assert "anna@example.com rejected this through console" in texts[0] and "not at night" in texts[0]


async def test_one_channel_down_and_the_others_delivered(
    timed: tuple[Runtime, TurnedClock, Box], mailbox: Mailbox
) -> None:
    runtime, _, box = timed
    approval = await ask(
        runtime.store, await tell(runtime.store), notify=["slack:#data", "anna@example.com", "nobody"]
    )
    await Postman(runtime).deliver()
    assert [to for to, _ in mails(mailbox)] == ["anna@example.com"]
    rows = box.sql("SELECT recipient, status FROM outbox ORDER BY recipient")
    assert rows == [("anna@example.com", "sent"), ("nobody", "failed"), ("slack:#data", "pending")]
    decided = await runtime.store.decide(approval.id, APPROVE, ANNA)
    assert decided.status == "approved"


def test_stages() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    day, hour = timedelta(days=1), timedelta(hours=1)
    assert stage_at(began, began + day, began + 11 * hour) == 0
    assert stage_at(began, began + day, began + 12 * hour) == HALF
    assert stage_at(began, began + day, began + 23 * hour) == HALF
    assert stage_at(began, began + day, began + day - timedelta(minutes=30)) == LAST
    assert stage_at(began, began + hour, began + timedelta(minutes=54)) == LAST
