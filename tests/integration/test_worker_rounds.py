"""The worker's rounds: what is due is woken, messages leave, settings go back, old checkpoints go, one leads."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from langsmith import Client
from typing_extensions import TypedDict

from core.actions import Action, Proposal
from core.incident import Decision, DecisionKind, Reviewer, Status
from core.policy import QuietHours
from core.settings import Settings
from graph.checkpointer import make_saver
from sandbox.mailbox import Mailbox
from sandbox.process import SandboxProcess
from server import retention, watcher
from server.intake import look_at
from server.leader import Leader
from server.loops import Loop, run_loop
from server.postman import Postman
from server.worker import run_worker
from tests.fakes.langsmith import TENANT, running_langsmith
from tests.incident_stories import MEMORY, a_run, ask, tell
from tests.server_box import HOOK, Box, opened
from tools.feedback import Feedback

ANNA = Reviewer(name="anna@example.com", role="admin")
APPROVE = Decision(kind=DecisionKind.APPROVE)


async def eventually(what: Any, seconds: float = 20) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.05)


# Waking


async def test_what_is_due_is_woken_once(box: Box) -> None:
    store = box.runtime.store
    ids = [await tell(store, a_run(n)) for n in range(3)]
    await store.finish(ids[2], "resolved")
    assert await watcher.wake_due(box.runtime) == 0
    for incident_id in ids:
        await store.snooze(incident_id, datetime.now(UTC) - timedelta(seconds=1))
    assert await watcher.wake_due(box.runtime) == 2
    assert await watcher.wake_due(box.runtime) == 0  # their jobs wait already
    assert sorted(box.jobs("advance")) == sorted(ids[:2])


async def test_nobody_is_woken_whom_a_worker_has(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    await box.runtime.store.snooze(incident_id, datetime.now(UTC) - timedelta(seconds=1))
    lease = await box.runtime.leases.acquire(incident_id, "somebody", 60)
    assert await watcher.wake_due(box.runtime) == 0
    assert lease is not None
    await box.runtime.leases.release(lease)
    assert await watcher.wake_due(box.runtime) == 1


# Messages


async def test_an_approval_is_asked_for_by_mail_once(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    approval = await ask(store, await tell(store), notify=["anna@example.com", "Ben@example.com"])
    postmen = [Postman(mailing.runtime) for _ in range(3)]
    await asyncio.gather(*(p.deliver() for p in postmen))
    await asyncio.gather(*(p.deliver() for p in postmen))
    assert sorted(str(m["To"]) for m in mailbox.messages) == ["Ben@example.com", "anna@example.com"]
    body = mailbox.messages[0].get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert f"https://pitstop.example.com/console/incidents/{approval.incident_id}" in text
    assert "Container killed by YARN" in text
    assert "decision" not in text  # nothing in a mail decides
    assert mailing.sql("SELECT status, count(*) FROM outbox GROUP BY status") == [("sent", 2)]


async def test_what_was_decided_meanwhile_is_not_asked_for_any_more(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    approval = await ask(store, await tell(store), notify=["anna@example.com"])
    await store.decide(approval.id, APPROVE, ANNA)
    await Postman(mailing.runtime).deliver()
    # Taken up together, the end may have waited a moment for what became of the question.
    mailing.sql("UPDATE outbox SET next_at = created_at WHERE status = 'pending'")
    await Postman(mailing.runtime).deliver()
    assert mailbox.messages == []
    assert mailing.sql("SELECT kind, status FROM outbox ORDER BY id") == [
        ("approval", "dropped"),
        ("settled", "dropped"),
    ]


async def test_a_dead_channel_is_tried_again_and_stops_nothing(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    incident_id = await tell(store)
    mailbox.stop()
    await store.notify(incident_id, "escalation", ["anna@example.com"], key="e")
    await Postman(mailing.runtime).deliver()
    ((status, attempts, error, later),) = mailing.sql(
        "SELECT status, attempts, error, next_at > now() + interval '20 seconds' FROM outbox"
    )
    assert (status, attempts, later) == ("pending", 1, True)
    assert "127.0.0.1" in error
    assert (await store.incident(incident_id)).status == Status.INVESTIGATING


async def test_a_message_nobody_will_ever_take_is_given_up_and_written_down(mailing: Box) -> None:
    store = mailing.runtime.store
    incident_id = await tell(store)
    await store.notify(incident_id, "escalation", ["not an address"], key="e")
    await Postman(mailing.runtime).deliver()
    assert mailing.sql("SELECT status FROM outbox") == [("failed",)]
    assert "message_failed" in [e.kind for e in await mailing.runtime.queries.events(incident_id)]


async def test_quiet_hours_hold_back_what_is_not_critical(
    mailing: Box, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = mailing.runtime.store
    incident_id = await tell(store)
    now = datetime.now(UTC)
    quiet = QuietHours(start=f"{now - timedelta(hours=1):%H:%M}", end=f"{now + timedelta(hours=2):%H:%M}")
    defaults = mailing.runtime.policy.defaults.model_copy(update={"quiet_hours": quiet})
    object.__setattr__(mailing.runtime.policy, "defaults", defaults)
    await store.notify(incident_id, "notification", ["anna@example.com"], key="n")
    await store.notify(incident_id, "critical", ["anna@example.com"], key="c")
    await Postman(mailing.runtime).deliver()
    assert len(mailbox.messages) == 1
    assert mailing.sql("SELECT kind, attempts FROM outbox WHERE status = 'pending'") == [("notification", 0)]


async def test_a_decision_goes_to_the_traced_run_as_feedback(box: Box) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store))
    await store.decide(approval.id, APPROVE, ANNA)
    await store.notify(approval.incident_id, "feedback", ["langsmith"], key=f"feedback/{approval.id}")
    run_id = str(uuid.uuid4())
    with running_langsmith() as langsmith:
        client = Client(api_url=langsmith.url, api_key="lsv2_test", auto_batch_tracing=False)
        langsmith.sessions["p"] = {
            "id": str(uuid.uuid4()),
            "name": "pitstop",
            "tenant_id": TENANT,
            "reference_dataset_id": None,
            "start_time": "2026-01-31T12:00:00+00:00",
        }
        postman = Postman(box.runtime, feedback=Feedback(client, project="pitstop"))
        await store.update_incident(approval.incident_id, trace_run_id=run_id)
        await postman.deliver()
        await postman.deliver()
        (sent,) = langsmith.feedback
    assert (sent["run_id"], sent["score"], sent["value"]) == (run_id, 1.0, "approved")
    assert box.sql("SELECT status FROM outbox") == [("sent",)]


async def test_without_a_trace_there_is_nowhere_to_send_it(box: Box) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store))
    await store.notify(approval.incident_id, "feedback", ["langsmith"], key=f"feedback/{approval.id}")
    await Postman(box.runtime).deliver()
    assert box.sql("SELECT status FROM outbox") == [("sent",)]


# Settings


async def changed_settings(box: Box) -> tuple[str, int]:
    """An incident whose approved change of settings was sent and never restored; it and the job."""
    runtime = box.runtime
    started = box.sandbox.control.start("executor_oom", webhook="lost")
    box.sandbox.control.finish(started["run_id"])
    incident_id = (await look_at(runtime, started["run_id"], source="test")).incident_id
    run = await runtime.workspace.run(started["run_id"])
    await runtime.store.open_incident(run, thread_id="t", incident_id=incident_id)
    cluster = run.settings["job_clusters"][0]
    key, conf = cluster["job_cluster_key"], cluster["new_cluster"].get("spark_conf", {})
    change = {
        "path": MEMORY.replace("main", key),
        "current": conf.get("spark.executor.memory"),
        "proposed": "15g",
    }
    proposal = Proposal(action=Action.RETRY_WITH_NEW_PARAMS, params={"settings": [change]})
    approval = await ask(runtime.store, incident_id, proposal)
    await runtime.store.decide(approval.id, APPROVE, ANNA)
    lease = await runtime.leases.acquire(incident_id, "worker that will die", 60)
    assert lease is not None
    ctx = runtime.context(lease)
    apply = (await ctx.actions.prepare(proposal, run))[0]
    claim = await ctx.store.claim(approval.id, "t", apply)
    sent = await ctx.actions.send(claim)
    assert sent.state == "done"
    await ctx.store.record_claim(claim.id, "done", sent.model_dump())
    await runtime.leases.release(lease)
    return incident_id, started["job_id"]


async def memory_of(box: Box, run_id: int) -> Any:
    run = await box.runtime.workspace.run(run_id)
    return run.settings["job_clusters"][0]["new_cluster"].get("spark_conf", {}).get("spark.executor.memory")


async def test_settings_that_nobody_restored_are_put_back(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "RESTORE_SECONDS", 0.0)
    incident_id, _ = await changed_settings(box)
    run_id = (await box.runtime.store.incident(incident_id)).run_id
    assert await memory_of(box, run_id) == "15g"
    assert await watcher.restore_settings(box.runtime) == 0  # the incident goes on, and restores by itself
    await box.runtime.store.close(incident_id, by="anna@example.com")
    assert await watcher.restore_settings(box.runtime) == 1
    assert await memory_of(box, run_id) != "15g"
    assert await watcher.restore_settings(box.runtime) == 0
    assert "restored" in [e.kind for e in await box.runtime.queries.events(incident_id)]
    statuses = {(c.step, c.status) for c in await box.runtime.store.claims(incident_id)}
    assert statuses == {("apply", "restored"), ("restore", "done")}


async def test_settings_that_a_person_changed_since_are_left_alone(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "RESTORE_SECONDS", 0.0)
    incident_id, job_id = await changed_settings(box)
    await box.runtime.store.close(incident_id, by="anna@example.com")
    run = await box.runtime.workspace.run((await box.runtime.store.incident(incident_id)).run_id)
    clusters = run.settings["job_clusters"]
    clusters[0]["new_cluster"]["spark_conf"]["spark.executor.memory"] = "14g"
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {box.sandbox.token}"}) as person:
        body = {"job_id": job_id, "new_settings": {"job_clusters": clusters}}
        (await person.post(f"{box.sandbox.url}/api/2.2/jobs/update", json=body)).raise_for_status()
    for _ in range(2):
        await watcher.restore_settings(box.runtime)
    assert await memory_of(box, run.run_id) == "14g"
    kinds = [e.kind for e in await box.runtime.queries.events(incident_id)]
    assert kinds.count("restore_failed") == 1


# Letting go


class Counting(TypedDict, total=False):
    n: int


async def test_old_checkpoints_go_and_pending_interrupts_stay(box: Box) -> None:
    store, saver = box.runtime.store, make_saver(box.runtime.checkpoints)

    def ends(state: Counting) -> Counting:
        return {"n": state.get("n", 0) + 1}

    def waits(state: Counting) -> Counting:
        interrupt({"kind": "review"})
        return {"n": 9}

    async def finished(run_id: int, node: Any, days_ago: int) -> str:
        thread = f"thread-{run_id}"
        graph = StateGraph(Counting).add_node("one", node).add_edge(START, "one").add_edge("one", END)
        await graph.compile(checkpointer=saver).ainvoke({"n": 1}, {"configurable": {"thread_id": thread}})
        incident_id = await tell(store, a_run(run_id))
        await store.finish(incident_id, "resolved")
        query = "UPDATE incidents SET finished_at = now() - make_interval(days => %s) WHERE id = %s"
        box.sql(query, days_ago, incident_id)
        return thread

    old, waiting, young = (
        await finished(1, ends, 40),
        await finished(2, waits, 40),
        await finished(3, ends, 1),
    )
    assert await retention.let_go(box.runtime) == 1
    left = {row[0] for row in box.sql("SELECT DISTINCT thread_id FROM checkpoints")}
    assert left == {waiting, young}
    assert old not in left
    assert await retention.let_go(box.runtime) == 0


# Leading, and going on


async def test_one_leads_until_it_is_gone(box: Box) -> None:
    first, second = Leader(box.runtime.db.libpq_url), Leader(box.runtime.db.libpq_url)
    assert await first.leads()
    assert not await second.leads()
    assert await first.leads()
    box.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pitstop-leader'"
    )
    results = []
    for leader in (second, second, first, first):
        with contextlib.suppress(Exception):
            results.append(await leader.leads())
    assert results.count(True) >= 1
    await second.close()
    await first.close()
    third = Leader(box.runtime.db.libpq_url)
    assert await third.leads()
    await third.close()


async def test_a_round_that_fails_comes_again() -> None:
    rounds: list[int] = []
    stop = asyncio.Event()

    async def once() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise ConnectionError("away")
        stop.set()

    async def leads() -> bool:
        return True

    await asyncio.wait_for(run_loop(Loop("test", 0.01, once), leads, stop), 10)
    assert len(rounds) == 2


async def test_who_does_not_lead_does_nothing() -> None:
    stop = asyncio.Event()
    asked: list[int] = []

    async def leads() -> bool:
        asked.append(1)
        if len(asked) == 3:
            stop.set()
        return False

    async def once() -> None:
        raise AssertionError("not the leader's round")

    await asyncio.wait_for(run_loop(Loop("test", 0.01, once), leads, stop), 10)


async def test_the_worker_goes_on_when_postgres_is_back(
    box_settings: Settings, sandbox: SandboxProcess
) -> None:
    quick = {"watch_seconds": 0.2, "watch_jobs": [1], "heartbeat_seconds": 0.5, "stalled_seconds": 2.0}
    async with opened(box_settings.model_copy(update=quick), sandbox) as box:
        stop = asyncio.Event()
        working = asyncio.create_task(run_worker(box.runtime, stop=stop))
        client = box.client()

        async def handled() -> bool:
            return box.sql("SELECT count(*) FROM signals WHERE handled_at IS NULL") == [(0,)]

        body = {"run_id": 999_999_999}
        assert (await client.post("/webhooks/databricks", json=body, auth=HOOK)).status_code == 202
        async with asyncio.timeout(20):
            while not await handled():
                await asyncio.sleep(0.05)
        with box.postgres_away():
            assert (await client.post("/webhooks/databricks", json=body, auth=HOOK)).status_code == 503
            await asyncio.sleep(1.0)
        assert not working.done()
        assert (await client.post("/webhooks/databricks", json=body, auth=HOOK)).status_code == 202
        async with asyncio.timeout(40):
            while not await handled():
                await asyncio.sleep(0.05)
        stop.set()
        await asyncio.wait_for(working, 20)
