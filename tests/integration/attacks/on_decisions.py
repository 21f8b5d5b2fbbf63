"""Attacks on the decision itself: twice, all at once, too late, changed under way, by the wrong person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from core.groups import Cause, Grouping
from tests.incident_stories import MEMORY, a_proposal, ask
from tests.integration.attacks.target import (
    ANNA,
    BEN,
    VERA,
    Target,
    decision,
    form_decision,
    token_of_form,
)
from tests.integration.test_api_console import csrf

JSON = {"content-type": "application/json"}
GOOD = a_proposal().params
LAKE = Grouping(
    cause=Cause(kind="endpoint", value="lake.example.com"),
    window_seconds=900,
    settle_seconds=0,
    update_seconds=0,
    per_minute=60,
    at_once=10,
)


async def double_click(target: Target) -> None:
    approval, links = await target.asked_by_mail(ANNA)
    anna = await target.as_("approver", ANNA)
    body = {"decision": "approve", "payload_sha256": approval.payload_sha256}
    stands, answers = await target.races(
        approval, [lambda: anna.post(decision(approval), json=body) for _ in range(2)]
    )
    assert [a.status_code for a in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert stands.status == "approved"
    await target.refused(anna, "POST", decision(approval), 200, json=body)  # once more: nothing happens
    browser = await target.browser("approver", ANNA)
    page = await browser.get(f"/console/incidents/{approval.incident_id}")
    form = {"csrf": csrf(page), "kind": "reject", "payload_sha256": approval.payload_sha256}
    await target.refused(browser, "POST", form_decision(approval), 409, data=form)
    await target.refused(target.client(), "GET", links[ANNA], 409)


async def fifty_at_once(target: Target) -> None:
    approval, links = await target.asked_by_mail(ANNA, BEN)
    tries: list[Callable[[], Awaitable[httpx.Response]]] = []
    for number in range(30):
        admin = await target.as_("admin", f"admin{number}@example.com")
        body = {"decision": ("approve", "reject")[number % 2], "comment": f"by admin {number}"}
        tries.append(lambda admin=admin, body=body: admin.post(decision(approval), json=body))
    for number in range(10):
        browser = await target.browser("admin", f"browser{number}@example.com")
        page = await browser.get(f"/console/incidents/{approval.incident_id}")
        form = {"csrf": csrf(page), "kind": ("approve", "reject")[number % 2]}
        tries.append(lambda browser=browser, form=form: browser.post(form_decision(approval), data=form))
    for who in (ANNA, BEN):
        for kind in ("approve", "reject", "approve", "reject", "approve"):
            page = await target.client().get(links[who])
            given = {"form": token_of_form(page), "kind": kind}
            reader = target.client()
            tries.append(lambda reader=reader, p=links[who], g=given: reader.post(p, data=g))
    assert len(tries) == 50
    stands, answers = await target.races(approval, tries)
    losers = [a for a in answers if a.status_code not in (200, 303)]
    assert len(losers) == 49, sorted(a.status_code for a in answers)
    assert stands.decided_by
    for answer in losers:
        target.check(answer, 409)
        assert stands.decided_by in answer.text or "used" in answer.text, answer.text


async def decision_on_what_changed(target: Target) -> None:
    old, links = await target.asked_by_mail(ANNA)
    anna, browser = await target.as_("approver", ANNA), await target.browser("approver", ANNA)
    page = await browser.get(f"/console/incidents/{old.incident_id}")
    mailed = token_of_form(await target.client().get(links[ANNA]))
    newer = await ask(
        target.box.runtime.store,
        old.incident_id,
        a_proposal(params={"task_keys": ["aggregate"], "settings": []}),
        revision=2,
        approvers=[ANNA],
    )
    seen = {"payload_sha256": old.payload_sha256}
    form = {"csrf": csrf(page), "kind": "approve", **seen}
    for approval in (old, newer):
        body = {"decision": "approve", **seen}
        await target.refused(anna, "POST", decision(approval), 409, json=body)
        await target.refused(browser, "POST", form_decision(approval), 409, data=form)
    answer = await target.refused(
        target.client(), "POST", links[ANNA], 409, data={"form": mailed, "kind": "approve"}
    )
    assert "uperseded" in answer.text
    assert (await target.standing(newer)).status == "pending"


async def decision_after_its_time(target: Target) -> None:
    approval = await target.asked(ttl_seconds=0.001)
    await asyncio.sleep(0.01)
    anna, browser = await target.as_("approver", ANNA), await target.browser("approver", ANNA)
    page = await browser.get("/console")
    for kind in ("approve", "reject"):
        await target.refused(anna, "POST", decision(approval), 410, json={"decision": kind})
        form = {"csrf": csrf(page), "kind": kind}
        await target.refused(browser, "POST", form_decision(approval), 410, data=form)
    await target.refused(anna, "POST", f"/api/v1/approvals/{approval.id}/extend", 410, json={})


async def edit_out_of_bounds(target: Target) -> None:
    approval = await target.asked()
    anna = await target.as_("approver", ANNA)

    def setting(**change: Any) -> dict[str, Any]:
        return {**GOOD, "settings": [{**GOOD["settings"][0], **change}]}

    bad: list[Any] = [
        setting(proposed="999g"),  # the policy's maximum is 32g
        setting(proposed="-1g"),
        setting(proposed=["16g"]),
        setting(proposed={"$ne": None}),
        setting(proposed=None),
        setting(path="job_clusters[main].new_cluster.init_scripts"),
        setting(path=MEMORY, current="1g"),
        setting(path="run_as.service_principal_name", proposed="admin"),
        {**GOOD, "settings": "16g"},
        {**GOOD, "task_keys": ["drop_everything"]},
        {**GOOD, "task_keys": [1, 2]},
        {**GOOD, "task_keys": ["x" * 101]},
        {**GOOD, "job_parameters": {"query": "DROP TABLE sales"}},
        {**GOOD, "run_id": 1},
        {**GOOD, "__proto__": {"admin": True}},
        {**GOOD, "\ud800": 1},
        {**GOOD, "task_keys": ["\ud800"]},
        {**GOOD, "task_keys": ["aggre\x00gate"]},
        [],
        "params",
        7,
        None,
    ]
    bodies = [json.dumps({"decision": "edit", "params": params}) for params in bad]
    bodies += [
        f'{{"decision": "edit", "params": {{"task_keys": [{number}]}}}}'
        for number in ("NaN", "Infinity", "-Infinity", "1e999")
    ]
    for body in bodies:
        await target.refused(anna, "POST", decision(approval), 422, content=body, headers=JSON)


async def edit_that_smuggles_another_action(target: Target) -> None:
    approval = await target.asked()
    anna = await target.as_("approver", ANNA)
    terminate = {"cancel_run": True, "pause_schedule": True}
    upstream = {"job_id": 1, "produces": "everything"}
    for params in (
        terminate,
        upstream,
        {**GOOD, "action": "TERMINATE"},
        {**GOOD, **terminate},
        {"action": "TERMINATE", "params": terminate},
        {"diff": "+import os", "path": "job.py"},
    ):
        body = {"decision": "edit", "params": params}
        await target.refused(anna, "POST", decision(approval), 422, json=body)
    for extra in ({"action": "TERMINATE"}, {"proposal": {"action": "TERMINATE", "params": terminate}}):
        body = {"decision": "edit", "params": GOOD, **extra}
        await target.refused(anna, "POST", decision(approval), 422, json=body)
    await target.refused(
        anna, "POST", decision(approval), 422, json={"decision": "approve", "then": "terminate"}
    )
    browser = await target.browser("approver", ANNA)
    page = await browser.get(f"/console/incidents/{approval.incident_id}")
    form = {"csrf": csrf(page), "kind": "edit", "setting.0": "999g", "action": "TERMINATE"}
    await target.refused(browser, "POST", form_decision(approval), 422, data=form)
    form |= {
        "setting.0": "12g",
        "cancel_run": "true",
        "job_id": "1",
        "settings": "x",
        "proposal": "TERMINATE",
    }
    assert (await browser.post(form_decision(approval), data=form)).status_code == 303
    kept = (await target.standing(approval)).proposal  # what the form has no field for is nothing
    assert kept.action == "RETRY_WITH_NEW_PARAMS"
    assert kept.params == {
        "task_keys": ["aggregate"],
        "job_parameters": {},
        "settings": [{"path": MEMORY, "current": "8g", "proposed": "12g"}],
    }


async def mass_assignment_and_method_override(target: Target) -> None:
    approval = await target.asked()
    anna = await target.as_("approver", ANNA)
    for extra in (
        {"decided_by": "root@example.com"},
        {"status": "approved"},
        {"approvers": [VERA]},
        {"role": "admin"},
        {"channel": "policy"},
        {"expires_at": "2099-01-01T00:00:00Z"},
        {"id": "apr_other"},
        {"claimed": True},
    ):
        body = {"decision": "approve", **extra}
        await target.refused(anna, "POST", decision(approval), 422, json=body)
    for headers in (
        {"x-http-method-override": "POST"},
        {"x-method-override": "POST"},
        {"x-http-method": "POST"},
    ):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            query = {"_method": "POST", "decision": "approve"}
            await target.refused(
                anna,
                method,
                decision(approval),
                405,
                headers=headers,
                params=query,
                json={"decision": "approve"},
            )
    await target.refused(anna, "POST", decision(approval), 422, params={"decision": "approve"})


async def one_who_may_not(target: Target) -> None:
    carl = "carl@example.com"
    approval, links = await target.asked_by_mail(carl)
    viewer, ben = await target.as_("viewer", VERA), await target.as_("approver", BEN)
    named_viewer = await target.as_("viewer", carl)  # the policy names him; his token is a viewer's
    for who in (viewer, ben, named_viewer):
        for kind in ("approve", "reject", "respond"):
            body = {"decision": kind, "comment": "x"}
            await target.refused(who, "POST", decision(approval), 403, json=body)
        body = {"decision": "edit", "params": GOOD}
        await target.refused(who, "POST", decision(approval), 403, json=body)
        await target.refused(who, "POST", f"/api/v1/approvals/{approval.id}/extend", 403, json={})
        to = {"to": VERA}
        await target.refused(who, "POST", f"/api/v1/approvals/{approval.id}/delegate", 403, json=to)
    for verb in ("mute", "take-over", "close", "retry"):
        await target.refused(viewer, "POST", f"/api/v1/incidents/{approval.incident_id}/{verb}", 403)
    browser = await target.browser("viewer", VERA)
    page = await browser.get(f"/console/incidents/{approval.incident_id}")
    for verb in ("mute", "unmute", "take-over", "close", "retry"):
        path = f"/console/incidents/{approval.incident_id}/{verb}"
        await target.refused(browser, "POST", path, 403, data={"csrf": csrf(page)})
    for kind in ("approve", "edit", "reject", "respond"):
        form = {"csrf": csrf(page), "kind": kind, "comment": "x"}
        await target.refused(browser, "POST", form_decision(approval), 403, data=form)
    # His link came before he was made a viewer.
    await target.refused(target.client(), "GET", links[carl], 403)


async def group_decided_wrongly(target: Target) -> None:
    given = {"grouping": LAKE, "run": {"job_id": 77}}
    asked = [await target.asked(**given) for _ in range(3)]
    group_id = (await target.box.runtime.groups.listed()).items[0].id
    path = f"/api/v1/groups/{group_id}/decision"
    anna, ben = await target.as_("approver", ANNA), await target.as_("approver", BEN)
    seen = (await anna.get(f"/api/v1/groups/{group_id}")).json()["sha256"]
    stranger = await target.asked()
    for body in (
        {"decision": "approve"},
        {"decision": "approve", "sha256": "x"},
        {"decision": "edit", "sha256": seen},
        {"decision": "approve", "sha256": seen, "params": GOOD},
        {"decision": "approve", "sha256": seen, "decided_by": BEN},
        {"decision": "approve", "sha256": seen, "except": [stranger.id]},
        {"decision": "approve", "sha256": seen, "except": [a.id for a in asked]},
    ):
        await target.refused(anna, "POST", path, 422, 409, json=body)
    await target.refused(ben, "POST", path, 403, json={"decision": "approve", "sha256": seen})
    await target.asked(**given)
    await target.refused(anna, "POST", path, 409, json={"decision": "approve", "sha256": seen})


ATTACKS = {
    "double click": double_click,
    "fifty decisions at once through three doors": fifty_at_once,
    "decision on a proposal that changed": decision_on_what_changed,
    "decision after its time": decision_after_its_time,
    "edit out of range, of another type, with unknown keys": edit_out_of_bounds,
    "edit that smuggles another action": edit_that_smuggles_another_action,
    "mass assignment, method override": mass_assignment_and_method_override,
    "viewer, or an approver of something else, deciding": one_who_may_not,
    "group: stale, foreign members, not an approver": group_decided_wrongly,
}
