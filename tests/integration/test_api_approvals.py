"""Deciding over HTTP: once, by whom it is for, on what was seen, in time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.incident_stories import MEMORY, a_proposal, a_run, ask, tell
from tests.integration.test_api_access import a_problem
from tests.server_box import Box


async def pending(box: Box, **more: Any) -> Any:
    """An approval that waits, on an incident of its own."""
    return await ask(box.runtime.store, await tell(box.runtime.store), **more)


def path(approval: Any) -> str:
    return f"/api/v1/approvals/{approval.id}/decision"


async def test_approving_wakes_the_incident(box: Box) -> None:
    approval = await pending(box)
    anna = await box.as_("approver", "anna@example.com")
    body = {"decision": "approve", "payload_sha256": approval.payload_sha256, "comment": "go"}
    answer = await anna.post(path(approval), json=body)
    assert answer.status_code == 200
    decided = answer.json()
    assert (decided["status"], decided["decided_by"], decided["channel"], decided["comment"]) == (
        "approved",
        "anna@example.com",
        "api",
        "go",
    )
    assert box.jobs("advance") == [approval.incident_id]
    again = await anna.post(path(approval), json=body)
    assert again.json() == decided
    assert box.jobs("advance") == [approval.incident_id]


async def test_the_second_different_decision_is_told_the_first_ones_facts(box: Box) -> None:
    approval = await pending(box)
    anna = await box.as_("approver", "anna@example.com")
    ben = await box.as_("approver", "ben@example.com")
    await anna.post(path(approval), json={"decision": "reject", "comment": "not at night"})
    body = a_problem(await ben.post(path(approval), json={"decision": "approve"}), 409)
    assert body["title"] == "Decided already"
    assert body["approval"]["decided_by"] == "anna@example.com"
    assert body["approval"]["status"] == "rejected"
    assert body["approval"]["comment"] == "not at night"


async def test_of_many_who_decide_at_once_one_does(box: Box) -> None:
    approval = await pending(box)
    clients = [await box.as_("approver", f"p{n}@example.com") for n in range(6)]
    answers = await asyncio.gather(
        *(
            client.post(path(approval), json={"decision": "approve" if n % 2 else "reject"})
            for n, client in enumerate(clients)
        )
    )
    assert sorted(a.status_code for a in answers) == [200] + [409] * 5
    winner = next(a.json() for a in answers if a.status_code == 200)
    assert (await box.runtime.store.approval(approval.id)).decided_by == winner["decided_by"]
    assert box.jobs("advance") == [approval.incident_id]


async def test_another_payload_than_was_seen(box: Box) -> None:
    approval = await pending(box)
    anna = await box.as_("approver")
    body = a_problem(
        await anna.post(path(approval), json={"decision": "approve", "payload_sha256": "0" * 64}), 409
    )
    assert body["title"] == "Conflict"
    assert (await box.runtime.store.approval(approval.id)).status == "pending"
    a_problem(await anna.post(path(approval), json={"decision": "approve", "payload_sha256": "short"}), 422)


async def test_too_late(box: Box) -> None:
    approval = await pending(box, ttl_seconds=0.001)
    await asyncio.sleep(0.01)
    a_problem(await (await box.as_("approver")).post(path(approval), json={"decision": "approve"}), 410)


async def test_only_those_whom_the_policy_names(box: Box) -> None:
    approval = await pending(box, approvers=["anna@example.com"])
    ben = await box.as_("approver", "ben@example.com")
    for who in (ben, await box.as_("viewer", "anna@example.com")):
        a_problem(await who.post(path(approval), json={"decision": "approve"}), 403)
    assert (await ben.get("/api/v1/approvals", params={"mine": True})).json()["items"] == []
    anna = await box.as_("approver", "Anna@example.com")
    (mine,) = (await anna.get("/api/v1/approvals", params={"mine": True})).json()["items"]
    assert mine["approval"]["id"] == approval.id
    assert mine["incident"]["id"] == approval.incident_id
    assert (await anna.post(path(approval), json={"decision": "approve"})).status_code == 200


async def test_an_edit_is_held_to_the_action_and_hashed_anew(box: Box) -> None:
    approval = await pending(box)
    anna = await box.as_("approver")
    wrong = {"decision": "edit", "params": {"task_keys": ["aggregate"], "delete_everything": True}}
    a_problem(await anna.post(path(approval), json=wrong), 422)
    a_problem(await anna.post(path(approval), json={"decision": "edit"}), 422)
    params = {**a_proposal().params, "settings": [{"path": MEMORY, "current": "8g", "proposed": "12g"}]}
    decided = (await anna.post(path(approval), json={"decision": "edit", "params": params})).json()
    assert decided["status"] == "edited"
    assert decided["proposal"]["params"]["settings"][0]["proposed"] == "12g"
    assert decided["payload_sha256"] != approval.payload_sha256


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "maybe"},
        {"decision": "respond"},
        {"decision": "approve", "then": "terminate"},
        {"decision": "reject", "then": "explode"},
        {"decision": "approve", "unknown": 1},
        {"decision": "approve", "comment": "x" * 5000},
    ],
)
async def test_what_is_no_decision_changes_nothing(box: Box, body: dict[str, Any]) -> None:
    approval = await pending(box)
    a_problem(await (await box.as_("admin")).post(path(approval), json=body), 422)
    assert (await box.runtime.store.approval(approval.id)).status == "pending"


async def test_rejecting_may_hand_it_to_the_reviewer(box: Box) -> None:
    approval = await pending(box)
    anna = await box.as_("approver", "anna@example.com")
    decided = (await anna.post(path(approval), json={"decision": "reject", "then": "take_over"})).json()
    assert (decided["status"], decided["then"]) == ("rejected", "take_over")
    story = (await anna.get(f"/api/v1/incidents/{approval.incident_id}")).json()
    assert story["taken_over_by"] == "anna@example.com"


async def test_approvals_are_listed_and_shown(box: Box) -> None:
    store = box.runtime.store
    made = [await ask(store, await tell(store, a_run(n))) for n in (1, 2, 3)]
    viewer = await box.as_("viewer")
    page = (await viewer.get("/api/v1/approvals", params={"limit": 2})).json()
    assert [i["approval"]["id"] for i in page["items"]] == [made[2].id, made[1].id]
    rest = (await viewer.get("/api/v1/approvals", params={"cursor": page["next_cursor"]})).json()
    assert [i["approval"]["id"] for i in rest["items"]] == [made[0].id]
    one = (await viewer.get(f"/api/v1/approvals/{made[0].id}")).json()
    assert one["approval"]["payload_sha256"] == made[0].payload_sha256
    a_problem(await viewer.get("/api/v1/approvals/apr_nothing"), 404)
    approver = await box.as_("approver")
    a_problem(
        await approver.post("/api/v1/approvals/apr_nothing/decision", json={"decision": "approve"}), 404
    )


async def test_a_get_decides_nothing(box: Box) -> None:
    approval = await pending(box)
    admin = await box.as_("admin")
    a_problem(await admin.get(path(approval), params={"decision": "approve"}), 405)
    assert (await box.runtime.store.approval(approval.id)).status == "pending"
