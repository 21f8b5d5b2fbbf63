"""Beside deciding: asking another approver too, taking more time once, sending a request twice, and rating."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.settings import Settings
from sandbox.process import SandboxProcess
from tests.incident_stories import ask, tell
from tests.integration.test_api_access import a_problem
from tests.integration.test_api_approvals import path, pending
from tests.server_box import Box

APPROVALS = "/api/v1/approvals"
POLICY = """
defaults: {approvers: [anna@example.com]}
jobs:
  - match: {name: "other*"}
    rules: {approvers: [carl@example.com], escalate_to: [dora@example.com]}
"""


@pytest.fixture
def box_settings(box_settings: Settings, tmp_path: Path) -> Settings:
    """The service with a policy that names people."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    return box_settings.model_copy(update={"policy": policy})


# Delegating


async def test_who_is_delegated_to_may_decide_and_is_asked_and_who_delegated_still_may(box: Box) -> None:
    approval = await pending(box, approvers=["anna@example.com"])
    anna = await box.as_("approver", "anna@example.com")
    ben = await box.as_("approver", "ben@example.com")
    a_problem(await ben.post(path(approval), json={"decision": "approve"}), 403)
    body = {"to": "Ben@example.com", "comment": "I am on a plane"}
    given = await anna.post(f"{APPROVALS}/{approval.id}/delegate", json=body)
    assert given.status_code == 200
    assert given.json()["approvers"] == ["anna@example.com", "Ben@example.com"]
    assert given.json()["payload_sha256"] == approval.payload_sha256
    asked = "SELECT recipient, payload->>'delegated_by' FROM outbox WHERE kind = 'approval'"
    assert box.sql(asked) == [("Ben@example.com", "anna@example.com")]
    ((by, to, channel),) = box.sql(
        "SELECT data->>'by', data->>'to', data->>'channel' FROM events WHERE kind = 'delegated'"
    )
    assert (by, to, channel) == ("anna@example.com", "Ben@example.com", "api")
    mine = (await ben.get(APPROVALS, params={"mine": True})).json()["items"]
    assert [m["approval"]["id"] for m in mine] == [approval.id]
    assert (await anna.get(APPROVALS, params={"mine": True})).json()["items"] == mine
    assert (await ben.post(path(approval), json={"decision": "approve"})).status_code == 200


async def test_who_was_asked_already_hears_that_it_is_handed_on_to_them_once(box: Box) -> None:
    people = ["anna@example.com", "ben@example.com"]
    approval = await pending(box, approvers=people, notify=people)
    anna = await box.as_("approver", "anna@example.com")
    where = f"{APPROVALS}/{approval.id}/delegate"
    for comment in ("on a plane", "on a plane", "still on it"):
        given = await anna.post(where, json={"to": "ben@example.com", "comment": comment})
        assert given.status_code == 200
    said = "SELECT payload->>'comment' FROM outbox WHERE recipient = 'ben@example.com' AND kind = 'approval' ORDER BY id"
    assert box.sql(said) == [(None,), ("on a plane",), ("still on it",)]
    problem = a_problem(await anna.post(where, json={"to": "Anna@example.com"}), 422)
    assert "That is you" in problem["detail"]


@pytest.mark.parametrize("to", ["carl@example.com", "dora@example.com"])
async def test_the_policy_names_who_may_be_asked(box: Box, to: str) -> None:
    approval = await pending(box, approvers=["anna@example.com"])
    anna = await box.as_("approver", "anna@example.com")
    assert (await anna.post(f"{APPROVALS}/{approval.id}/delegate", json={"to": to})).status_code == 200


async def test_nobody_hands_on_what_is_not_theirs_and_nothing_to_just_anybody(box: Box) -> None:
    approval = await pending(box, approvers=["anna@example.com"])
    where = f"{APPROVALS}/{approval.id}/delegate"
    await box.as_("viewer", "vera@example.com")
    for caller, to, status in (
        (await box.as_("approver", "anna@example.com"), "stranger@example.com", 422),
        (await box.as_("approver", "anna@example.com"), "vera@example.com", 422),
        (await box.as_("approver", "ben@example.com"), "ben@example.com", 403),
        (await box.as_("viewer", "anna@example.com"), "carl@example.com", 403),
    ):
        a_problem(await caller.post(where, json={"to": to}), status)
    assert (await box.runtime.store.approval(approval.id)).approvers == ["anna@example.com"]
    anna = await box.as_("approver", "anna@example.com")
    await anna.post(path(approval), json={"decision": "reject"})
    a_problem(await anna.post(where, json={"to": "carl@example.com"}), 409)


# More time


async def test_time_is_extended_once(box: Box) -> None:
    approval = await pending(box, ttl_seconds=3600)
    anna = await box.as_("approver", "anna@example.com")
    where = f"{APPROVALS}/{approval.id}/extend"
    given = (await anna.post(where)).json()
    ((seconds, wakes),) = box.sql(
        "SELECT extract(epoch FROM a.expires_at - a.created_at)::float, i.wake_at = a.expires_at"
        " FROM approvals a JOIN incidents i ON i.id = a.incident_id"
    )
    assert (seconds, wakes) == (7200.0, True)
    assert given["extended_at"] and given["expires_at"] > (approval.expires_at or "")
    body = a_problem(await anna.post(where, json={"seconds": 60}), 409)
    assert "already" in body["detail"]
    assert (await box.runtime.store.approval(approval.id)).expires_at == given["expires_at"]


