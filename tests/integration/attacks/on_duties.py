"""Attacks on separate duties: approving one's own run or one's own edit, through every door, by every trick."""

from __future__ import annotations

from typing import Any

from core.incident import DecisionKind
from tests.fakes.slack import click
from tests.incident_stories import MEMORY, a_proposal
from tests.integration.attacks.on_decisions import LAKE
from tests.integration.attacks.target import ANNA, BEN, Target, decision, form_decision, token_of_form
from tests.integration.test_api_console import csrf
from tools.notify.slack_blocks import APPROVE

SMALLER = {**a_proposal().params, "settings": [{"path": MEMORY, "current": "8g", "proposed": "12g"}]}
CLOSED = {"separate_duties": True, "barred": [" ANNA@example.com"]}


async def ones_own_run_through_every_door(target: Target) -> None:
    approval = await target.asked(ANNA, BEN, notify=[ANNA, BEN, "slack:#data"], **CLOSED)
    button = target.slack.buttons()[APPROVE]
    link = target.link_to(ANNA)
    for role in ("approver", "admin"):
        body: dict[str, Any] = {"decision": "approve"}
        for headers in ({}, {"x-pitstop-door": "terminal"}):
            anna = await target.as_(role, ANNA)
            await target.refused(anna, "POST", decision(approval), 403, json=body, headers=headers)
        shouting = await target.as_(role, "Anna@Example.COM")
        await target.refused(shouting, "POST", decision(approval), 403, json=body)
        browser = await target.browser(role, ANNA)
        page = await browser.get(f"/console/incidents/{approval.incident_id}")
        assert ">Approve</button>" not in page.text
        form = {"csrf": csrf(page), "kind": "approve", "payload_sha256": approval.payload_sha256}
        await target.refused(browser, "POST", form_decision(approval), 403, data=form)
    given = {"form": token_of_form(await target.client().get(link)), "kind": "approve"}
    await target.refused(target.client(), "POST", link, 403, data=given)
    await target.slack_refuses(click(button, "UANNA"), saying="somebody else")
    ben = await target.as_("approver", BEN)
    assert (await ben.post(decision(approval), json={"decision": "approve"})).status_code == 200


async def ones_own_edit(target: Target) -> None:
    """An edit leaves it open for somebody else; nor does handing it to oneself, or undoing the edit, open it again."""
    approval = await target.asked(ANNA, BEN, notify=[ANNA, BEN, "slack:#data"], separate_duties=True)
    button = target.slack.buttons()[APPROVE]
    anna, ben = await target.as_("approver", ANNA), await target.as_("approver", BEN)
    for params in (SMALLER, a_proposal().params):  # there and back again
        edit = {"decision": DecisionKind.EDIT.value, "params": params}
        assert (await anna.post(decision(approval), json=edit)).json()["status"] == "pending"
        await target.refused(anna, "POST", decision(approval), 403, json={"decision": "approve"})
    where = f"/api/v1/approvals/{approval.id}/delegate"
    assert (await ben.post(where, json={"to": ANNA})).status_code == 200
    await target.refused(anna, "POST", decision(approval), 403, json={"decision": "approve"})
    assert (
        await anna.post(decision(approval), json={"decision": "edit", "params": SMALLER})
    ).status_code == 200
    await target.slack_refuses(click(button, "UANNA"), saying="is not the one")
    stands = await target.standing(approval)
    assert (stands.status, stands.decided_by) == ("pending", None)


async def within_a_group(target: Target) -> None:
    """One member whose run she started closes the group's approval to her, until it is left out."""
    given: dict[str, Any] = {"grouping": LAKE, "run": {"job_id": 78}, "separate_duties": True}
    asked = [await target.asked(ANNA, BEN, barred=barred, **given) for barred in ([], [ANNA], [])]
    group = (await target.box.runtime.groups.listed(waiting=True)).items[0]
    anna = await target.as_("approver", ANNA)
    path = f"/api/v1/groups/{group.id}/decision"
    seen = (await anna.get(f"/api/v1/groups/{group.id}")).json()["sha256"]
    body: dict[str, Any] = {"decision": "approve", "sha256": seen}
    await target.refused(anna, "POST", path, 403, json=body)
    await target.refused(anna, "POST", path, 403, json={**body, "except": [asked[0].id]})
    left_out = await anna.post(path, json={**body, "except": [asked[1].id]})
    assert left_out.status_code == 200
    assert (await target.standing(asked[1])).status == "pending"


ATTACKS = {
    "separate duties: one's own run, through every door": ones_own_run_through_every_door,
    "separate duties: one's own edit": ones_own_edit,
    "separate duties: one's own run within a group": within_a_group,
}
