"""The queue over HTTP: the most pressing first, a group once, mine or everybody's, and the door a token came by."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from server.console import lists
from store import waiting
from tests.incident_stories import a_run, ask, facts, tell
from tests.integration.test_api_access import a_problem
from tests.integration.test_api_console import signed_in
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


async def test_what_is_cut_is_said(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST", 2)
    monkeypatch.setattr(waiting, "WEIGHED", 4)
    store, browser = box.runtime.store, await signed_in(box)

    async def ask_of(number: int, **more: Any) -> None:
        await ask(store, await tell(store, a_run(number, f"job_{number}", tasks=[], **more)))

    async def said() -> str:
        return " ".join((await browser.get("/console")).text.split())

    for number in (1, 2):
        await ask_of(number)
    assert "2 questions wait, the most pressing first." in await said()
    await ask_of(3, life_cycle_state="RUNNING")
    page = await said()
    assert "3 questions wait. Here are the 2 most pressing; a filter finds the others." in page
    assert "job_3" in page and "job_2" not in page
    for number in (4, 5):
        await ask_of(number)
    page = await said()
    assert "5 questions wait. Here are the 2 most pressing of the 4 that wait longest; a filter finds" in page
    assert "job_2" in (await browser.get("/console?q=job_2")).text
    anna = await box.as_("approver", "anna@example.com")
    assert ((found := await queue(anna))["total"], len(found["items"])) == (5, 4)


async def test_only_the_terminal_may_be_named_as_a_door(box: Box) -> None:
    store = box.runtime.store
    for door, channel in (("terminal", "terminal"), ("console", "api"), ("langgraph", "api"), ("", "api")):
        approval = await ask(store, await tell(store, a_run(10 + len(door), "job")))
        client = await box.as_("approver", "anna@example.com")
        where = f"/api/v1/approvals/{approval.id}/decision"
        answer = await client.post(where, json={"decision": "approve"}, headers={"x-pitstop-door": door})
        assert answer.json()["channel"] == channel, door
