"""Starting an upstream job, cancelling a run, pausing a schedule."""

from __future__ import annotations

from typing import Any

import pytest

from core.actions import Action
from core.approvals import Claim
from core.errors import InvalidInput, WorkspaceRefused, WorkspaceUnavailable
from tests.contract.jobs_api_box import FAILS, notebook
from tests.contract.workspace_box import Parts

pytestmark = pytest.mark.usefixtures("fair_weather")

BURNS: dict[str, Any] = {"attempts": [{"never_ends": True}]}
SCHEDULE = {"quartz_cron_expression": "0 0 5 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"}
ROUGH = ["drop_before", "drop_after", "500", "429", "garbage"]


async def upstream(parts: Parts, *, maker: dict[str, Any] | None = None) -> tuple[int, int, list[Claim]]:
    """A run that wants what job `make` makes: the maker's id, the run's id, and the claims of both steps."""
    scripts = {"make": maker or {}}
    make_id, _ = parts.box.failed(notebook("make"), scripts=scripts if maker else {})
    _, run_id = parts.box.failed(notebook("load"), scripts={"load": FAILS})
    run = await parts.workspace.run(run_id)
    steps = await parts.prepare(
        Action.RUN_UPSTREAM, run, job_id=make_id, produces="main.crm.customers", job_parameters={"day": "1"}
    )
    assert [(step.step, step.call) for step in steps] == [("upstream", "run_now"), ("start", "repair_run")]
    return make_id, run_id, [parts.claim(step) for step in steps]


async def test_upstream_then_repair(parts: Parts) -> None:
    make_id, run_id, (first, second) = await upstream(parts)
    sent = await parts.actions.send(first)
    (started,) = parts.box.control.actions(kind="run_now", job_id=make_id)
    assert sent.state == "done" and sent.run_id == started["run_id"]
    assert started["body"] == {
        "job_id": make_id,
        "job_parameters": {"day": "1"},
        "idempotency_token": first.id,
    }
    first = first.model_copy(update={"result": sent.model_dump(), "status": "done"})
    assert await parts.actions.upstream_state(first) == "running"
    parts.box.ended(started["run_id"])
    assert await parts.actions.upstream_state(first) == "succeeded"
    assert (await parts.actions.send(second)).state == "done"
    assert len(parts.repairs(run_id)) == 1


async def test_an_upstream_run_that_fails(parts: Parts) -> None:
    _, _, (first, _) = await upstream(parts, maker=FAILS)
    sent = await parts.actions.send(first)
    assert sent.run_id
    parts.box.ended(sent.run_id)
    assert (
        await parts.actions.upstream_state(first.model_copy(update={"result": sent.model_dump()})) == "failed"
    )
    assert await parts.actions.upstream_state(first) == "failed"
    gone = first.model_copy(update={"result": {"run_id": 17}})
    assert await parts.actions.upstream_state(gone) == "failed"


@pytest.mark.parametrize("kind", ROUGH)
async def test_one_upstream_run_in_any_weather(parts: Parts, kind: str) -> None:
    make_id, _, (first, _) = await upstream(parts)
    parts.box.control.fault(kind, method="POST", path="run-now")
    sent = await parts.actions.send(first)
    (started,) = parts.box.control.actions(kind="run_now", job_id=make_id)
    assert sent.run_id == started["run_id"]
    again = await parts.actions.send(first.model_copy(update={"fresh": False, "status": "sending"}))
    assert again == sent
    assert len(parts.box.control.actions(kind="run_now", job_id=make_id)) == 1


async def test_an_upstream_job_that_is_refused(parts: Parts) -> None:
    _, _, (first, _) = await upstream(parts)
    parts.box.control.fault("403", path="run-now")
    with pytest.raises(WorkspaceRefused):
        await parts.actions.send(first)
    parts.box.control.fault("drop_after", path="run-now")
    parts.box.control.fault("403", path="run-now")
    sent = await parts.actions.send(first)
    assert sent.state == "unknown"
    parts.box.control.fault("500", path="run-now", count=None)
    with pytest.raises(WorkspaceUnavailable):
        await parts.actions.send(first)


