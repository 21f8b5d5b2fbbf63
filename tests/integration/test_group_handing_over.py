"""A group's question handed on, and given more time: for all that wait, in one transaction and one message."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.settings import Settings
from store.fleet import Fleet
from tests.incident_stories import a_run, ask, tell
from tests.integration.test_api_access import a_problem
from tests.integration.test_api_console import csrf, signed_in
from tests.integration.test_api_groups import LAKE, outage, path, seen
from tests.server_box import Box

ANNA, BEN = "anna@example.com", "ben@example.com"
POLICY = "defaults: {approvers: [anna@example.com], escalate_to: [carl@example.com]}\n"


@pytest.fixture
def box_settings(box_settings: Settings, tmp_path: Path) -> Settings:
    """The service with a policy that names people."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    return box_settings.model_copy(update={"policy": policy})


def to(group_id: str, verb: str) -> str:
    return f"/api/v1/groups/{group_id}/{verb}"


async def joins(box: Box, run_id: int) -> None:
    run = a_run(run_id, f"job {run_id}", job_id=run_id)
    await ask(box.runtime.store, await tell(box.runtime.store, run), grouping=LAKE, approvers=[ANNA])


async def approves(who: httpx.AsyncClient, group_id: str) -> httpx.Response:
    sha256 = (await seen(who, group_id))["sha256"]
    return await who.post(path(group_id), json={"decision": "approve", "sha256": sha256})


async def test_handed_on_it_is_one_message_and_one_may_answer_for_all(box: Box) -> None:
    group_id, _ = await outage(box, 4, approvers=[ANNA])
    anna, ben = await box.as_("approver", ANNA), await box.as_("approver", BEN)
    a_problem(await approves(ben, group_id), 403)
    body = {"to": BEN, "comment": "I am on a plane"}
    given = await anna.post(to(group_id, "delegate"), json=body)
    assert given.status_code == 200 and given.json()["approvers"] == [ANNA, BEN]
    told = box.sql(
        "SELECT recipient, payload->>'group_id', payload->>'delegated_by', payload->>'comment' FROM outbox"
        " WHERE kind = 'approval'"
    )
    assert told == [(BEN, group_id, ANNA, "I am on a plane")]
    trail = box.sql(
        "SELECT count(DISTINCT incident_id), min(data->>'to'), min(data->>'group_id') FROM events"
        " WHERE kind = 'delegated'"
    )
    assert trail == [(4, BEN, group_id)]
    await joins(box, 7001)
    assert (await seen(ben, group_id))["approvers"] == [ANNA, BEN], "also for who joins this question"
    assert (await approves(ben, group_id)).status_code == 200
    await joins(box, 7002)
    assert (await seen(ben, group_id))["approvers"] == [ANNA], "but not for the next one"
    a_problem(await approves(ben, group_id), 403)


async def test_handed_on_again_for_the_same_members_nobody_is_asked_twice(box: Box) -> None:
    group_id, _ = await outage(box, 2, approvers=[ANNA])
    await box.token(BEN, "approver")
    anna = await box.as_("approver", ANNA)
    for _ in range(2):
        assert (await anna.post(to(group_id, "delegate"), json={"to": BEN})).status_code == 200
    assert box.sql("SELECT count(*) FROM outbox WHERE kind = 'approval'") == [(1,)]


@pytest.mark.parametrize(
    ("who", "role", "body", "status"),
    [
        (ANNA, "approver", {"to": "stranger@example.com"}, 422),
        (ANNA, "approver", {"to": "vera@example.com"}, 422),
        (ANNA, "approver", {"to": ""}, 422),
        (ANNA, "approver", {"to": BEN, "more": 1}, 422),
        (BEN, "approver", {"to": BEN}, 403),
        (ANNA, "viewer", {"to": "carl@example.com"}, 403),
    ],
)
async def test_nothing_goes_to_just_anybody_or_from_them(
    box: Box, who: str, role: str, body: dict[str, Any], status: int
) -> None:
    group_id, approvals = await outage(box, 3, approvers=[ANNA])
    await box.token("vera@example.com", "viewer")
    a_problem(await (await box.as_(role, who)).post(to(group_id, "delegate"), json=body), status)
    for approval in approvals:
        assert (await box.runtime.store.approval(approval.id)).approvers == [ANNA]
    assert box.sql("SELECT count(*) FROM events WHERE kind = 'delegated'") == [(0,)]


async def test_who_was_handed_one_member_alone_does_not_get_the_group(box: Box) -> None:
    group_id, approvals = await outage(box, 3, approvers=[ANNA])
    anna, ben = await box.as_("approver", ANNA), await box.as_("approver", BEN)
    single = f"/api/v1/approvals/{approvals[0].id}/delegate"
    assert (await anna.post(single, json={"to": BEN})).status_code == 200
    for verb, body in (("delegate", {"to": BEN}), ("extend", {"seconds": 60})):
        a_problem(await ben.post(to(group_id, verb), json=body), 403)
    a_problem(await approves(ben, group_id), 403)


