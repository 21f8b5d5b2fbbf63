"""A second look over a real Postgres and a real workspace: what is attached afterwards leads to another proposal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.errors import Conflict
from core.incident import Decision, DecisionKind, Reviewer, Status
from server.attachments import keep_attachment
from tests.incident_stories import ask, tell
from tests.integration.test_api_access import a_problem
from tests.integration.test_what_is_seen import SHOT, events, facts, investigated
from tests.screenshots import LOOKS, screenshot
from tests.server_box import Box

ANNA = Reviewer(name="anna@example.com", role="approver")
RESET = b"ConnectionResetError: [Errno 104] Connection reset by peer\n"


async def approvals(box: Box, incident_id: str) -> list[tuple[Any, ...]]:
    return box.sql(
        "SELECT attempt, revision, status, action FROM approvals WHERE incident_id = %s ORDER BY created_at",
        incident_id,
    )


async def test_a_screenshot_that_comes_after_it_was_escalated(box: Box) -> None:
    incident_id = await investigated(box, "unknown_failure")
    assert (await box.runtime.store.incident(incident_id)).status == Status.ESCALATED
    anna = await box.as_("approver", "anna@example.com")
    await keep_attachment(box.runtime, incident_id, "shot.png", screenshot(SHOT, LOOKS["dark"]), ANNA)
    await box.runtime.advance(incident_id)  # attaching alone changes nothing
    assert (await box.runtime.store.incident(incident_id)).status == Status.ESCALATED
    answer = await anna.post(
        f"/api/v1/incidents/{incident_id}/investigate-again", json={"hint": "See the shot."}
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "investigating")
    assert box.jobs("advance")[-1] == incident_id
    await box.runtime.advance(incident_id)
    known = await facts(box, incident_id)
    assert known["diagnosis"]["failure_class"] == "module_not_found"
    assert [row[1] for row in await approvals(box, incident_id)] == [1, 2]
    assert (await events(box, incident_id, "second_look"))[0] == {
        "by": "anna@example.com",
        "attempt": 1,
        "revision": 2,
        "hint": "See the shot.",
    }
    assert len(await events(box, incident_id, "fetched")) == 2
    assert len(await events(box, incident_id, "finished")) == 2
    await box.runtime.advance(incident_id)  # its thread has ended again, and stays so
    assert len(await approvals(box, incident_id)) == 2


async def test_a_log_that_comes_after_it_was_escalated_gets_a_proposal_to_decide_on(box: Box) -> None:
    incident_id = await investigated(box, "unknown_failure")
    await keep_attachment(box.runtime, incident_id, "driver.log", RESET, ANNA)
    await box.runtime.store.look_again(incident_id, by=ANNA.name)
    await box.runtime.advance(incident_id)
    row = await box.runtime.store.incident(incident_id)
    assert (row.status, row.outcome) == (Status.AWAITING_APPROVAL, None)
    assert (await approvals(box, incident_id))[-1] == (1, 2, "pending", "RETRY")
    ((approval_id,),) = box.sql("SELECT id FROM approvals WHERE status = 'pending'")
    await box.runtime.store.decide(approval_id, Decision(kind=DecisionKind.APPROVE), ANNA)
    await box.runtime.advance(incident_id)
    assert box.sql("SELECT step, status FROM claims") == [("start", "done")]


async def test_what_waits_is_withdrawn_and_the_old_answer_is_refused(box: Box) -> None:
    incident_id = await investigated(box, "connection_reset")
    ((old,),) = box.sql("SELECT id FROM approvals WHERE status = 'pending'")
    await box.runtime.store.look_again(incident_id, by=ANNA.name)
    with pytest.raises(Conflict, match="superseded"):
        await box.runtime.store.decide(old, Decision(kind=DecisionKind.APPROVE), ANNA)
    await box.runtime.advance(incident_id)
    assert [row[1:3] for row in await approvals(box, incident_id)] == [(1, "superseded"), (2, "pending")]
    assert box.sql("SELECT * FROM claims") == []


async def test_asked_by_many_at_once_it_is_one(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    await ask(box.runtime.store, incident_id)
    anna = await box.as_("approver", "anna@example.com")
    path = f"/api/v1/incidents/{incident_id}/investigate-again"
    answers = await asyncio.gather(*(anna.post(path) for _ in range(8)))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 7
    assert len(await events(box, incident_id, "second_look")) == 1


async def test_the_same_request_again_is_answered_as_the_first(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    await ask(box.runtime.store, incident_id)
    anna = await box.as_("approver", "anna@example.com")
    path = f"/api/v1/incidents/{incident_id}/investigate-again"
    first, again = [await anna.post(path, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("status = 'new'", "has not looked yet"),
        ("status = 'investigating'", "right now"),
        ("status = 'acting'", "is acting on it"),
        ("status = 'verifying'", "waits for the run"),
        ("status = 'muted', muted = true", "Unmute"),
        ("status = 'taken_over', taken_over_by = 'ben'", "ben has taken"),
        ("status = 'broken'", "broken"),
        ("status = 'resolved', finished_at = now()", "resolved already"),
        ("status = 'awaiting_approval'", "decided on just now"),
    ],
)
async def test_when_nobody_waits_for_an_answer_it_is_refused(box: Box, change: str, says: str) -> None:
    incident_id = await tell(box.runtime.store)
    approval = await ask(box.runtime.store, incident_id)
    reject = Decision(kind=DecisionKind.REJECT)
    await box.runtime.store.decide(approval.id, reject, ANNA)
    box.sql(f"UPDATE incidents SET {change} WHERE id = %s", incident_id)
    before = box.sql("SELECT status, facts FROM incidents")
    anna = await box.as_("approver", "anna@example.com")
    body = a_problem(await anna.post(f"/api/v1/incidents/{incident_id}/investigate-again"), 409)
    assert says in body["detail"]
    assert box.sql("SELECT status, facts FROM incidents") == before


async def test_a_hint_is_kept_without_its_secrets(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    await ask(box.runtime.store, incident_id)
    await box.runtime.store.look_again(incident_id, by=ANNA.name, hint="password=hunter2hunter2")
    ((kept, event),) = box.sql(
        "SELECT facts::text, (SELECT data::text FROM events WHERE kind = 'second_look') FROM incidents"
    )
    assert "hunter2" not in kept + event and "REDACTED" in event
