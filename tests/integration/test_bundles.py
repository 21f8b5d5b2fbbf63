"""News that need no decision: one message to each recipient for all failures of one cause, each told exactly once."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest

from core.groups import Together
from sandbox.mailbox import Mailbox
from server.postman import Postman
from store.outbox import Outbox
from tests.incident_stories import a_run, tell
from tests.mailing import mailbox, mailing
from tests.server_box import Box, box_settings, sandbox
from tests.store_rows import Rows

__all__ = ["box_settings", "mailbox", "mailing", "sandbox"]

OWNER, LEAD = "owner@example.com", "lead@example.com"
LAKE = Together(about="endpoint:lake.example.com", settle_seconds=10, update_seconds=300)
SOON = LAKE.model_copy(update={"settle_seconds": 0})


@pytest.fixture
def outbox(rows: Rows) -> Outbox:
    return Outbox(rows.db, rows.clock)


async def news(rows: Rows, run_id: int, kind: str = "escalation", *people: str, **more: Any) -> str:
    """One incident's news; its id."""
    incident_id = await rows.incident(run_id)
    given = {"key": f"{kind}/1", "together": LAKE, **more}
    await rows.store.notify(incident_id, kind, list(people or (LEAD,)), **given)
    return incident_id


def body(mail: EmailMessage, kind: str) -> str:
    """The text of one form of a mail."""
    part = mail.get_body((kind,))
    assert part is not None
    return part.get_content()


async def delivered(outbox: Outbox) -> list[tuple[str, int]]:
    """What would be sent now: each recipient with the number of incidents that the message tells of."""
    sent = []
    for message in await outbox.take():
        along = await outbox.along(message)
        await outbox.sent(message.id, None, along)
        sent.append((message.recipient, 1 + len(along)))
    return sorted(sent)


async def test_it_waits_for_others_and_tells_of_all(rows: Rows, outbox: Outbox) -> None:
    for n in range(1, 31):
        await news(rows, n, "escalation", LEAD, OWNER)
    assert await delivered(outbox) == [], "it settles first"
    rows.clock.turn(seconds=11)
    assert await delivered(outbox) == [(LEAD, 30), (OWNER, 30)]
    assert await delivered(outbox) == []
    assert rows.sql("SELECT status, count(*) FROM outbox GROUP BY 1") == [("sent", 60)]


async def test_who_comes_later_is_told_of_at_most_every_so_often(rows: Rows, outbox: Outbox) -> None:
    told: list[tuple[float, int]] = []
    began = rows.clock.now()
    for n in range(1, 101):
        await news(rows, n)
        rows.clock.turn(seconds=10)
        told += [((rows.clock.now() - began).total_seconds(), count) for _, count in await delivered(outbox)]
    rows.clock.turn(seconds=300)
    told += [((rows.clock.now() - began).total_seconds(), count) for _, count in await delivered(outbox)]
    assert sum(count for _, count in told) == 100, "each is told of, once"
    assert len(told) == 5
    assert all(later - earlier >= 300 for (earlier, _), (later, _) in itertools.pairwise(told))


async def test_the_same_news_again_are_told_once(rows: Rows, outbox: Outbox) -> None:
    incident_id = await news(rows, 1)
    for _ in range(2):
        await rows.store.notify(incident_id, "escalation", [LEAD], key="escalation/1", together=LAKE)
    rows.clock.turn(seconds=11)
    assert await delivered(outbox) == [(LEAD, 1)]
    await rows.store.notify(incident_id, "escalation", [LEAD], key="escalation/1", together=LAKE)
    rows.clock.turn(seconds=1000)
    assert await delivered(outbox) == []


async def test_other_causes_kinds_and_recipients_go_their_own_way(rows: Rows, outbox: Outbox) -> None:
    other = LAKE.model_copy(update={"about": "endpoint:other.example.com"})
    for n in range(1, 4):
        await news(rows, n)
    await news(rows, 4, together=other)
    await news(rows, 5, "notification")
    await news(rows, 6, "escalation", OWNER)
    await news(rows, 7, together=None)
    assert await delivered(outbox) == [(LEAD, 1)], "what goes alone goes at once"
    rows.clock.turn(seconds=11)
    assert await delivered(outbox) == [(LEAD, 1), (LEAD, 1), (LEAD, 3), (OWNER, 1)]


