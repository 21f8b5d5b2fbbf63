"""From a signal to an incident: whose a run is, over a real (sandbox) workspace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.actions import Action, Proposal, RetryParams, payload_sha256
from core.approvals import ClaimRequest, NewApproval
from core.errors import WorkspaceUnavailable
from core.incident import Decision, DecisionKind, Reviewer
from server import watcher
from server.intake import ActionUnderWay, look_at, read_signal
from server.poller import Poller
from tests.server_box import Box

ANNA = Reviewer(name="anna@example.com", role="admin")


def failed_run(box: Box, name: str = "connection_reset") -> dict[str, Any]:
    """A run of a scenario that has ended."""
    started = box.sandbox.control.start(name, webhook="lost")
    assert box.sandbox.control.finish(started["run_id"])
    return started


def repair_by_hand(box: Box, run_id: int) -> int:
    """A person repairs the run, and that repair ends; its id."""
    answer = box.sandbox.control.by_hand(run_id, "repair")
    assert box.sandbox.control.finish(run_id)
    return int(answer["repair_id"])


async def signal(box: Box, run_id: int | None = None, job_id: int | None = None) -> str:
    return (await box.runtime.signals.receive("webhook", key="k", run_id=run_id, job_id=job_id)).id


async def read(box: Box, **ids: int) -> Any:
    """What became of a signal for this run or job."""
    signal_id = await signal(box, **ids)
    await read_signal(box.runtime, signal_id)
    return await box.runtime.signals.get(signal_id)


async def claimed(box: Box, incident_id: str) -> str:
    """An approved repair of this incident's run that is about to be sent; the claim's id."""
    store = box.runtime.store
    row = await store.incident(incident_id)
    run = await box.runtime.workspace.run(row.run_id)
    await store.open_incident(run, thread_id=f"thread-{incident_id}", incident_id=incident_id)
    params = RetryParams()
    approval = await store.propose(
        NewApproval(
            incident_id=incident_id,
            attempt=1,
            revision=1,
            proposal=Proposal(action=Action.RETRY, params=params.model_dump()),
            payload_sha256=payload_sha256(incident_id, 1, Action.RETRY, params),
            ttl_seconds=60,
        )
    )
    await store.decide(approval.id, Decision(kind=DecisionKind.APPROVE), ANNA)
    request = ClaimRequest(step="start", call="repair_run", request={"run_id": row.run_id})
    return (await store.claim(approval.id, f"thread-{incident_id}", request)).id


async def test_doubled_late_and_by_its_job_it_is_one_incident(box: Box) -> None:
    run = failed_run(box)
    read_ = [await read(box, run_id=run["run_id"]) for _ in range(2)]
    read_.append(await read(box, job_id=run["job_id"]))
    assert len({r.incident_id for r in read_}) == 1
    assert all(r.handled_at for r in read_)
    assert box.sql("SELECT count(*) FROM incidents") == [(1,)]
    assert set(box.jobs("advance")) == {read_[0].incident_id}
    before = box.jobs("advance")
    await read_signal(box.runtime, read_[0].id)  # the job again: nothing more to do
    assert box.jobs("advance") == before


async def test_what_there_is_nothing_to_do_about_is_written_down(box: Box) -> None:
    unknown = await read(box, run_id=999_999_999)
    assert unknown.handled_at
    assert "999999999" in unknown.error.replace(",", "")
    running = box.sandbox.control.start("runaway", webhook="lost")["run_id"]
    assert "still" in (await read(box, run_id=running)).error
    good = failed_run(box)
    repair_by_hand(box, good["run_id"])
    assert "did not fail" in (await read(box, run_id=good["run_id"])).error
    assert box.sql("SELECT count(*) FROM incidents") == [(0,)]


async def test_a_job_whose_last_runs_are_good(box: Box) -> None:
    started = failed_run(box, "soft_failure")
    row = await read(box, job_id=started["job_id"])
    assert row.incident_id is None
    assert "None of the last runs" in row.error


async def test_a_run_that_says_success_while_its_notebook_does_not(box: Box) -> None:
    row = await read(box, run_id=failed_run(box, "soft_failure")["run_id"])
    assert row.incident_id


async def test_while_the_workspace_is_away_the_signal_waits(box: Box) -> None:
    run = failed_run(box)
    signal_id = await signal(box, run_id=run["run_id"])
    box.sandbox.control.fault("500", path="/jobs/runs/get", count=None)
    try:
        with pytest.raises(WorkspaceUnavailable):
            await read_signal(box.runtime, signal_id)
    finally:
        box.sandbox.control.clear_faults()
    waiting = await box.runtime.signals.get(signal_id)
    assert (waiting.handled_at, waiting.attempts) == (None, 1)
    assert waiting.error
    await read_signal(box.runtime, signal_id)
    assert (await box.runtime.signals.get(signal_id)).incident_id


async def test_while_our_access_is_broken_the_signal_is_kept_and_read_again(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = failed_run(box)
    signal_id = await signal(box, run_id=run["run_id"])
    box.sandbox.control.fault("403", path="/jobs/runs/get", count=None)
    try:
        await read_signal(box.runtime, signal_id)
    finally:
        box.sandbox.control.clear_faults()
    waiting = await box.runtime.signals.get(signal_id)
    assert (waiting.handled_at, waiting.incident_id) == (None, None)
    assert await watcher.read_again(box.runtime) == 0  # not yet
    box.sql("UPDATE signals SET received_at = received_at - interval '1 hour'")
    assert await watcher.read_again(box.runtime) == 1
    assert box.jobs("intake") == [signal_id, signal_id]
    await read_signal(box.runtime, signal_id)
    assert (await box.runtime.signals.get(signal_id)).incident_id


async def test_repaired_by_somebody_and_failed_again_is_another_incident(box: Box) -> None:
    run = failed_run(box, "comes_back")
    first = await read(box, run_id=run["run_id"])
    repair_id = repair_by_hand(box, run["run_id"])
    second = await read(box, run_id=run["run_id"])
    assert first.incident_id != second.incident_id
    row = await box.runtime.store.incident(second.incident_id)
    assert (row.run_id, row.latest_repair_id) == (run["run_id"], repair_id)


async def test_the_failure_of_our_own_repair_belongs_to_the_incident_that_started_it(box: Box) -> None:
    run = failed_run(box, "comes_back")
    first = await read(box, run_id=run["run_id"])
    claim_id = await claimed(box, first.incident_id)
    repair_id = repair_by_hand(box, run["run_id"])
    await box.runtime.store.record_claim(
        claim_id, "done", {"state": "done", "run_id": run["run_id"], "repair_id": repair_id}
    )
    again = await read(box, run_id=run["run_id"])
    assert again.incident_id == first.incident_id
    assert "Pitstop itself" in again.error
    assert box.sql("SELECT count(*) FROM incidents") == [(1,)]


async def test_while_an_action_is_under_way_an_unknown_repair_waits(box: Box) -> None:
    run = failed_run(box, "comes_back")
    first = await read(box, run_id=run["run_id"])
    claim_id = await claimed(box, first.incident_id)
    repair_id = repair_by_hand(box, run["run_id"])
    woken = len(box.jobs("advance"))
    with pytest.raises(ActionUnderWay):
        await look_at(box.runtime, run["run_id"], source="test")
    assert box.jobs("advance")[woken:] == [first.incident_id]
    other_job = failed_run(box)
    assert (await look_at(box.runtime, other_job["run_id"], source="test")).created
    await box.runtime.store.record_claim(claim_id, "unknown", {"state": "unknown"})
    found = await look_at(box.runtime, run["run_id"], source="test")
    assert found.incident_id != first.incident_id
    assert (await box.runtime.store.incident(found.incident_id)).latest_repair_id == repair_id


async def test_the_poller_finds_what_webhooks_lost_once(box: Box) -> None:
    lost = {failed_run(box, name)["run_id"] for name in ("connection_reset", "soft_failure")}
    poller = Poller(box.runtime)
    await poller.look()
    signals = box.sql("SELECT run_id, source FROM signals")
    assert lost <= {run_id for run_id, _ in signals}
    assert {source for _, source in signals} == {"poll"}
    assert await poller.look() == 0
    comes_back = failed_run(box, "comes_back")["run_id"]
    assert await poller.look() == 1
    repair_by_hand(box, comes_back)
    assert await poller.look() == 1  # the same run, failed again


async def test_the_poller_looks_only_at_the_jobs_it_is_told_to(box: Box) -> None:
    wanted, other = failed_run(box), failed_run(box, "comes_back")
    box.runtime.settings.watch_jobs.append(wanted["job_id"])
    await Poller(box.runtime).look()
    found = {row[0] for row in box.sql("SELECT run_id FROM signals")}
    assert wanted["run_id"] in found
    assert other["run_id"] not in found


async def test_runs_that_go_on_for_too_long_are_signalled_now_and_then(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = box.sandbox.control.start("runaway", webhook="lost")["run_id"]
    poller = Poller(box.runtime)
    await poller.look()
    assert running not in {row[0] for row in box.sql("SELECT run_id FROM signals")}
    monkeypatch.setattr("server.poller.shortest_limit", lambda _policy: 3600.0)

    def signalled() -> int:
        return box.sql("SELECT count(*) FROM signals WHERE run_id = %s", running)[0][0]

    await poller.look()
    await poller.look()
    assert signalled() == 1
    monkeypatch.setattr("server.poller.LONG_AGAIN", timedelta(0))
    await poller.look()
    assert signalled() == 2
