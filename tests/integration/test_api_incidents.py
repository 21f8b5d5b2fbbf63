"""Incidents over HTTP: asked for by run or job of a real (sandbox) workspace, listed, told, followed, attached to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import httpx_sse
import pytest

from core.settings import Settings
from sandbox.process import SandboxProcess
from tests.incident_stories import a_run, ask, tell
from tests.integration.test_api_access import a_problem
from tests.screenshots import LOOKS, screenshot
from tests.server_box import HOOK, Box, opened, served


def failed_run(sandbox: SandboxProcess, name: str = "connection_reset") -> dict[str, Any]:
    """A run of a scenario that has ended; ids as the sandbox tells them."""
    started = sandbox.control.start(name, webhook="lost")
    assert sandbox.control.finish(started["run_id"])
    return started


async def test_a_failed_run_becomes_one_incident(box: Box) -> None:
    run = failed_run(box.sandbox)
    client = await box.as_("approver")
    first = await client.post("/api/v1/incidents", json={"run_id": run["run_id"]})
    assert first.status_code == 201
    again = await client.post("/api/v1/incidents", json={"run_id": run["run_id"]})
    by_job = await client.post("/api/v1/incidents", json={"job_id": run["job_id"]})
    assert (again.status_code, by_job.status_code) == (200, 200)
    assert first.json()["id"] == again.json()["id"] == by_job.json()["id"]
    assert first.headers["location"] == f"/api/v1/incidents/{first.json()['id']}"
    assert first.json()["status"] == "new"
    assert first.json()["job_name"] == "partner-price-feed"
    assert set(box.jobs("advance")) == {first.json()["id"]}


async def test_asked_for_by_many_at_once_it_is_one(box: Box) -> None:
    run = failed_run(box.sandbox)
    client = await box.as_("approver")
    answers = await asyncio.gather(
        *(client.post("/api/v1/incidents", json={"run_id": run["run_id"]}) for _ in range(8))
    )
    assert len({a.json()["id"] for a in answers}) == 1
    assert box.sql("SELECT count(*) FROM incidents") == [(1,)]


async def test_runs_that_are_not_there_or_not_failed(box: Box) -> None:
    client = await box.as_("approver")
    a_problem(await client.post("/api/v1/incidents", json={"run_id": 999_999_999}), 404)
    running = box.sandbox.control.start("runaway", webhook="lost")["run_id"]
    body = a_problem(await client.post("/api/v1/incidents", json={"run_id": running}), 409)
    assert "still" in body["detail"]
    assert box.sql("SELECT * FROM incidents") == []


async def test_a_run_that_succeeded_is_refused_and_a_soft_failure_is_not(box: Box) -> None:
    client = await box.as_("approver")
    soft = failed_run(box.sandbox, "soft_failure")
    assert (await client.post("/api/v1/incidents", json={"run_id": soft["run_id"]})).status_code == 201
    good = failed_run(box.sandbox)
    box.sandbox.control.by_hand(good["run_id"], "repair")
    assert box.sandbox.control.finish(good["run_id"])
    body = a_problem(await client.post("/api/v1/incidents", json={"run_id": good["run_id"]}), 409)
    assert "did not fail" in body["detail"]


@pytest.mark.parametrize("body", [{}, {"run_id": 1, "job_id": 2}, {"run_id": 0}, {"run_id": "x"}, {"run": 1}])
async def test_what_is_no_question_is_refused(box: Box, body: dict[str, Any]) -> None:
    client = await box.as_("approver")
    a_problem(await client.post("/api/v1/incidents", json=body), 422)


@pytest.mark.parametrize(("fault", "status"), [("500", 503), ("403", 502), ("401", 502), ("garbage", 503)])
async def test_bad_weather_at_the_workspace_has_a_name(box: Box, fault: str, status: int) -> None:
    run = failed_run(box.sandbox)
    client = await box.as_("approver")
    box.sandbox.control.fault(fault, path="/jobs/runs/get", count=None)
    try:
        body = a_problem(await client.post("/api/v1/incidents", json={"run_id": run["run_id"]}), status)
    finally:
        box.sandbox.control.clear_faults()
    assert body["hint"]
    assert (await client.post("/api/v1/incidents", json={"run_id": run["run_id"]})).status_code == 201


async def test_a_run_that_goes_on_for_longer_than_its_policy_allows(
    box_settings: Settings, sandbox: SandboxProcess, tmp_path: Any
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("jobs: [{match: {name: feature-event-replay}, rules: {max_run_seconds: 3600}}]")
    async with opened(box_settings.model_copy(update={"policy": policy}), sandbox) as box:
        running = sandbox.control.start("runaway", webhook="lost")["run_id"]
        client = await box.as_("approver")
        assert (await client.post("/api/v1/incidents", json={"run_id": running})).status_code == 201


async def test_lists_are_filtered_and_paged(box: Box) -> None:
    ids = [await tell(box.runtime.store, a_run(100 + n, f"job_{n % 2}", job_id=n % 2)) for n in range(5)]
    await box.runtime.store.finish(ids[0], "resolved")
    client = await box.as_("viewer")
    seen: list[str] = []
    cursor = None
    while True:
        page = (
            await client.get(
                "/api/v1/incidents", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
            )
        ).json()
        seen += [i["id"] for i in page["items"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == ids[::-1]

    async def found(**params: Any) -> list[str]:
        return [i["id"] for i in (await client.get("/api/v1/incidents", params=params)).json()["items"]]

    assert await found(open=True) == ids[:0:-1]
    assert await found(status="resolved") == ids[:1]
    assert await found(job_id=1) == [ids[3], ids[1]]
    assert await found(run_id=103) == [ids[3]]
    assert await found(run_id=10) == []
    assert await found(q="JOB_1") == [ids[3], ids[1]]
    assert await found(category="network") == []
    a_problem(await client.get("/api/v1/incidents", params={"cursor": "nonsense"}), 422)
    a_problem(await client.get("/api/v1/incidents", params={"status": "nonsense"}), 422)


async def test_the_whole_story(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    approval = await ask(box.runtime.store, incident_id)
    client = await box.as_("viewer")
    story = (await client.get(f"/api/v1/incidents/{incident_id}")).json()
    assert story["status"] == "awaiting_approval"
    assert story["evidence"][0]["line_start"] == 1843
    assert story["triad"]["faithfulness"] == 0.93
    assert story["prediction"]["trials"] == 10
    assert story["similar"][0]["kind"] == "runbook"
    assert story["proposal"]["params"] == approval.proposal.params
    assert [a["id"] for a in story["approvals"]] == [approval.id]
    assert story["run"]["tasks"][2]["result_state"] == "FAILED"
    assert [e["kind"] for e in story["events"]] == ["opened", "fetched", "approval_requested"]
    (artifact,) = story["artifacts"]
    text = await client.get(f"/api/v1/incidents/{incident_id}/artifacts/{artifact['id']}")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert text.headers["x-content-type-options"] == "nosniff"
    assert "ExecutorLostFailure" in text.text
    other = await tell(box.runtime.store, a_run(5))
    a_problem(await client.get(f"/api/v1/incidents/{other}/artifacts/{artifact['id']}"), 404)
    a_problem(await client.get("/api/v1/incidents/inc_nothing"), 404)


async def test_muted_taken_over_and_closed_over_http(box: Box) -> None:
    store = box.runtime.store
    incident_id = await tell(store)
    approval = await ask(store, incident_id)
    anna = await box.as_("approver", "anna@example.com")
    base = f"/api/v1/incidents/{incident_id}"
    assert (await anna.post(f"{base}/mute")).json()["status"] == "muted"
    assert (await store.approval(approval.id)).status == "superseded"
    assert (await anna.post(f"{base}/mute", json={"on": False})).json()["muted"] is False
    assert (await anna.post(f"{base}/take-over", json={})).json()["taken_over_by"] == "anna@example.com"
    ben = await box.as_("approver", "ben@example.com")
    a_problem(await ben.post(f"{base}/take-over"), 409)
    assert (await ben.post(f"{base}/close", json={"note": "done by hand"})).json()["status"] == "closed"
    a_problem(await ben.post(f"{base}/mute"), 409)
    a_problem(await ben.post(f"{base}/retry"), 409)


async def test_events_are_pages_that_can_be_gone_on_with(box: Box) -> None:
    store = box.runtime.store
    incident_id = await tell(store)
    client = await box.as_("viewer")
    path = f"/api/v1/incidents/{incident_id}/events"
    first = (await client.get(path, params={"limit": 1})).json()
    rest = (await client.get(path, params={"after": first["next_cursor"]})).json()
    assert [e["kind"] for e in first["items"] + rest["items"]] == ["opened", "fetched"]
    assert rest["next_cursor"] is None
    a_problem(await client.get("/api/v1/incidents/inc_nothing/events"), 404)


async def test_a_stream_tells_what_happens_and_goes_on_where_it_broke_off(box: Box) -> None:
    store = box.runtime.store
    incident_id = await tell(store)
    headers = {"authorization": f"Bearer {await box.token()}"}
    async with served(box.app) as url, httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client:
        path = f"/api/v1/incidents/{incident_id}/events"
        accept = {"accept": "text/event-stream"}
        async with httpx_sse.aconnect_sse(client, "GET", path, headers=accept) as source:
            events = source.aiter_sse()
            opened_ = await anext(events)
            assert (opened_.event, json.loads(opened_.data)["kind"]) == ("opened", "opened")
            fetched = await anext(events)
            await store.add_event(incident_id, "hello", {"n": 1}, key="hello")
            told = await asyncio.wait_for(anext(events), 10)
            assert (told.event, json.loads(told.data)["data"]) == ("hello", {"n": 1})
            assert int(told.id) > int(fetched.id) > int(opened_.id)
        resumed = {"last-event-id": fetched.id}
        async with httpx_sse.aconnect_sse(client, "GET", f"{path}/stream", headers=resumed) as source:
            assert (await anext(source.aiter_sse())).event == "hello"
        a_problem(await client.get("/api/v1/incidents/inc_nothing/events/stream"), 404)


async def test_an_attached_log_is_redacted_before_it_is_kept(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    anna = await box.as_("approver", "anna@example.com")
    secret = "dapi" + "0123456789abcdef" * 2
    log = f"before\ntoken = {secret}\nafter\n".encode()
    path = f"/api/v1/incidents/{incident_id}/attachments"
    kept = await anna.post(path, files={"file": ("../driver.log", log, "text/html")})
    assert kept.status_code == 201
    assert kept.json()["name"] == "driver.log"
    text = (await box.runtime.store.attachments(incident_id))["driver.log"]
    assert text.startswith("before\n")
    assert secret not in text
    story = (await anna.get(f"/api/v1/incidents/{incident_id}")).json()
    assert [a["name"] for a in story["attachments"]] == ["driver.log"]
    assert "attached" in [e["kind"] for e in story["events"]]
    a_problem(await anna.post(path, files={"file": ("a.gif", b"GIF89a", "image/gif")}), 415)
    a_problem(await anna.post(path, files={"file": ("a.png", b"\x89PNG\r\n\x1a\n", "image/png")}), 422)
    a_problem(await anna.post(path, files={"file": ("a.log", b"", "text/plain")}), 422)
    a_problem(await anna.post(path, files={"other": ("a.log", b"x", "text/plain")}), 422)
    a_problem(await anna.post("/api/v1/incidents/inc_no/attachments", files={"file": ("a.log", b"x")}), 404)
    too_large = b"x" * (10 * 1024 * 1024 + 200_000)
    assert (await anna.post(path, files={"file": ("a.log", too_large)})).status_code == 413


async def test_of_a_screenshot_only_the_redacted_text_is_kept(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    anna = await box.as_("approver", "anna@example.com")
    secret = "dapi" + "0123456789abcdef" * 2
    shot = screenshot(f"token = {secret}\nKeyError: 'day'", LOOKS["plain"], width=500)
    path = f"/api/v1/incidents/{incident_id}/attachments"
    kept = await anna.post(path, files={"file": ("shot.png", shot, "image/png")})
    assert kept.status_code == 201
    text = (await box.runtime.store.attachments(incident_id))["shot.png"]
    assert "KeyError" in text
    assert "0123456789" not in text
    assert kept.json()["size"] == len(text.encode())


async def test_webhooks_are_kept_with_their_job_and_believed_never(box: Box) -> None:
    client = box.client()
    bodies = [
        {"event_type": "jobs.on_failure", "run": {"run_id": "77"}, "job": {"job_id": "3", "name": "x"}},
        {"run_id": 77, "job_id": 3},
    ]
    for body in bodies * 2:
        answer = await client.post("/webhooks/databricks", json=body, auth=HOOK)
        assert answer.status_code == 202
    rows = box.sql("SELECT id, run_id, job_id, source FROM signals ORDER BY received_at, id")
    assert [row[1:] for row in rows] == [(77, 3, "webhook")] * 4
    assert sorted(box.jobs("intake")) == sorted(row[0] for row in rows)
    for bad in (("databricks", "wrong"), ("root", HOOK[1]), ("", "")):
        answer = await client.post("/webhooks/databricks", json=bodies[0], auth=bad)
        a_problem(answer, 401)
        assert answer.headers["www-authenticate"].startswith("Basic")
    a_problem(await client.post("/webhooks/databricks", content=b"{", auth=HOOK), 422)
    assert box.sql("SELECT count(*) FROM signals") == [(4,)]
