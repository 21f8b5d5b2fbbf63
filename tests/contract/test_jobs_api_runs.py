"""Runs in the sandbox, through the real SDK: states, results, retries, timeouts, cancelling, lists and pages."""

from __future__ import annotations

import pytest
import requests
from databricks.sdk.errors import InvalidParameterValue, OperationFailed, ResourceDoesNotExist
from databricks.sdk.service import jobs

from tests.contract.jobs_api_box import FAILS, Box, box, notebook, result, results, script

DAY = 24 * 3600


def test_a_failed_run_is_an_internal_error_to_state_and_terminated_to_status(sandbox: Box) -> None:
    _, run_id = sandbox.failed(notebook("a"), notebook("b", "a"), scripts={"a": FAILS})
    run = sandbox.client.jobs.get_run(run_id)
    assert run.state and run.status and run.status.termination_details
    assert run.state.life_cycle_state == jobs.RunLifeCycleState.INTERNAL_ERROR
    assert run.state.result_state == jobs.RunResultState.FAILED
    assert run.status.state == jobs.RunLifecycleStateV2State.TERMINATED
    assert run.status.termination_details.code == jobs.TerminationCodeCode.RUN_EXECUTION_ERROR
    assert {task.state.life_cycle_state for task in run.tasks or [] if task.state} == {
        jobs.RunLifeCycleState.TERMINATED
    }
    assert results(run) == {"a": "FAILED", "b": "UPSTREAM_FAILED"}
    with pytest.raises(OperationFailed, match="downstream tasks to get skipped"):
        sandbox.client.jobs.wait_get_run_job_terminated_or_skipped(run_id)


def test_while_it_goes_on(sandbox: Box) -> None:
    _, run_id = sandbox.play({"tasks": [notebook("a"), notebook("b", "a")]})
    run = sandbox.client.jobs.get_run(run_id)
    states = {t.task_key: t.state.life_cycle_state for t in run.tasks or [] if t.state}
    assert states == {"a": jobs.RunLifeCycleState.PENDING, "b": jobs.RunLifeCycleState.BLOCKED}
    sandbox.control.advance(10)
    run = sandbox.client.jobs.get_run(run_id)
    assert run.state and run.state.life_cycle_state == jobs.RunLifeCycleState.RUNNING
    assert run.state.result_state is None and not run.end_time
    assert run_id in {r.run_id for r in sandbox.client.jobs.list_runs(active_only=True)}
    assert result(sandbox.ended(run_id)) == "SUCCESS"


def test_the_leaves_decide_how_a_run_ends(sandbox: Box) -> None:
    clean_up = notebook("clean_up", "work", run_if="ALL_DONE")
    _, run_id = sandbox.failed(notebook("work"), clean_up, scripts={"work": FAILS})
    run = sandbox.client.jobs.get_run(run_id)
    assert result(run) == "SUCCESS_WITH_FAILURES"
    assert results(run) == {"work": "FAILED", "clean_up": "SUCCESS"}
    alarm = notebook("alarm", "work", run_if="AT_LEAST_ONE_FAILED")
    _, run_id = sandbox.failed(notebook("work"), alarm, scripts={})
    assert results(sandbox.client.jobs.get_run(run_id))["alarm"] == "EXCLUDED"


def test_twenty_five_tasks_of_which_five_fail(sandbox: Box) -> None:
    tasks = [notebook(f"shard_{n:02}") for n in range(25)]
    _, run_id = sandbox.failed(*tasks, scripts={"shard_*5": FAILS, "shard_*1": FAILS})
    run = sandbox.client.jobs.get_run(run_id)
    assert result(run) == "FAILED"
    bad = {key for key, value in results(run).items() if value == "FAILED"}
    assert bad == {"shard_01", "shard_05", "shard_11", "shard_15", "shard_21"}


def test_retries_are_task_runs_of_their_own(sandbox: Box) -> None:
    attempts = [{"result": "FAILED", "error": "first"}, {"result": "FAILED", "error": "second"}, {}]
    _, run_id = sandbox.failed(script("a", max_retries=2), scripts={"a": {"attempts": attempts}})
    run = sandbox.client.jobs.get_run(run_id)
    assert result(run) == "SUCCESS"
    tasks = sorted(run.tasks or [], key=lambda t: t.attempt_number or 0)
    assert [t.attempt_number for t in tasks] == [0, 1, 2]
    errors = [sandbox.client.jobs.get_run_output(t.run_id or 0).error for t in tasks]
    assert errors == ["first", "second", None]


