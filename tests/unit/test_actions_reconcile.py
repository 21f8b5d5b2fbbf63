"""Every way in which a repair may or may not have happened."""

from __future__ import annotations

from typing import Any

import pytest

from core.approvals import Claim
from core.run import Repair, RunFacts, TaskFacts
from tools.actions.reconcile import Judgement, Verdict, judge
from tools.actions.repair_run import latest_repair_id, request, root_failures
from tools.databricks import wire

CLAIMED = "2026-01-31T12:00:00+00:00"
CLAIMED_MS = 1_769_860_800_000
SEND, WAIT, MOVED = Judgement(Verdict.SEND), Judgement(Verdict.WAIT), Judgement(Verdict.MOVED)
RUNNING, UNCLEAR = Judgement(Verdict.RUNNING), Judgement(Verdict.UNCLEAR)


def claim(*, known: list[int] | None = None, active: bool = False, tasks: list[str] | None = None) -> Claim:
    return Claim(
        step="start",
        call="repair_run",
        before={"repair_ids": known or [], "active": active},
        request={"run_id": 1, "rerun_tasks": ["load"] if tasks is None else tasks},
        id="clm_1",
        incident_id="inc_1",
        attempt=1,
        approval_id="apr_1",
        created_at=CLAIMED,
    )


def run(*repairs: dict[str, Any], active: bool = False) -> wire.Run:
    tasks = [
        {"task_key": "load", "run_id": 11},
        {"task_key": "report", "run_id": 12, "depends_on": [{"task_key": "load"}]},
        {"task_key": "mail", "run_id": 13, "depends_on": [{"task_key": "report"}]},
        {"task_key": "copy", "run_id": 14},
    ]
    original = {"type": "ORIGINAL", "start_time": 1, "task_run_ids": [1]}
    state = "RUNNING" if active else "TERMINATED"
    return wire.Run.model_validate(
        {"run_id": 1, "status": {"state": state}, "tasks": tasks, "repair_history": [original, *repairs]}
    )


def repair(number: int, *, after: int = 5_000, tasks: tuple[int, ...] = (11, 12, 13)) -> dict[str, Any]:
    return {"id": number, "type": "REPAIR", "start_time": CLAIMED_MS + after, "task_run_ids": list(tasks)}


def ours(number: int) -> Judgement:
    return Judgement(Verdict.OURS, number)


@pytest.mark.parametrize(
    ("claimed", "now", "unsent", "unsure"),
    [
        (claim(), run(), SEND, SEND),
        (claim(known=[5]), run(repair(5, after=-90_000)), SEND, SEND),
        (claim(), run(active=True), MOVED, WAIT),
        (claim(active=True), run(active=True), RUNNING, WAIT),
        (claim(), run(repair(7)), MOVED, ours(7)),
        (claim(), run(repair(7), active=True), MOVED, ours(7)),
        (claim(active=True), run(repair(7), active=True), MOVED, ours(7)),
        (claim(known=[5]), run(repair(5, after=-90_000), repair(3)), MOVED, ours(3)),
        (claim(), run(repair(7, after=-30_000)), MOVED, ours(7)),
        (claim(), run(repair(7, after=-90_000)), MOVED, UNCLEAR),
        (claim(), run(repair(7, tasks=(11,))), MOVED, ours(7)),
        (claim(), run(repair(7, tasks=(12, 13))), MOVED, UNCLEAR),
        (claim(), run(repair(7, tasks=(11, 12, 14))), MOVED, UNCLEAR),
        (claim(), run(repair(7, tasks=())), MOVED, UNCLEAR),
        (claim(tasks=[]), run(repair(7, tasks=(14,))), MOVED, ours(7)),
        (claim(), run(repair(7), repair(8)), MOVED, UNCLEAR),
    ],
)
def test_judgements(claimed: Claim, now: wire.Run, unsent: Judgement, unsure: Judgement) -> None:
    assert judge(claimed, now, unsure=False) == unsent
    assert judge(claimed, now, unsure=True) == unsure


def facts(**fields: Any) -> RunFacts:
    tasks = [
        TaskFacts(task_key="load", run_id=1, result_state="FAILED"),
        TaskFacts(task_key="report", run_id=2, depends_on=["load"], result_state="UPSTREAM_FAILED"),
        TaskFacts(task_key="mail", run_id=3, depends_on=["report"], result_state="FAILED"),
        TaskFacts(task_key="copy", run_id=4, result_state="TIMEDOUT"),
    ]
    return RunFacts(workspace="w", run_id=1, **{"tasks": tasks, **fields})


def test_the_roots_of_a_failure() -> None:
    assert [t.task_key for t in root_failures(facts())] == ["load", "copy"]
    assert request(facts(), []).request["rerun_tasks"] == ["load", "copy"]
    assert request(facts(), ["mail"]).request["rerun_tasks"] == ["mail"]


def test_a_run_without_failed_tasks_is_repaired_as_a_whole() -> None:
    body = request(facts(tasks=[]), []).request
    assert body == {"run_id": 1, "rerun_dependent_tasks": True, "rerun_all_failed_tasks": True}


def test_the_latest_repair_is_the_last_to_start() -> None:
    repairs = [Repair(kind="ORIGINAL"), Repair(id=900, start_time=1), Repair(id=17, start_time=2)]
    assert latest_repair_id(facts(repairs=repairs)) == 17
    assert request(facts(repairs=repairs), []).request["latest_repair_id"] == 17
    assert latest_repair_id(facts()) == 0
    assert "latest_repair_id" not in request(facts(), []).request
