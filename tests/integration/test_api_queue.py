"""The queue over HTTP: the most pressing first, a group once, mine or everybody's, and the door a token came by."""

from __future__ import annotations

from typing import Any

import httpx

from tests.incident_stories import a_run, ask, facts, tell
from tests.integration.test_api_access import a_problem
from tests.integration.test_api_groups import outage
from tests.server_box import Box


async def queue(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await client.get("/api/v1/queue", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_burns_money_stands_before_what_waits_longer(box: Box) -> None:
    store = box.runtime.store
    quiet = await ask(store, await tell(store, a_run(1, "quiet", tasks=[])))
    running = await ask(store, await tell(store, a_run(2, "running", life_cycle_state="RUNNING", tasks=[])))
    group_id, members = await outage(box, 3)
    found = await queue(await box.as_("approver", "anna@example.com"))
    assert (found["caller"], found["total"]) == ("anna@example.com", 3)
    assert [i["approval_id"] for i in found["items"]] == [running.id, members[0].id, quiet.id]
    assert [r["kind"] for r in found["items"][0]["reasons"]] == ["running"]
    assert found["items"][1]["group"] == {"id": group_id, "pending": 3}
    assert found["items"][2]["reasons"] == []


async def test_mine_filters_and_limits(box: Box) -> None:
    store = box.runtime.store
    await ask(store, await tell(store, a_run(1, "bens")), approvers=["ben@example.com"])
    diagnosis = {**facts(a_run(2))["diagnosis"], "category": "network", "failure_class": "dns_failure"}
    await ask(store, await tell(store, a_run(2, "anyones"), diagnosis=diagnosis))
    anna = await box.as_("approver", "anna@example.com")
    names = [i["job_name"] for i in (await queue(anna, mine=True))["items"]]
    assert names == ["anyones"]
    for params in ({"category": "network"}, {"failure_class": "dns_failure"}, {"q": "anyones"}):
        assert [i["job_name"] for i in (await queue(anna, **params))["items"]] == ["anyones"], params
    short = await queue(anna, limit=1)
    assert (len(short["items"]), short["total"]) == (1, 2)
    viewer = await box.as_("viewer")
    assert (await queue(viewer))["total"] == 2 and (await queue(viewer, mine=True))["total"] == 0
    a_problem(await anna.get("/api/v1/queue", params={"category": "nonsense"}), 422)


async def test_only_the_terminal_may_be_named_as_a_door(box: Box) -> None:
    store = box.runtime.store
    for door, channel in (("terminal", "terminal"), ("console", "api"), ("langgraph", "api"), ("", "api")):
        approval = await ask(store, await tell(store, a_run(10 + len(door), "job")))
        client = await box.as_("approver", "anna@example.com")
        where = f"/api/v1/approvals/{approval.id}/decision"
        answer = await client.post(where, json={"decision": "approve"}, headers={"x-pitstop-door": door})
        assert answer.json()["channel"] == channel, door