@pytest.mark.parametrize("attempt", [{"seconds": 900}, {"never_ends": True}])
def test_a_task_that_takes_too_long_times_out(sandbox: Box, attempt: dict[str, object]) -> None:
    _, run_id = sandbox.failed(script("a", timeout_seconds=600), scripts={"a": {"attempts": [attempt]}})
    run = sandbox.client.jobs.get_run(run_id)
    assert results(run) == {"a": "TIMEDOUT"} and result(run) == "FAILED"
    (task,) = run.tasks or []
    assert task.execution_duration == 600_000
    assert task.state and task.state.user_cancelled_or_timedout


def test_a_run_that_takes_too_long_times_out(sandbox: Box) -> None:
    _, run_id = sandbox.play(
        {"timeout_seconds": 60, "tasks": [script("a"), script("b", "a")]},
        tasks={"b": {"attempts": [{"seconds": 60}]}},
    )
    run = sandbox.ended(run_id)
    assert result(run) == "TIMEDOUT" and results(run) == {"a": "SUCCESS", "b": "TIMEDOUT"}


def test_cancelling_takes_a_moment(sandbox: Box) -> None:
    job_id, run_id = sandbox.play(
        {"tasks": [script("a"), script("b", "a")]}, tasks={"a": {"attempts": [{"never_ends": True}]}}
    )
    sandbox.control.advance(3 * 3600)
    sandbox.client.jobs.cancel_run(run_id)
    run = sandbox.client.jobs.get_run(run_id)
    assert run.state and run.state.life_cycle_state == jobs.RunLifeCycleState.TERMINATING
    sandbox.client.jobs.cancel_run(run_id)
    run = sandbox.ended(run_id)
    assert result(run) == "CANCELED" and results(run) == {"a": "CANCELED", "b": "UPSTREAM_CANCELED"}
    sandbox.client.jobs.cancel_run(run_id)
    assert len(sandbox.control.actions(kind="cancel", run_id=run_id)) == 1, "one of three had an effect"
    assert job_id == run.job_id


def test_one_token_is_one_run(sandbox: Box) -> None:
    job_id, run_id = sandbox.play({"tasks": [script("a")]})
    sandbox.ended(run_id)
    first = sandbox.client.jobs.run_now(job_id, idempotency_token="claim-1").run_id
    again = sandbox.client.jobs.run_now(job_id, idempotency_token="claim-1").run_id
    assert first == again != run_id
    assert len(sandbox.control.actions(kind="run_now", job_id=job_id)) == 1
    with pytest.raises(InvalidParameterValue, match="64"):
        sandbox.client.jobs.run_now(job_id, idempotency_token="x" * 65)


def test_only_some_tasks(sandbox: Box) -> None:
    chain = [script("a"), script("b", "a"), script("c", "b")]
    job_id, _ = sandbox.play({"tasks": chain, "max_concurrent_runs": 9})
    for only, expected in ((["b"], {"b"}), (["+b"], {"a", "b"}), (["b+"], {"b", "c"})):
        run = sandbox.ended(sandbox.client.jobs.run_now(job_id, only=only).run_id)
        assert set(results(run)) == expected and result(run) == "SUCCESS"
    with pytest.raises(InvalidParameterValue):
        sandbox.client.jobs.run_now(job_id, only=["z"])


def test_no_more_runs_at_once_than_allowed(sandbox: Box) -> None:
    job_id, first = sandbox.play({"tasks": [script("a")]})
    skipped = sandbox.client.jobs.get_run(sandbox.client.jobs.run_now(job_id).run_id)
    assert skipped.state and skipped.state.life_cycle_state == jobs.RunLifeCycleState.SKIPPED
    assert result(skipped) == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    queued = sandbox.client.jobs.run_now(job_id, queue=jobs.QueueSettings(enabled=True)).run_id
    state = sandbox.client.jobs.get_run(queued).state
    assert state and state.life_cycle_state == jobs.RunLifeCycleState.QUEUED
    sandbox.ended(first)
    assert result(sandbox.ended(queued)) == "SUCCESS"


def test_parameters_and_their_defaults(sandbox: Box) -> None:
    _, run_id = sandbox.play(
        {
            "tasks": [script("a")],
            "parameters": [{"name": "day", "default": "today"}, {"name": "n", "default": "1"}],
        },
        run={"job_parameters": {"day": "2026-01-31"}},
    )
    parameters = {
        p.name: (p.default, p.value) for p in sandbox.client.jobs.get_run(run_id).job_parameters or []
    }
    assert parameters == {"day": ("today", "2026-01-31"), "n": ("1", None)}


