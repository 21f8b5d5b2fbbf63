"""Groups over HTTP and in the console: seen, decided on together, refused where a decision on one would be."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from core.groups import Cause, Grouping
from core.incident import Approval
from tests.incident_stories import a_run, ask, tell
from tests.integration.test_api_access import a_problem
from tests.integration.test_api_console import EVIL, csrf, signed_in
from tests.server_box import Box

LAKE = Grouping(
    cause=Cause(kind="endpoint", value="acmelake.dfs.core.windows.net"),
    window_seconds=900,
    settle_seconds=10,
    update_seconds=300,
    per_minute=60,
    at_once=10,
)


async def outage(box: Box, members: int = 3, **more: Any) -> tuple[str, list[Approval]]:
    """This many incidents of one cause, each of its own job; the group's id and the approvals."""
    given = {"grouping": LAKE, **more}
    asked = []
    for n in range(members):
        run = a_run(5000 + n, f"job {n}", job_id=40 + n)
        asked.append(await ask(box.runtime.store, await tell(box.runtime.store, run), **given))
    return (await box.runtime.groups.listed()).items[0].id, asked


async def seen(client: httpx.AsyncClient, group_id: str) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/groups/{group_id}")
    assert answer.status_code == 200
    return answer.json()


def path(group_id: str) -> str:
    return f"/api/v1/groups/{group_id}/decision"


async def test_a_group_is_listed_told_and_decided(box: Box) -> None:
    group_id, asked = await outage(box)
    anna = await box.as_("approver", "anna@example.com")
    listed = (await anna.get("/api/v1/groups")).json()["items"]
    assert [(g["id"], g["pending"], g["jobs"]) for g in listed] == [(group_id, 3, 3)]
    group = await seen(anna, group_id)
    assert group["cause"] == {"kind": "endpoint", "value": "acmelake.dfs.core.windows.net"}
    assert {i["payload_sha256"] for i in group["items"]} == {a.payload_sha256 for a in asked}
    body = {
        "decision": "approve",
        "sha256": group["sha256"],
        "except": [asked[2].incident_id],
        "comment": "go",
        "useful": True,
    }
    answer = await anna.post(path(group_id), json=body)
    assert answer.status_code == 200
    assert answer.json()["counts"] == {"acting": 1, "waiting": 1, "pending": 1}
    assert (await anna.post(path(group_id), json=body)).json() == answer.json(), "the same again"
    rated = box.sql("SELECT DISTINCT useful FROM approvals WHERE status = 'approved'")
    assert rated == [(True,)]
    told = (await anna.get(f"/api/v1/incidents/{asked[0].incident_id}")).json()
    assert told["group"] == {"id": group_id, "pending": 1}
    assert (told["approvals"][-1]["channel"], told["approvals"][-1]["comment"]) == ("api", "go")
    assert (await anna.get("/api/v1/groups", params={"status": "all"})).json()["items"][0]["pending"] == 1


async def test_approvals_are_listed_once_for_a_group(box: Box) -> None:
    group_id, asked = await outage(box, 4)
    anna = await box.as_("approver")
    items = (await anna.get("/api/v1/approvals")).json()["items"]
    assert [(i["approval"]["id"], i["group"]) for i in items] == [
        (asked[0].id, {"id": group_id, "pending": 4})
    ]
    assert len((await anna.get("/api/v1/approvals", params={"each": True})).json()["items"]) == 4


