"""Exactly one repair, whatever the network does: judged by the record of the workspace, not by ours."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.actions import Action
from core.approvals import Claim, ClaimRequest
from core.errors import InvalidInput, WorkspaceRefused, WorkspaceUnavailable
from tests.contract.jobs_api_box import FAILS, notebook, script
from tests.contract.workspace_box import Parts

pytestmark = pytest.mark.usefixtures("fair_weather")

ROOT = Path(__file__).resolve().parents[2]
REPAIR = {"method": "POST", "path": "runs/repair"}


def failed_run(parts: Parts) -> int:
    """load fails, report depends on it, copy is fine."""
    tasks = [notebook("load"), script("report", "load"), notebook("copy")]
    return parts.box.failed(*tasks, scripts={"load": FAILS})[1]


async def prepared(parts: Parts, run_id: int, **params: Any) -> ClaimRequest:
    (start,) = await parts.prepare(Action.RETRY, await parts.workspace.run(run_id), **params)
    return start


async def test_a_retry_repairs_the_root_failures_with_what_depends_on_them(parts: Parts) -> None:
    run_id = failed_run(parts)
    sent = await parts.retry(run_id)
    (repair,) = parts.repairs(run_id)
    assert sent.state == "done" and sent.repair_id == repair["repair_id"] and sent.run_id == run_id
    assert repair["body"] == {"run_id": run_id, "rerun_dependent_tasks": True, "rerun_tasks": ["load"]}
    assert repair["by"] == "api"


async def test_a_second_retry_names_the_latest_repair(parts: Parts) -> None:
    run_id = failed_run(parts)
    first = await parts.retry(run_id)
    parts.box.ended(run_id)
    second = await parts.retry(run_id, task_keys=["load", "report"])
    assert second.state == "done"
    assert parts.repairs(run_id)[1]["body"]["latest_repair_id"] == first.repair_id
    assert parts.repairs(run_id)[1]["body"]["rerun_tasks"] == ["load", "report"]


@pytest.mark.parametrize("repaired_before", [False, True], ids=["first", "again"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "500"},
        {"kind": "503"},
        {"kind": "429", "retry_after": 0},
        {"kind": "429", "retry_after": 7200},
        {"kind": "garbage"},
        {"kind": "garbage", "body": "{}"},
        {"kind": "garbage", "body": '"fine"'},
        {"kind": "garbage", "status": 502},
        {"kind": "drop_before", "count": 2},
    ],
    ids=lambda fault: "-".join(str(v) for v in fault.values()),
)
async def test_one_repair_in_any_weather(parts: Parts, fault: dict[str, Any], repaired_before: bool) -> None:
    run_id = failed_run(parts)
    if repaired_before:
        parts.box.control.by_hand(run_id, "repair")
        parts.box.ended(run_id)
    before = len(parts.repairs(run_id))
    start = await prepared(parts, run_id)
    parts.box.control.fault(**REPAIR, **fault)
    sent = await parts.actions.send(parts.claim(start))
    made = parts.repairs(run_id)[before:]
    assert [sent.state, sent.repair_id] == ["done", made[0]["repair_id"]]
    assert len(made) == 1


async def test_a_post_is_sent_once_and_looked_after_before_it_is_sent_again(parts: Parts) -> None:
    run_id = failed_run(parts)
    start = await prepared(parts, run_id)
    begun = len(parts.box.control.requests())
    parts.box.control.fault(**REPAIR, kind="429", retry_after=0, count=2)
    await parts.actions.send(parts.claim(start))
    done = [entry["path"].rsplit("/", 1)[1] for entry in parts.box.control.requests()[begun:]]
    assert done == ["get", "repair", "get", "repair", "get", "repair"]


async def test_a_workspace_that_stays_away_is_asked_a_few_times_and_repaired_later(parts: Parts) -> None:
    run_id = failed_run(parts)
    claim = parts.claim(await prepared(parts, run_id))
    parts.box.control.fault(**REPAIR, kind="500", count=None)
    with pytest.raises(WorkspaceUnavailable, match="not settled"):
        await parts.actions.send(claim)
    assert len([r for r in parts.box.control.requests("runs/repair") if r["status"] == 500]) >= 3
    parts.box.control.clear_faults()
    again = claim.model_copy(update={"fresh": False, "status": "sending"})
    assert (await parts.actions.send(again)).state == "done"
    assert (await parts.actions.send(again)).state == "done"
    assert len(parts.repairs(run_id)) == 1


async def test_sent_and_then_not_even_the_history_can_be_read(parts: Parts) -> None:
    run_id = failed_run(parts)
    claim = parts.claim(await prepared(parts, run_id))
    parts.box.control.fault(**REPAIR, kind="drop_after")
    parts.box.control.fault(method="GET", path="runs/get", kind="500", skip=1, count=1)
    with pytest.raises(WorkspaceUnavailable):
        await parts.actions.send(claim)
    sent = await parts.actions.send(claim.model_copy(update={"fresh": False, "status": "sending"}))
    assert sent.state == "done"
    assert sent.repair_id == parts.repairs(run_id)[0]["repair_id"]
    assert len(parts.repairs(run_id)) == 1


async def test_the_workspace_says_no(parts: Parts) -> None:
    run_id = failed_run(parts)
    start = await prepared(parts, run_id)
    parts.box.control.fault(**REPAIR, kind="403")
    with pytest.raises(WorkspaceRefused, match="CAN MANAGE RUN"):
        await parts.actions.send(parts.claim(start))
    with pytest.raises(WorkspaceRefused, match="INVALID_PARAMETER_VALUE"):
        await parts.retry(run_id, task_keys=["nobody"])
    assert parts.repairs(run_id) == []


async def test_a_refusal_that_our_own_first_send_caused_is_a_success(parts: Parts) -> None:
    run_id = failed_run(parts)
    claim = parts.claim(await prepared(parts, run_id))
    # The first send takes effect unheard, and of the look at the history an old state is seen: the second send
    # is refused, because the run goes on.
    true_run = json.dumps(parts.box.client.jobs.get_run(run_id, include_history=True).as_dict())
    parts.box.control.fault(**REPAIR, kind="drop_after")
    parts.box.control.fault(method="GET", path="runs/get", kind="garbage", skip=1, body=true_run)
    sent = await parts.actions.send(claim)
    assert sent.state == "done"
    assert [r["status"] for r in parts.box.control.requests("runs/repair")][-2:] == [None, 400]
    assert len(parts.repairs(run_id)) == 1


async def test_a_person_was_faster(parts: Parts) -> None:
    run_id = failed_run(parts)
    start = await prepared(parts, run_id)
    parts.box.control.by_hand(run_id, "repair")
    sent = await parts.actions.send(parts.claim(start))
    assert sent.state == "failed" and "repaired by someone else meanwhile" in sent.detail
    parts.box.ended(run_id)
    assert (await parts.actions.send(parts.claim(start))).state == "failed"
    assert [r["by"] for r in parts.repairs(run_id)] == ["person"]


async def test_repairs_that_cannot_be_told_apart_are_left_to_a_person(parts: Parts) -> None:
    run_id = failed_run(parts)
    claim = parts.claim(await prepared(parts, run_id))
    parts.box.control.fault(**REPAIR, kind="drop_after")
    parts.box.control.fault(method="GET", path="runs/get", kind="500", skip=1, count=1)
    with pytest.raises(WorkspaceUnavailable):
        await parts.actions.send(claim)
    parts.box.ended(run_id)
    parts.box.control.by_hand(run_id, "repair")
    sent = await parts.actions.send(claim.model_copy(update={"fresh": False, "status": "sending"}))
    assert sent.state == "unknown"
    assert len(parts.repairs(run_id)) == 2


async def test_a_repair_of_other_tasks_is_not_ours(parts: Parts) -> None:
    tasks = [notebook("load"), notebook("copy")]
    run_id = parts.box.failed(*tasks, scripts={"load": FAILS, "copy": FAILS})[1]
    start = await prepared(parts, run_id, task_keys=["load"])
    claim = parts.claim(start, fresh=False, status="sending")
    parts.box.control.by_hand(run_id, "repair")
    assert (await parts.actions.send(claim)).state == "unknown"
    assert len(parts.repairs(run_id)) == 1


async def test_a_settled_claim_is_not_sent_again(parts: Parts) -> None:
    run_id = failed_run(parts)
    start = await prepared(parts, run_id)
    result = {"state": "failed", "run_id": run_id, "repair_id": None, "detail": "no"}
    sent = await parts.actions.send(parts.claim(start, fresh=False, status="failed", result=result))
    assert (sent.state, sent.detail) == ("failed", "no")
    assert parts.repairs(run_id) == []


async def test_new_parameters_go_beside_the_runs_own(parts: Parts) -> None:
    names = {"day": "today", "batch": "100", "api_token": "", "zone": "UTC"}
    job = {"parameters": [{"name": name, "default": value} for name, value in names.items()]}
    own = {"day": "2026-01-31", "api_token": "hunter2"}
    needs_less: dict[str, Any] = {**FAILS, "succeeds_if": {"parameters": {"batch": {"equals": "10"}}}}
    _, run_id = parts.box.failed(
        notebook("load"), scripts={"load": needs_less}, job=job, run={"job_parameters": own}
    )
    run = await parts.workspace.run(run_id)
    (start,) = await parts.prepare(Action.RETRY_WITH_NEW_PARAMS, run, job_parameters={"batch": "10"})
    assert start.request["job_parameters"] == {"batch": "10"}
    assert "hunter2" not in start.model_dump_json() + run.model_dump_json()
    assert (await parts.actions.send(parts.claim(start))).state == "done"
    parts.box.ended(run_id)
    assert (await parts.workspace.run(run_id)).result_state == "SUCCESS"
    assert parts.repairs(run_id)[0]["body"]["job_parameters"] == {**own, "batch": "10"}


async def test_actions_that_only_tell_people_are_not_sent(parts: Parts) -> None:
    run = await parts.workspace.run(failed_run(parts))
    with pytest.raises(InvalidInput, match="changes nothing"):
        await parts.prepare(Action.NOTIFY_OWNER, run)


async def test_a_run_that_is_gone(parts: Parts) -> None:
    run_id = failed_run(parts)
    claim = parts.claim(await prepared(parts, run_id))
    parts.box.client.jobs.delete_run(run_id)
    with pytest.raises(WorkspaceRefused, match="no run"):
        await parts.actions.send(claim)


#: Sends one claim in a process of its own, given as arguments: address, token, claim.
SEND = """
import asyncio, sys
from core.approvals import Claim
from core.settings import Settings
from tools.actions import DatabricksActions
from tools.databricks import Connection
settings = Settings(databricks_host=sys.argv[1], databricks_token=sys.argv[2])
asyncio.run(DatabricksActions(Connection(settings)).send(Claim.model_validate_json(sys.argv[3])))
"""


@pytest.mark.parametrize("moment", ["before the send", "after the send"])
async def test_killed_while_sending(parts: Parts, moment: str) -> None:
    """kill -9 between the claim and the send, or before the answer: the next process finds out."""
    run_id = failed_run(parts)
    claim = parts.claim(await prepared(parts, run_id))
    if moment == "after the send":
        parts.box.control.fault(**REPAIR, kind="drop_after")
    # The process hangs in its first look at the history, or in the one after the send.
    skip = 1 if moment == "after the send" else 0
    parts.box.control.fault(method="GET", path="runs/get", kind="slow", seconds=20, skip=skip)
    process = start_sending(parts, claim)
    await until(lambda: not in_force(parts))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(parts.repairs(run_id)) == skip
    sent = await parts.actions.send(claim.model_copy(update={"fresh": False, "status": "sending"}))
    assert sent.state == "done"
    assert [r["repair_id"] for r in parts.repairs(run_id)] == [sent.repair_id]


def start_sending(parts: Parts, claim: Claim) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SEND, parts.box.url, parts.box.token, claim.model_dump_json()]
    return subprocess.Popen(command, cwd=ROOT)


def in_force(parts: Parts) -> list[Any]:
    answer = httpx.get(
        f"{parts.box.url}/_sandbox/faults", headers={"Authorization": f"Bearer {parts.box.token}"}
    )
    return answer.json()["faults"]


async def until(happened: Any) -> None:
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never happened")