def test_lists_come_in_pages_and_filtered(sandbox: Box) -> None:
    history = [{"result": "SUCCESS", "count": 30}, {"result": "FAILED", "count": 1, "repaired": True}]
    job_id, run_id = sandbox.play({"tasks": [script("a")]}, history=history)
    runs = list(sandbox.client.jobs.list_runs(job_id=job_id))
    assert len(runs) == 32 and runs[0].run_id == run_id
    starts = [run.start_time or 0 for run in runs]
    assert starts == sorted(starts, reverse=True)
    page = requests.get(
        f"{sandbox.url}/api/2.2/jobs/runs/list", params={"job_id": job_id}, headers=_auth(sandbox)
    ).json()
    assert len(page["runs"]) == 20 and page["has_more"] and page["next_page_token"]
    recent = list(sandbox.client.jobs.list_runs(job_id=job_id, start_time_from=starts[3]))
    assert len(recent) == 4
    assert len(list(sandbox.client.jobs.list_runs(job_id=job_id, completed_only=True))) == 31
    with pytest.raises(InvalidParameterValue):
        list(sandbox.client.jobs.list_runs(job_id=job_id, limit=26))
    repaired = sandbox.client.jobs.get_run(runs[1].run_id or 0, include_history=True)
    assert [item.type for item in repaired.repair_history or []] == [
        jobs.RepairHistoryItemType.ORIGINAL,
        jobs.RepairHistoryItemType.REPAIR,
    ]


def test_long_arrays_come_in_pages(sandbox: Box) -> None:
    job_id, run_id = sandbox.play({"tasks": [script(f"t{n:03}") for n in range(250)]})
    raw = requests.get(
        f"{sandbox.url}/api/2.2/jobs/runs/get", params={"run_id": run_id}, headers=_auth(sandbox)
    ).json()
    assert len(raw["tasks"]) == 100 and raw["next_page_token"]
    assert len(sandbox.client.jobs.get_run(run_id).tasks or []) == 250
    settings = sandbox.client.jobs.get(job_id).settings
    assert settings and len(settings.tasks or []) == 250


def test_both_versions_of_the_api(sandbox: Box) -> None:
    job_id, run_id = sandbox.play({"tasks": [script("a")]})
    for version in ("2.1", "2.2"):
        url = f"{sandbox.url}/api/{version}/jobs/runs/get"
        body = requests.get(url, params={"run_id": run_id}, headers=_auth(sandbox)).json()
        assert body["run_id"] == run_id and body["job_id"] == job_id
    gone = requests.get(f"{sandbox.url}/api/2.2/jobs/nothing", headers=_auth(sandbox))
    assert gone.status_code == 404 and gone.json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_settings_are_merged_by_key_and_checked(sandbox: Box) -> None:
    job_id, _ = sandbox.play({"tasks": [script("a"), script("b", "a")], "tags": {"team": "x"}})
    api = sandbox.client.jobs
    task = jobs.Task(task_key="a", timeout_seconds=77, spark_python_task=jobs.SparkPythonTask("/etl/a.py"))
    api.update(job_id, new_settings=jobs.JobSettings(tasks=[task], tags={"tier": "1"}))
    settings = api.get(job_id).settings
    assert settings and {t.task_key: t.timeout_seconds for t in settings.tasks or []} == {"a": 77, "b": 0}
    assert settings.tags == {"tier": "1"}, "mappings are replaced, not merged"
    with pytest.raises(InvalidParameterValue, match="'a'"):
        api.update(job_id, fields_to_remove=["tasks/a"])
    bad = jobs.Task(task_key="c", job_cluster_key="nowhere")
    with pytest.raises(InvalidParameterValue, match="nowhere"):
        api.update(job_id, new_settings=jobs.JobSettings(tasks=[bad]))
    settings = api.get(job_id).settings
    assert settings and len(settings.tasks or []) == 2, "a refused change changes nothing"


def test_after_sixty_days_a_run_is_gone(tmp_path_factory: pytest.TempPathFactory) -> None:
    with box(tmp_path_factory.mktemp("old")) as sandbox:
        job_id, run_id = sandbox.failed(script("a"), scripts={"a": FAILS})
        sandbox.control.advance(61 * DAY)
        with pytest.raises(ResourceDoesNotExist):
            sandbox.client.jobs.get_run(run_id)
        assert list(sandbox.client.jobs.list_runs(job_id=job_id)) == []
        assert sandbox.client.jobs.get(job_id).job_id == job_id


def test_a_run_that_began_long_ago(sandbox: Box) -> None:
    _, run_id = sandbox.play(
        {"tasks": [script("a")]},
        tasks={"a": {"attempts": [{"never_ends": True}]}},
        run={"started_ago_seconds": 5 * 3600},
    )
    sandbox.control.advance(10)
    run = sandbox.client.jobs.get_run(run_id)
    (task,) = run.tasks or []
    assert task.state and task.state.life_cycle_state == jobs.RunLifeCycleState.RUNNING
    started = max(r.start_time or 0 for r in sandbox.client.jobs.list_runs(limit=25))
    assert (task.start_time or 0) <= started - 4 * 3600 * 1000


def _auth(sandbox: Box) -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.token}"}