def burning(parts: Parts, **job: Any) -> tuple[int, int]:
    job_id, run_id = parts.box.play({"tasks": [notebook("load")], **job}, tasks={"load": BURNS})
    parts.box.control.advance(seconds=30)
    return job_id, run_id


async def stop(parts: Parts, run_id: int, **params: Any) -> Claim:
    (step,) = await parts.prepare(Action.TERMINATE, await parts.workspace.run(run_id), **params)
    assert step.step == "stop"
    return parts.claim(step)


@pytest.mark.parametrize("kind", ["none", *ROUGH])
async def test_a_burning_run_is_cancelled(parts: Parts, kind: str) -> None:
    _, run_id = burning(parts)
    claim = await stop(parts, run_id)
    if kind != "none":
        parts.box.control.fault(kind, path="runs/cancel")
    assert (await parts.actions.send(claim)).state == "done"
    parts.box.ended(run_id)
    assert (await parts.workspace.run(run_id)).result_state == "CANCELED"
    assert len(parts.box.control.actions(kind="cancel", run_id=run_id)) == 1
    again = await parts.actions.send(claim.model_copy(update={"fresh": False, "status": "sending"}))
    assert again.state == "done" and "ended" in again.detail


async def test_a_run_that_a_person_repaired_is_not_cancelled(parts: Parts) -> None:
    _, run_id = parts.box.failed(notebook("load"), scripts={"load": FAILS})
    claim = await stop(parts, run_id)
    parts.box.control.by_hand(run_id, "repair")
    sent = await parts.actions.send(claim)
    assert sent.state == "failed" and "someone else" in sent.detail
    assert parts.box.control.actions(kind="cancel", run_id=run_id) == []


@pytest.mark.parametrize("kind", ["none", *ROUGH])
async def test_a_schedule_is_paused(parts: Parts, kind: str) -> None:
    job_id, run_id = burning(parts, schedule=SCHEDULE)
    claim = await stop(parts, run_id, cancel_run=False, pause_schedule=True)
    assert claim.call == "pause_job"
    if kind != "none":
        parts.box.control.fault(kind, path="jobs/update")
    assert (await parts.actions.send(claim)).state == "done"
    settings = parts.box.client.jobs.get(job_id).settings
    assert settings and settings.schedule
    assert settings.schedule.as_dict() == {**SCHEDULE, "pause_status": "PAUSED"}
    assert len(parts.updates(job_id)) == 1
    assert (await parts.actions.send(claim)).state == "done"
    assert len(parts.updates(job_id)) == 1
    assert (await parts.workspace.run(run_id)).active


async def test_cancelled_and_paused_in_one_step(parts: Parts) -> None:
    job_id, run_id = burning(parts, schedule=SCHEDULE)
    sent = await parts.actions.send(await stop(parts, run_id, pause_schedule=True))
    assert sent.detail == "The schedule is paused."
    assert len(parts.updates(job_id)) == 1
    assert len(parts.box.control.actions(kind="cancel", run_id=run_id)) == 1


async def test_a_run_is_cancelled_also_when_the_schedule_may_not_be_paused(parts: Parts) -> None:
    _, run_id = burning(parts, schedule=SCHEDULE)
    claim = await stop(parts, run_id, pause_schedule=True)
    parts.box.control.fault("403", path="jobs/update")
    sent = await parts.actions.send(claim)
    assert sent.state == "done" and "was not paused" in sent.detail
    assert len(parts.box.control.actions(kind="cancel", run_id=run_id)) == 1


async def test_nothing_to_stop(parts: Parts) -> None:
    _, run_id = burning(parts)
    with pytest.raises(InvalidInput, match="must cancel"):
        await stop(parts, run_id, cancel_run=False)
    sent = await parts.actions.send(await stop(parts, run_id, cancel_run=False, pause_schedule=True))
    assert sent.detail == "The job has no schedule."
    parts.box.control.fault("403", path="runs/cancel")
    with pytest.raises(WorkspaceRefused):
        await parts.actions.send(await stop(parts, run_id))