async def test_an_old_hash_is_told_how_the_group_is_now(box: Box) -> None:
    group_id, asked = await outage(box)
    anna = await box.as_("approver")
    before = await seen(anna, group_id)
    await anna.post(f"/api/v1/approvals/{asked[1].id}/decision", json={"decision": "approve"})
    problem = a_problem(
        await anna.post(path(group_id), json={"decision": "approve", "sha256": before["sha256"]}), 409
    )
    now = problem["group"]
    assert (now["pending"], now["id"]) == (2, group_id)
    again = await anna.post(path(group_id), json={"decision": "approve", "sha256": now["sha256"]})
    assert again.status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"decision": "approve"}, 422),
        ({"decision": "approve", "sha256": "x"}, 422),
        ({"decision": "edit", "sha256": "0" * 64}, 422),
        ({"decision": "approve", "sha256": "0" * 64}, 409),
        ({"decision": "approve", "sha256": "NOW", "then": "terminate"}, 422),
        ({"decision": "respond", "sha256": "NOW"}, 422),
        ({"decision": "approve", "sha256": "NOW", "params": {}}, 422),
        ({"decision": "approve", "sha256": "NOW", "except": ["inc_other"]}, 422),
        ({"decision": "approve", "sha256": "NOW", "except": "inc_other"}, 422),
    ],
)
async def test_what_is_no_decision_changes_nothing(box: Box, body: dict[str, Any], status: int) -> None:
    group_id, _ = await outage(box)
    anna = await box.as_("approver")
    sha256 = (await seen(anna, group_id))["sha256"]
    sent = {key: sha256 if value == "NOW" else value for key, value in body.items()}
    a_problem(await anna.post(path(group_id), json=sent), status)
    assert (await seen(anna, group_id))["pending"] == 3
    assert box.jobs("advance") == []


async def test_who_may_not_and_who_is_nobody(box: Box) -> None:
    group_id, _ = await outage(box, approvers=["anna@example.com"])
    sha256 = (await box.runtime.groups.get(group_id)).sha256
    body = {"decision": "approve", "sha256": sha256}
    for role in ("viewer", "approver"):
        a_problem(
            await (await box.as_(role, f"other-{role}@example.com")).post(path(group_id), json=body), 403
        )
    a_problem(await box.client().post(path(group_id), json=body), 401)
    a_problem(await box.client().get(f"/api/v1/groups/{group_id}"), 401)
    anna = await box.as_("approver", "anna@example.com")
    a_problem(await anna.post(path("grp_none"), json=body), 404)
    assert (await anna.post(path(group_id), json=body)).status_code == 200


async def test_the_console_shows_it_and_decides_by_its_form_alone(box: Box) -> None:
    group_id, asked = await outage(box)
    browser = await signed_in(box)
    assert group_id in (await browser.get("/console/groups")).text
    page = await browser.get(f"/console/groups/{group_id}")
    assert "One decision for 3" in page.text and "job 2" in page.text
    sha256 = (await box.runtime.groups.get(group_id)).sha256 or ""
    form = {"csrf": csrf(page), "kind": "approve", "sha256": sha256, "except": [asked[2].id]}
    assert (await browser.get(f"/console/groups/{group_id}/decision", params=form)).status_code == 405
    wrong = await browser.post(f"/console/groups/{group_id}/decision", data={**form, "csrf": "0" * 64})
    assert wrong.status_code == 403
    assert box.jobs("advance") == []
    done = await browser.post(f"/console/groups/{group_id}/decision", data=form)
    assert (done.status_code, done.headers["location"]) == (303, f"/console/groups/{group_id}")
    assert box.jobs("advance") == [asked[0].incident_id]
    live = await browser.get(f"/console/groups/{group_id}/live", params={"seen": sha256})
    assert "1 pending" in live.text and "goes first" in live.text and "Look again" in live.text
    stale = await browser.post(f"/console/groups/{group_id}/decision", data={**form, "kind": "reject"})
    assert stale.status_code == 409


async def test_names_and_causes_are_text(box: Box) -> None:
    run = a_run(6000, EVIL)
    diagnosis = {"category": "network", "failure_class": "x", "root_cause": EVIL, "fingerprint": "aa"}
    incident_id = await tell(box.runtime.store, run, diagnosis=diagnosis)
    await ask(box.runtime.store, incident_id, grouping=LAKE)
    group_id = (await box.runtime.groups.listed()).items[0].id
    browser = await signed_in(box)
    for page in (f"/console/groups/{group_id}", f"/console/groups/{group_id}/live"):
        text = (await browser.get(page)).text
        assert "<script>alert" not in text and "<img src=x" not in text and "{{ 7*7 }}" in text
