"""Separation of duties over HTTP: whoever started the run or edited the proposal needs somebody else's approval."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from core.incident import ApprovalStatus
from core.policy import Rules
from nodes.decide import approval_for
from tests.incident_stories import MEMORY, a_proposal, a_run, ask, tell
from tests.integration.test_api_access import a_problem
from tests.integration.test_api_console import csrf, signed_in
from tests.integration.test_review_links import asked, link_to, post
from tests.server_box import Box

ANNA, BEN = "anna@example.com", "ben@example.com"
SMALLER = {**a_proposal().params, "settings": [{"path": MEMORY, "current": "8g", "proposed": "12g"}]}


async def separated(box: Box, **more: Any) -> Any:
    known = {"approvers": [ANNA, BEN], "separate_duties": True}
    run = a_run(more.pop("run_id", 4711))
    return await ask(box.runtime.store, await tell(box.runtime.store, run), **{**known, **more})


def path(approval: Any) -> str:
    return f"/api/v1/approvals/{approval.id}/decision"


async def test_who_started_the_run_may_not_approve_it_and_may_reject_it(box: Box) -> None:
    approval = await separated(box, barred=["Anna@Example.com"])
    anna, ben = await box.as_("approver", ANNA), await box.as_("admin", BEN)
    refused = a_problem(await anna.post(path(approval), json={"decision": "approve"}), 403)
    assert "somebody else" in refused["detail"]
    as_admin = await box.as_("admin", ANNA)
    a_problem(await as_admin.post(path(approval), json={"decision": "approve"}), 403)
    assert (await ben.post(path(approval), json={"decision": "approve"})).json()["status"] == "approved"
    other = await separated(box, barred=[ANNA], attempt=2)
    assert (await anna.post(path(other), json={"decision": "reject"})).json()["status"] == "rejected"


async def test_an_edit_asks_somebody_else_and_authorises_nothing(box: Box) -> None:
    approval = await separated(box)
    anna, ben = await box.as_("approver", ANNA), await box.as_("approver", BEN)
    edit = {
        "decision": "edit",
        "params": SMALLER,
        "payload_sha256": approval.payload_sha256,
        "comment": "less",
    }
    edited = (await anna.post(path(approval), json=edit)).json()
    assert (edited["status"], edited["barred"], edited["decided_by"]) == ("pending", [ANNA], None)
    assert edited["payload_sha256"] != approval.payload_sha256
    assert edited["proposal"]["params"]["settings"][0]["proposed"] == "12g"
    assert (await anna.post(path(approval), json=edit)).json() == edited, "the same edit again"
    assert box.sql("SELECT count(*) FROM events WHERE kind = 'edited'") == [(1,)]
    assert box.sql("SELECT recipient, payload->>'edited_by' FROM outbox") == [(BEN, ANNA)]
    a_problem(await anna.post(path(approval), json={"decision": "approve"}), 403)
    stale = {"decision": "approve", "payload_sha256": approval.payload_sha256}
    a_problem(await ben.post(path(approval), json=stale), 409)
    seen = {"decision": "approve", "payload_sha256": edited["payload_sha256"]}
    decided = (await ben.post(path(approval), json=seen)).json()
    assert (decided["status"], decided["decided_by"]) == ("approved", BEN)
    assert decided["proposal"]["params"] == edited["proposal"]["params"]


async def test_two_who_edit_each_others_edits_need_a_third(box: Box) -> None:
    approval = await separated(box, approvers=[])
    for name, memory in ((ANNA, "12g"), (BEN, "14g")):
        params = {**SMALLER, "settings": [{**SMALLER["settings"][0], "proposed": memory}]}
        client = await box.as_("approver", name)
        assert (
            await client.post(path(approval), json={"decision": "edit", "params": params})
        ).status_code == 200
    for name in (ANNA, BEN):
        a_problem(
            await (await box.as_("admin", name)).post(path(approval), json={"decision": "approve"}), 403
        )
    carl = await box.as_("approver", "carl@example.com")
    assert (await carl.post(path(approval), json={"decision": "approve"})).json()["status"] == "approved"


async def test_it_holds_at_the_console(box: Box) -> None:
    approval = await separated(box)
    browser = await signed_in(box, name=ANNA)
    page = await browser.get(f"/console/incidents/{approval.incident_id}")
    assert ">Approve</button>" in page.text and "Edit, for somebody else to approve" in page.text
    form = {"csrf": csrf(page), "kind": "edit", "setting.0": "12g", "task_keys": "aggregate"}
    assert (await browser.post(f"/console/approvals/{approval.id}/decision", data=form)).status_code == 303
    answer = await browser.post(
        f"/console/approvals/{approval.id}/decision", data={**form, "kind": "approve"}
    )
    assert answer.status_code == 403 and "somebody else" in answer.text
    after = await browser.get(f"/console/incidents/{approval.incident_id}")
    assert "so somebody else approves it" in after.text
    assert ">Approve</button>" not in after.text, "what can't be done is not offered"
    assert 'value="reject"' in after.text and 'value="respond"' in after.text and 'value="edit"' in after.text
    assert (await box.runtime.store.approval(approval.id)).status is ApprovalStatus.PENDING


async def test_a_page_that_is_open_learns_of_an_edit(box: Box) -> None:
    approval = await separated(box)
    ben, anna = await signed_in(box, name=BEN), await box.as_("approver", ANNA)
    page = await ben.get(f"/console/incidents/{approval.incident_id}")
    seen = re.search(r"/live\?seen=([^\"]+)", page.text)
    assert seen
    await anna.post(path(approval), json={"decision": "edit", "params": SMALLER})
    live = await ben.get(f"/console/incidents/{approval.incident_id}/live", params={"seen": seen[1]})
    fresh = (await box.runtime.store.approval(approval.id)).payload_sha256
    assert fresh in live.text, "the form would be about a proposal that is no more"


async def test_it_is_said_before_anybody_tries(box: Box) -> None:
    mine, other = await separated(box, barred=[ANNA]), await separated(box, run_id=4712)
    anna, vera = await box.as_("approver", ANNA), await box.as_("viewer", "vera@example.com")
    told = {i["approval"]["id"]: i for i in (await anna.get("/api/v1/approvals?mine=true")).json()["items"]}
    assert told[mine.id]["may_decide"] == {"allowed": True, "why": ""}
    assert not told[mine.id]["may_approve"]["allowed"]
    assert "somebody else approves" in told[mine.id]["may_approve"]["why"]
    assert told[other.id]["may_approve"] == {"allowed": True, "why": ""}
    one = (await vera.get(f"/api/v1/approvals/{other.id}")).json()
    assert not one["may_decide"]["allowed"] and "viewer" in one["may_decide"]["why"]
    carl = (await (await box.as_("approver", "c@x.org")).get(f"/api/v1/approvals/{other.id}")).json()
    assert carl["may_approve"] == carl["may_decide"] and ANNA in carl["may_decide"]["why"]
    queue = (await anna.get("/api/v1/queue?mine=true")).json()["items"]
    assert [(i["approval_id"], i["may_approve"]["allowed"]) for i in queue] == [
        (other.id, True),
        (mine.id, False),
    ]
    page = await (await signed_in(box, name=ANNA)).get("/console")
    assert page.text.count("somebody else approves</span>") == 1


async def test_after_an_edit_everyone_who_was_asked_is_asked_again_rooms_too(box: Box) -> None:
    approval = await separated(box, notify=[ANNA, "slack:#data", "teams"])
    anna = await box.as_("approver", ANNA)
    await anna.post(path(approval), json={"decision": "edit", "params": SMALLER})
    asked = box.sql("SELECT recipient FROM outbox WHERE payload ? 'edited_by' ORDER BY recipient")
    assert [row[0] for row in asked] == [BEN, "slack:#data", "teams"]


async def test_it_holds_behind_a_link(mailing: Box, mailbox: Any) -> None:
    approval = await asked(mailing, ANNA, BEN, separate_duties=True, barred=[ANNA])
    link = link_to(mailbox, ANNA)
    page = await mailing.client().get(link)
    assert (await post(mailing, link, page, kind="approve")).status_code == 403
    assert (await mailing.runtime.store.approval(approval.id)).status == "pending"


def test_the_policy_switches_it_on_and_only_hands_count() -> None:
    state: Any = {"incident_id": "inc_1", "attempt": 1, "run": {"creator": ANNA, "trigger": "ONE_TIME"}}
    diagnosis: Any = type("Diagnosis", (), {"failure_class": "executor_oom"})()

    def new(rules: Rules, **run: str) -> Any:
        seen: Any = {**state, "run": {**state["run"], **run}}
        return approval_for(seen, a_proposal(), rules, diagnosis, now=datetime.now(UTC))

    on = Rules(separate_duties=True)
    assert (new(on).barred, new(on).separate_duties) == ([ANNA], True)
    assert new(on, trigger="PERIODIC").barred == []
    assert (new(Rules()).barred, new(Rules()).separate_duties) == ([], False)


async def test_without_the_switch_an_edit_is_an_approval(box: Box) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    anna = await box.as_("approver", ANNA)
    edited = await anna.post(path(approval), json={"decision": "edit", "params": SMALLER})
    assert edited.json()["status"] == "edited"