async def test_an_extension_has_its_bounds(box: Box) -> None:
    approval = await pending(box, approvers=["anna@example.com"])
    where = f"{APPROVALS}/{approval.id}/extend"
    anna = await box.as_("approver", "anna@example.com")
    for seconds in (0, -5, 8 * 86400, "soon"):
        a_problem(await anna.post(where, json={"seconds": seconds}), 422)
    a_problem(await (await box.as_("approver", "ben@example.com")).post(where), 403)
    late = await ask(box.runtime.store, approval.incident_id, ttl_seconds=0.001, attempt=2)
    await asyncio.sleep(0.01)
    a_problem(await anna.post(f"{APPROVALS}/{late.id}/extend"), 410)


# Sent twice


async def test_the_same_key_is_answered_the_same(box: Box) -> None:
    approval = await pending(box)
    anna = await box.as_("approver", "anna@example.com")
    where, key = f"{APPROVALS}/{approval.id}/extend", {"idempotency-key": "k-1"}
    first = await anna.post(where, json={"seconds": 600}, headers=key)
    again = await anna.post(where, json={"seconds": 600}, headers=key)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert "idempotency-replayed" not in first.headers and again.headers["idempotency-replayed"] == "true"
    a_problem(await anna.post(where, json={"seconds": 601}, headers=key), 422)
    a_problem(await anna.post(path(approval), json={"decision": "approve"}, headers=key), 422)
    ben = await box.as_("approver", "ben@example.com")
    a_problem(await ben.post(where, json={"seconds": 600}, headers=key), 409)  # another's key is another key


async def test_a_refusal_is_remembered_too_and_a_caller_who_may_not_is_not(box: Box) -> None:
    approval = await pending(box, approvers=["anna@example.com"])
    ben, root = await box.as_("approver", "ben@example.com"), await box.as_("admin")
    key = {"idempotency-key": "k-2"}
    wrong = {"decision": "edit", "params": {"nonsense": 1}}
    first = a_problem(await root.post(path(approval), json=wrong, headers=key), 422)
    again = await root.post(path(approval), json=wrong, headers=key)
    assert a_problem(again, 422) == first and again.headers["idempotency-replayed"] == "true"
    approve = {"decision": "approve"}
    a_problem(await ben.post(path(approval), json=approve, headers=key), 403)
    anna = await box.as_("approver", "anna@example.com")
    await anna.post(f"{APPROVALS}/{approval.id}/delegate", json={"to": "ben@example.com"})
    assert (await ben.post(path(approval), json=approve, headers=key)).status_code == 200


async def test_of_many_sent_at_once_with_one_key_one_is_done(box: Box) -> None:
    approval = await pending(box)
    anna = await box.as_("approver", "anna@example.com")
    key = {"idempotency-key": "k-3"}
    where = f"{APPROVALS}/{approval.id}/extend"
    answers = await asyncio.gather(*(anna.post(where, json={"seconds": 60}, headers=key) for _ in range(6)))
    assert {a.status_code for a in answers} <= {200, 503}
    assert all("retry-after" in a.headers for a in answers if a.status_code == 503)
    assert (await anna.post(where, json={"seconds": 60}, headers=key)).status_code == 200
    assert box.sql("SELECT count(*) FROM events WHERE kind = 'extended'") == [(1,)]


async def test_asking_for_an_incident_twice(box: Box, sandbox: SandboxProcess) -> None:
    anna = await box.as_("approver", "anna@example.com")
    body, key = {"run_id": 999_999_999}, {"idempotency-key": "k-4"}
    a_problem(await anna.post("/api/v1/incidents", json=body, headers=key), 404)
    a_problem(await anna.post("/api/v1/incidents", json={"run_id": 1}, headers=key), 422)


@pytest.mark.parametrize("key", ["", "x" * 201, "with blank"])
async def test_keys_that_are_none(box: Box, key: str) -> None:
    approval = await pending(box)
    anna = await box.as_("approver")
    a_problem(
        await anna.post(path(approval), json={"decision": "approve"}, headers={"idempotency-key": key}), 422
    )


# Rating


async def test_a_rating_is_kept_with_the_decision(box: Box) -> None:
    anna = await box.as_("approver", "anna@example.com")
    approval = await pending(box)
    decided = await anna.post(path(approval), json={"decision": "approve", "useful": False})
    assert decided.json()["useful"] is False
    assert box.sql("SELECT data->>'useful' FROM events WHERE kind = 'decided'") == [("false",)]
    a_problem(await anna.post(path(approval), json={"decision": "approve", "useful": "very"}), 422)


async def test_who_was_asked_is_told_how_it_ended(box: Box) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store), notify=["anna@example.com", "slack:#data"])
    await (await box.as_("admin")).post(path(approval), json={"decision": "reject"})
    settled = "SELECT recipient, payload->>'approval_id' FROM outbox WHERE kind = 'settled' ORDER BY 1"
    assert box.sql(settled) == [("anna@example.com", approval.id), ("slack:#data", approval.id)]
