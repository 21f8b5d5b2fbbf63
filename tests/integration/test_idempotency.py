"""A request that is sent again: whatever died when, it is done once, and its first answer is the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.errors import Unsettled
from core.incident import Reviewer
from store.idempotency import IdempotencyKeys, Receipt
from store.views import Answered
from tests.incident_stories import ask, tell
from tests.integration.test_api_access import a_problem
from tests.integration.test_api_groups import outage, seen
from tests.server_box import Box
from tests.store_rows import TurnedClock

ANNA = Reviewer(name="anna@example.com", role="approver", channel="api")
KEY = {"idempotency-key": "k"}
#: Nothing can be kept any more once the work's own transaction, which writes events, has ended.
DEATH = """
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM events WHERE xmin = pg_current_xact_id()::xid) THEN
    RAISE EXCEPTION 'the process has died';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER die BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION die();
"""
Sent = tuple[str, dict[str, Any]]


async def _one(box: Box, verb: str, body: dict[str, Any]) -> Sent:
    approval = await ask(
        box.runtime.store, await tell(box.runtime.store), approvers=[ANNA.name, "ben@example.com"]
    )
    return f"/api/v1/approvals/{approval.id}/{verb}", body


async def _group(box: Box, verb: str, body: dict[str, Any]) -> Sent:
    group_id, _ = await outage(box, 3, approvers=[ANNA.name, "ben@example.com"])
    if verb == "decision":
        body = {**body, "sha256": (await seen(await box.as_("approver", ANNA.name), group_id))["sha256"]}
    return f"/api/v1/groups/{group_id}/{verb}", body


async def _incident(box: Box, verb: str, body: dict[str, Any]) -> Sent:
    if verb:
        incident_id = await tell(box.runtime.store)
        await ask(box.runtime.store, incident_id)
        return f"/api/v1/incidents/{incident_id}/{verb}", body
    run_id = box.sandbox.control.start("connection_reset", webhook="lost")["run_id"]
    box.sandbox.control.finish(run_id)
    return "/api/v1/incidents", {"run_id": run_id}


@pytest.mark.parametrize(
    ("about", "verb", "body"),
    [
        (_one, "decision", {"decision": "approve", "comment": "yes"}),
        (_one, "delegate", {"to": "ben@example.com", "comment": "on a plane"}),
        (_one, "extend", {"seconds": 600}),
        (_group, "decision", {"decision": "approve"}),
        (_group, "delegate", {"to": "ben@example.com"}),
        (_group, "extend", {"seconds": 600}),
        (_incident, "", {}),
        (_incident, "investigate-again", {"hint": "see the log"}),
    ],
)
async def test_who_dies_when_the_work_is_done_has_answered(
    box: Box, about: Callable[..., Awaitable[Sent]], verb: str, body: dict[str, Any]
) -> None:
    where, body = await about(box, verb, body)
    anna = await box.as_("approver", ANNA.name)
    box.sql(DEATH)
    first = await anna.post(where, json=body, headers=KEY)
    again = await anna.post(where, json=body, headers=KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (first.status_code, "true")
    assert again.status_code == (201 if where.endswith("incidents") else 200)
    assert again.json() == first.json() and again.headers.get("location") == first.headers.get("location")
    kinds = "('decided', 'delegated', 'extended', 'opened', 'second_look')"
    twice = f"SELECT incident_id, kind FROM events WHERE kind IN {kinds} GROUP BY 1, 2 HAVING count(*) > 1"
    assert box.sql(twice) == []


async def test_what_is_not_known_yet_is_no_refusal(box: Box) -> None:
    where, body = await _one(box, "extend", {"seconds": 600})
    anna = await box.as_("approver", ANNA.name)
    await anna.post(where, json=body, headers=KEY)
    box.sql("UPDATE idempotency_keys SET status = NULL, body = NULL, headers = NULL")
    unknown = await anna.post(where, json=body, headers=KEY)
    said = a_problem(unknown, 503)
    assert said["title"] == "Not known yet" and "Send the very same request again" in said["hint"]
    assert int(unknown.headers["retry-after"]) > 0


async def test_who_was_given_up_can_not_do_it_beside_who_took_over(box: Box) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store))
    clock = TurnedClock()
    keys = IdempotencyKeys(box.runtime.db, clock)
    slow = await keys.begin(ANNA.name, "k", "0" * 64)
    with pytest.raises(Unsettled):
        await keys.begin(ANNA.name, "k", "0" * 64)
    clock.turn(seconds=61)
    quick = await keys.begin(ANNA.name, "k", "0" * 64)
    assert isinstance(slow, Receipt) and isinstance(quick, Receipt)

    def keeping(receipt: Receipt) -> Any:
        async def keep(session: Any, answer: Any) -> None:
            await receipt.keep(session, Answered(status=200, body=answer.model_dump(mode="json")))

        return keep

    with pytest.raises(Unsettled):
        await store.extend(approval.id, ANNA, seconds=60, keep=keeping(slow))
    assert await store.approval(approval.id) == approval, "what could not be kept was not done"
    done = await store.extend(approval.id, ANNA, seconds=60, keep=keeping(quick))
    await keys.forget(quick)
    found = await keys.begin(ANNA.name, "k", "0" * 64)
    assert isinstance(found, Answered) and found.body == done.model_dump(mode="json")