async def test_many_at_once_and_two_senders_are_one_message(rows: Rows, outbox: Outbox) -> None:
    incidents = [await rows.incident(n) for n in range(1, 13)]
    tell_all = (
        rows.store.notify(i, "escalation", [LEAD], key="escalation/1", together=LAKE) for i in incidents
    )
    await asyncio.gather(*tell_all)
    rows.clock.turn(seconds=11)
    taken = await asyncio.gather(*(outbox.take() for _ in range(6)))
    messages = [message for part in taken for message in part]
    assert len(messages) == 1
    assert len(await outbox.along(messages[0])) == 11


async def test_a_sender_that_dies_leaves_all_of_it_to_the_next(rows: Rows, outbox: Outbox) -> None:
    for n in range(1, 4):
        await news(rows, n)
    rows.clock.turn(seconds=11)
    (taken,) = await outbox.take(hold_seconds=60)
    assert taken.attempts == 1
    await news(rows, 4)
    assert await outbox.take() == [], "nobody sends the rest of it meanwhile"
    rows.clock.turn(seconds=61)
    assert await delivered(outbox) == [(LEAD, 4)]


async def test_what_is_given_up_is_given_up_for_all_of_them(rows: Rows, outbox: Outbox) -> None:
    for n in range(1, 4):
        await news(rows, n)
    rows.clock.turn(seconds=11)
    (taken,) = await outbox.take()
    await outbox.failed(taken.id, "no such mailbox", retry_at=None, along=await outbox.along(taken))
    assert rows.sql("SELECT status, count(*) FROM outbox GROUP BY 1") == [("failed", 3)]
    await news(rows, 5)
    rows.clock.turn(seconds=11)
    assert await delivered(outbox) == [(LEAD, 1)], "the next is tried again"


async def test_quiet_hours_put_all_of_it_off(rows: Rows, outbox: Outbox) -> None:
    await news(rows, 1)
    rows.clock.turn(seconds=11)
    (taken,) = await outbox.take()
    await outbox.postpone(taken.id, rows.clock.now() + timedelta(hours=6))
    await news(rows, 2)
    rows.clock.turn(hours=1)
    assert await delivered(outbox) == []
    rows.clock.turn(hours=5)
    assert await delivered(outbox) == [(LEAD, 2)]


async def test_sixty_escalations_are_one_mail_to_each(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    for n in range(60):
        incident_id = await tell(store, a_run(9000 + n, f"job {n % 8}", job_id=90 + n % 8))
        people = [LEAD, OWNER] if n % 2 else [LEAD]
        await store.notify(incident_id, "escalation", people, key="escalation/1", together=SOON)
    for _ in range(3):
        await Postman(mailing.runtime).deliver()
    assert Counter(m["To"] for m in mailbox.messages) == {LEAD: 1, OWNER: 1}
    mail = next(m for m in mailbox.messages if m["To"] == LEAD)
    assert "Escalated: 60 failed runs" in mail["Subject"]
    text = body(mail, "plain")
    assert "60 runs of 8 jobs failed by the same cause" in text
    assert "job 0, run 9000" in text and "job 5, run 9029" in text and "and 30 more" in text
    assert "/console?show=all&class=executor_oom" in text
    html = body(mail, "html")
    assert html.count("/console/incidents/inc_") == 30
    assert mailing.sql("SELECT status, count(*) FROM outbox GROUP BY 1") == [("sent", 90)]
    late = await tell(store, a_run(9100, "job late"))
    await store.notify(late, "escalation", [LEAD], key="escalation/1", together=SOON)
    await Postman(mailing.runtime).deliver()
    assert len(mailbox.messages) == 2, "the next comes later"


async def test_hostile_names_in_the_list_are_text(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    for n in range(2):
        run = a_run(9200 + n, f"<img src=x onerror=alert({n})>\r\nBcc: evil@example.com")
        await store.notify(
            await tell(store, run), "notification", [OWNER], key="notification/1", together=SOON
        )
    await Postman(mailing.runtime).deliver()
    (mail,) = mailbox.messages
    assert mail["Bcc"] is None and "2 failed runs" in mail["Subject"]
    assert "<img" not in body(mail, "html")
