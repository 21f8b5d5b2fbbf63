"""What is made of the API's JSON: states in two vocabularies, arrays that are missing, codes nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from tools.databricks import facts, states, wire


def run(**fields: Any) -> wire.Run:
    return wire.Run.model_validate({"run_id": 1, **fields})


def ended(code: str | None, kind: str = "CLIENT_ERROR") -> dict[str, Any]:
    return {
        "state": "TERMINATED",
        "termination_details": {"code": code, "type": kind, "message": "so it was"},
    }


@pytest.mark.parametrize(
    ("fields", "life_cycle", "result"),
    [
        (
            {
                "status": ended("RUN_EXECUTION_ERROR"),
                "state": {"life_cycle_state": "INTERNAL_ERROR", "result_state": "FAILED"},
            },
            "TERMINATED",
            "FAILED",
        ),
        (
            {"state": {"life_cycle_state": "INTERNAL_ERROR", "result_state": "FAILED"}},
            "INTERNAL_ERROR",
            "FAILED",
        ),
        ({"state": {"life_cycle_state": "INTERNAL_ERROR"}}, "INTERNAL_ERROR", "FAILED"),
        ({"status": ended("SUCCESS", "SUCCESS")}, "TERMINATED", "SUCCESS"),
        ({"status": ended("USER_CANCELED", "SUCCESS")}, "TERMINATED", "CANCELED"),
        ({"status": ended("CANCELED")}, "TERMINATED", "TIMEDOUT"),
        ({"status": ended("SUCCESS_WITH_FAILURES", "SUCCESS")}, "TERMINATED", "SUCCESS_WITH_FAILURES"),
        ({"status": ended("A_CODE_OF_NEXT_YEAR", "A_NEW_TYPE")}, "TERMINATED", "FAILED"),
        ({"status": {"state": "RUNNING"}, "state": {"life_cycle_state": "RUNNING"}}, "RUNNING", None),
        ({"status": {"state": "TERMINATING"}}, "TERMINATING", None),
        ({"status": None, "state": None}, "", None),
    ],
)
def test_states(fields: dict[str, Any], life_cycle: str, result: str | None) -> None:
    made = facts.run_facts(run(**fields), {}, "here")
    assert (made.life_cycle_state, made.result_state) == (life_cycle, result)


def test_an_unknown_code_is_kept() -> None:
    made = facts.run_facts(run(status=ended("A_CODE_OF_NEXT_YEAR", "A_NEW_TYPE")), {}, "here")
    assert (made.termination_code, made.termination_type) == ("A_CODE_OF_NEXT_YEAR", "A_NEW_TYPE")
    assert made.state_message == "so it was"


def test_nulls_and_zeros() -> None:
    made = facts.run_facts(
        run(tasks=None, job_parameters=None, repair_history=None, start_time=0, end_time=0, run_name=None),
        {},
        "x",
    )
    assert (made.tasks, made.repairs, made.start_time, made.end_time, made.run_name) == (
        [],
        [],
        None,
        None,
        "",
    )


def test_the_newest_attempt_counts_wherever_it_stands() -> None:
    task = {"task_key": "load", "notebook_task": {"notebook_path": "/x"}}
    newest = {**task, "run_id": 3, "attempt_number": 2, "start_time": 0}
    tasks = [newest, {**task, "run_id": 1, "start_time": 5}, {**task, "run_id": 2, "attempt_number": 1}]
    made = facts.run_facts(run(tasks=tasks), {}, "x")
    assert [(t.run_id, t.kind) for t in made.tasks] == [(3, "notebook")]


def test_repairs_are_ordered_by_time_and_not_by_id() -> None:
    history = [
        {"type": "ORIGINAL", "start_time": 1},
        {"type": "REPAIR", "id": 900, "start_time": 2_000},
        {"type": "REPAIR", "id": 17, "start_time": 60_000},
    ]
    made = run(repair_history=history, end_time=90_000, start_time=1)
    assert [entry.id for entry in made.repairs()] == [900, 17]
    assert facts.duration(made) == 30.0
    assert not states.active(made)