async def test_time_is_extended_once_for_each(box: Box) -> None:
    group_id, approvals = await outage(box, 3, approvers=[ANNA], ttl_seconds=3600)
    anna = await box.as_("approver", ANNA)
    alone = f"/api/v1/approvals/{approvals[0].id}/extend"
    assert (await anna.post(alone, json={"seconds": 60})).status_code == 200
    given = await anna.post(
        to(group_id, "extend"), json={"seconds": 600, "comment": "asking the lake's people"}
    )
    assert given.status_code == 200
    rows = [await box.runtime.store.approval(a.id) for a in approvals]
    longer = [
        (datetime.fromisoformat(now.expires_at or "") - datetime.fromisoformat(was.expires_at or "")).seconds
        for now, was in zip(rows, approvals, strict=True)
    ]
    assert longer == [60, 600, 600]
    problem = a_problem(await anna.post(to(group_id, "extend"), json={"seconds": 600}), 409)
    assert "extended already" in problem["detail"]
    said = box.sql("SELECT count(*) FROM events WHERE kind = 'extended' AND data->>'comment' LIKE 'asking%%'")
    assert said == [(2,)]


async def test_too_long_is_refused_for_all(box: Box) -> None:
    group_id, approvals = await outage(box, 2, approvers=[ANNA])
    anna = await box.as_("approver", ANNA)
    a_problem(await anna.post(to(group_id, "extend"), json={"seconds": 8 * 86400}), 422)
    for approval in approvals:
        assert (await box.runtime.store.approval(approval.id)).expires_at == approval.expires_at


async def test_when_nobody_waits_there_is_nothing_to_hand_on(box: Box) -> None:
    group_id, _ = await outage(box, 2, approvers=[ANNA])
    anna = await box.as_("approver", ANNA)
    assert (await approves(anna, group_id)).status_code == 200
    a_problem(await anna.post(to(group_id, "delegate"), json={"to": "carl@example.com"}), 409)
    a_problem(await anna.post(to(group_id, "extend")), 409)
    a_problem(await anna.post(to("grp_none", "extend")), 404)


async def test_sent_again_it_is_done_once(box: Box) -> None:
    group_id, _ = await outage(box, 2, approvers=[ANNA])
    anna = await box.as_("approver", ANNA)
    headers = {"idempotency-key": "7f3a"}
    for replayed in (None, "true"):
        answer = await anna.post(to(group_id, "extend"), json={"seconds": 60}, headers=headers)
        assert (answer.status_code, answer.headers.get("idempotency-replayed")) == (200, replayed)


async def test_the_consoles_page_hands_on_and_extends(box: Box) -> None:
    group_id, approvals = await outage(box, 2, approvers=[ANNA])
    browser = await signed_in(box)
    page = await browser.get(f"/console/groups/{group_id}")
    where = f"/console/groups/{group_id}"
    form = {"csrf": csrf(page), "to": "carl@example.com", "comment": "your turn"}
    assert (await browser.post(f"{where}/delegate", data={**form, "csrf": "0" * 64})).status_code == 403
    wrong = await browser.post(f"{where}/delegate", data={**form, "to": "nobody@example.com"})
    assert wrong.status_code == 422 and "is no approver" in wrong.text
    done = await browser.post(f"{where}/delegate", data=form)
    assert (done.status_code, done.headers["location"]) == (303, where)
    assert (await browser.post(f"{where}/extend", data={**form, "seconds": "soon"})).status_code == 422
    assert (await browser.post(f"{where}/extend", data={**form, "seconds": "3600"})).status_code == 303
    rows = [await box.runtime.store.approval(a.id) for a in approvals]
    assert all(row.approvers == [ANNA, "carl@example.com"] and row.extended_at for row in rows)
    again = await browser.post(f"{where}/extend", data=form)
    assert again.status_code == 409 and "extended already" in again.text


async def test_the_consoles_form_leaves_hundreds_out(box: Box) -> None:
    group_id, _ = await outage(box, 2, approvers=[ANNA])
    browser = await signed_in(box)
    form = {"csrf": csrf(await browser.get(f"/console/groups/{group_id}")), "kind": "approve"}
    given = {**form, "sha256": (await box.runtime.groups.get(group_id)).sha256 or ""}
    strangers = [f"apr_{n}" for n in range(400)]
    answer = await browser.post(f"/console/groups/{group_id}/decision", data={**given, "except": strangers})
    assert answer.status_code == 422 and "not among the members" in answer.text


async def test_the_consoles_form_rates_the_analysis_for_every_member(box: Box) -> None:
    group_id, approvals = await outage(box, 3, approvers=[ANNA])
    browser = await signed_in(box)
    page = await browser.get(f"/console/groups/{group_id}")
    assert 'name="useful"' in page.text
    sha256 = (await box.runtime.groups.get(group_id)).sha256 or ""
    form = {"csrf": csrf(page), "kind": "approve", "sha256": sha256, "useful": "no"}
    assert (await browser.post(f"/console/groups/{group_id}/decision", data=form)).status_code == 303
    assert [(await box.runtime.store.approval(a.id)).useful for a in approvals] == [False] * 3
    trail = box.sql("SELECT data->'useful' FROM events WHERE kind = 'decided'")
    assert trail == [(False,)] * 3
    now = box.runtime.clock.now()
    numbers = await Fleet(box.runtime.db).measure(now - timedelta(days=1), now + timedelta(days=1))
    assert [(count.name, count.count) for count in numbers.useful] == [("not useful", 3)]
