"""The sandbox's outage through the real SDK: every run on it fails, repairs too, until it is ended."""

from __future__ import annotations

import pytest

from core.errors import WorkspaceRefused
from tests.contract.jobs_api_box import Box, result

OUTAGE = "storage_endpoint"


def test_all_fail_by_it_and_repairs_hold_once_it_is_over(sandbox: Box) -> None:
    begun = sandbox.control.begin_outage(OUTAGE, jobs=5, runs=12)
    assert (len(begun["job_ids"]), len(set(begun["run_ids"]))) == (5, 12)
    runs = [sandbox.ended(run_id) for run_id in begun["run_ids"]]
    assert {result(run) for run in runs} == {"FAILED"}
    per_job = [sum(run.job_id == job_id for run in runs) for job_id in begun["job_ids"]]
    assert sorted(per_job) == [2, 2, 2, 3, 3]
    errors = [
        sandbox.client.jobs.get_run_output(task.run_id or 0).error or ""
        for run in runs
        for task in run.tasks or []
        if task.state and task.state.result_state and task.state.result_state.value == "FAILED"
    ]
    assert len(errors) == 12 and all("acmelake.dfs.core.windows.net" in error for error in errors)
    assert len(set(errors)) == 3, "each kind of job says it in its own words"

    first = begun["run_ids"][0]
    sandbox.client.jobs.repair_run(first, rerun_all_failed_tasks=True)
    assert result(sandbox.ended(first)) == "FAILED", "it goes on"
    assert sandbox.control.end_outage(OUTAGE)
    assert not sandbox.control.end_outage(OUTAGE), "it is over"
    again = sandbox.client.jobs.get_run(first, include_history=True).repair_history or []
    sandbox.client.jobs.repair_run(first, rerun_all_failed_tasks=True, latest_repair_id=again[-1].id)
    assert result(sandbox.ended(first)) == "SUCCESS"


def test_an_outage_that_there_is_not(sandbox: Box) -> None:
    with pytest.raises(WorkspaceRefused):
        sandbox.control.begin_outage("no_such_outage")
    with pytest.raises(WorkspaceRefused):
        sandbox.control.begin_outage(OUTAGE, jobs=0)
