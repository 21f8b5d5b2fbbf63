"""Repairs in the sandbox, through the real SDK: every rule of runs/repair, and who wins a race."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import InvalidParameterValue, InvalidState
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service import compute, jobs

from tests.contract.jobs_api_box import CLUSTER, FAILS, Box, notebook, result, results, script, task_id

ONCE = {"attempts": [{"result": "FAILED", "error": "ConnectionResetError"}, {}]}


def repair_id(sandbox: Box, run_id: int) -> int | None:
    """The newest repair, as a client finds it."""
    history = sandbox.client.jobs.get_run(run_id, include_history=True).repair_history or []
    return history[-1].id


def test_a_repair_runs_failed_tasks_again_within_the_run(sandbox: Box) -> None:
    chain = [notebook("a"), notebook("b", "a"), notebook("c", "b")]
    job_id, run_id = sandbox.failed(*chain, scripts={"b": ONCE})
    before = sandbox.client.jobs.get_run(run_id)
    waiter = sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    active = sandbox.client.jobs.get_run(run_id)
    assert active.state and active.state.result_state is None and not active.end_time
    after = sandbox.ended(run_id)
    assert result(after) == "SUCCESS" and results(after) == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}
    assert after.start_time == before.start_time
    assert [(t.task_key, t.attempt_number) for t in after.tasks or []] == [
        ("a", 0),
        ("b", 0),
        ("c", 0),
        ("b", 1),
        ("c", 1),
    ], "earlier task runs stay"
    original, repair = after.repair_history or []
    assert original.type == jobs.RepairHistoryItemType.ORIGINAL and original.id is None
    assert repair.id == waiter.response.repair_id
    assert repair.task_run_ids == [task_id(after, "b"), task_id(after, "c")]
    assert repair.state and repair.state.result_state == jobs.RunResultState.SUCCESS
    assert not sandbox.client.jobs.get_run(run_id).repair_history, "only on request"
    (action,) = sandbox.control.actions(kind="repair", job_id=job_id)
    assert (action["run_id"], action["repair_id"], action["by"]) == (run_id, repair.id, "api")


def test_not_while_it_is_going_on(sandbox: Box) -> None:
    _, run_id = sandbox.play({"tasks": [script("a")]}, tasks={"a": FAILS})
    with pytest.raises(InvalidState):
        sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    sandbox.ended(run_id)
    sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    with pytest.raises(InvalidState):
        sandbox.client.jobs.repair_run(
            run_id, rerun_all_failed_tasks=True, latest_repair_id=repair_id(sandbox, run_id)
        )


def test_from_the_second_on_the_latest_repair_is_named(sandbox: Box) -> None:
    job_id, run_id = sandbox.failed(script("a"), scripts={"a": FAILS})
    with pytest.raises(InvalidParameterValue):
        sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True, latest_repair_id=1)
    first = sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True).response.repair_id
    sandbox.ended(run_id)
    with pytest.raises(InvalidParameterValue, match="latest repair ID needs to be provided"):
        sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    with pytest.raises(InvalidParameterValue, match="does not match"):
        sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True, latest_repair_id=first - 1)
    sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True, latest_repair_id=first)
    assert result(sandbox.ended(run_id)) == "FAILED", "it fails again after each repair"
    assert len(sandbox.control.actions(kind="repair", job_id=job_id)) == 2


def test_what_to_run_is_said_in_one_way(sandbox: Box) -> None:
    job_id, run_id = sandbox.failed(script("a"), script("b"), scripts={"a": FAILS})
    api = sandbox.client.jobs
    refused: list[Callable[[], object]] = [
        lambda: api.repair_run(run_id),
        lambda: api.repair_run(run_id, rerun_tasks=["a"], rerun_all_failed_tasks=True),
        lambda: api.repair_run(run_id, rerun_tasks=["z"]),
    ]
    for call in refused:
        with pytest.raises(InvalidParameterValue):
            call()
    assert sandbox.control.actions(job_id=job_id) == []
    api.repair_run(run_id, rerun_tasks=["b"])
    assert [t.task_key for t in sandbox.ended(run_id).tasks or []] == ["a", "b", "b"], (
        "good tasks may run again"
    )
    _, good = sandbox.failed(script("a"), scripts={})
    with pytest.raises(InvalidParameterValue, match="no failed tasks"):
        api.repair_run(good, rerun_all_failed_tasks=True)


def test_named_tasks_alone_leave_their_dependants_skipped(sandbox: Box) -> None:
    chain = [script("a"), script("b", "a")]
    _, run_id = sandbox.failed(*chain, scripts={"a": ONCE})
    sandbox.client.jobs.repair_run(run_id, rerun_tasks=["a"])
    run = sandbox.ended(run_id)
    assert results(run) == {"a": "SUCCESS", "b": "UPSTREAM_FAILED"} and result(run) == "FAILED"
    _, run_id = sandbox.failed(*chain, scripts={"a": ONCE})
    sandbox.client.jobs.repair_run(run_id, rerun_tasks=["a"], rerun_dependent_tasks=True)
    assert result(sandbox.ended(run_id)) == "SUCCESS"


def test_a_repair_uses_the_jobs_current_settings(sandbox: Box) -> None:
    more_memory = {"succeeds_if": {"spark_conf": {"spark.executor.memory": "8g"}}, **FAILS}
    job = {"job_clusters": [{"job_cluster_key": "main", "new_cluster": CLUSTER}]}
    job_id, run_id = sandbox.failed(script("a", job_cluster_key="main"), scripts={"a": more_memory}, job=job)
    api = sandbox.client.jobs
    first = api.repair_run(run_id, rerun_all_failed_tasks=True).response.repair_id
    assert result(sandbox.ended(run_id)) == "FAILED"
    bigger = compute.ClusterSpec.from_dict({**CLUSTER, "spark_conf": {"spark.executor.memory": "12288m"}})
    cluster = jobs.JobCluster(job_cluster_key="main", new_cluster=bigger)
    api.update(job_id, new_settings=jobs.JobSettings(job_clusters=[cluster]))
    api.repair_run(run_id, rerun_all_failed_tasks=True, latest_repair_id=first)
    run = sandbox.ended(run_id)
    assert result(run) == "SUCCESS"
    ids = [t.cluster_instance.cluster_id for t in run.tasks or [] if t.cluster_instance]
    assert len(set(ids)) == 3, "each repair has a cluster of its own"
    specs = [api.get_run(t.run_id or 0).cluster_spec for t in run.tasks or []]
    memory = [s.new_cluster.spark_conf for s in specs if s and s.new_cluster]
    assert [m["spark.executor.memory"] for m in memory if m] == ["4g", "4g", "12288m"]


@pytest.mark.parametrize(
    ("wanted", "cluster"),
    [
        ({"node_type": ["Standard_E8ds_v5"]}, {"node_type_id": "Standard_E8ds_v5"}),
        ({"num_workers": 4}, {"num_workers": 5}),
    ],
)
def test_other_compute_can_help(sandbox: Box, wanted: dict[str, object], cluster: dict[str, object]) -> None:
    helped = {"succeeds_if": wanted, **FAILS}
    job_id, run_id = sandbox.failed(script("a", new_cluster=CLUSTER), scripts={"a": helped})
    task = jobs.Task.from_dict(script("a", new_cluster={**CLUSTER, **cluster}))
    sandbox.client.jobs.update(job_id, new_settings=jobs.JobSettings(tasks=[task]))
    sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    assert result(sandbox.ended(run_id)) == "SUCCESS"


def test_a_longer_timeout_can_help(sandbox: Box) -> None:
    slow = {"attempts": [{"seconds": 900}]}
    job_id, run_id = sandbox.failed(script("a", timeout_seconds=600), scripts={"a": slow})
    task = jobs.Task.from_dict(script("a", timeout_seconds=1200))
    sandbox.client.jobs.update(job_id, new_settings=jobs.JobSettings(tasks=[task]))
    sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    assert result(sandbox.ended(run_id)) == "SUCCESS"


def test_job_parameters_of_the_repair(sandbox: Box) -> None:
    smaller = {"succeeds_if": {"parameters": {"batch": {"equals": "10"}}}, **FAILS}
    job = {"parameters": [{"name": "batch", "default": "100"}, {"name": "mode", "default": "full"}]}
    job_id, run_id = sandbox.failed(script("a"), scripts={"a": smaller}, job=job)
    sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True, job_parameters={"batch": "10"})
    run = sandbox.ended(run_id)
    assert result(run) == "SUCCESS"
    assert {p.name: p.value for p in run.job_parameters or []} == {"batch": "10", "mode": None}
    assert result(sandbox.ended(sandbox.client.jobs.run_now(job_id).run_id)) == "FAILED", (
        "the job is as it was"
    )


def test_what_is_missing_can_be_made_by_another_job(sandbox: Box) -> None:
    producer = {"job": {"name": "make-customers", "tasks": [script("load")]}}
    helped = {"succeeds_if": {"job_succeeded": "make-customers"}, **FAILS}
    _, run_id = sandbox.failed(script("a"), scripts={"a": helped}, other_jobs=[producer])
    (other,) = sandbox.client.jobs.list(name="make-customers")
    first = sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True).response.repair_id
    assert result(sandbox.ended(run_id)) == "FAILED"
    assert other.job_id
    assert result(sandbox.ended(sandbox.client.jobs.run_now(other.job_id).run_id)) == "SUCCESS"
    sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True, latest_repair_id=first)
    assert result(sandbox.ended(run_id)) == "SUCCESS"


def test_of_many_repairs_at_once_one_wins(sandbox: Box) -> None:
    job_id, run_id = sandbox.failed(script("a"), scripts={"a": FAILS})
    first = sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True).response.repair_id
    sandbox.ended(run_id)

    def repair(_: int) -> bool:
        try:
            sandbox.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True, latest_repair_id=first)
        except DatabricksError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(repair, range(16))) == 1
    assert len(sandbox.control.actions(kind="repair", job_id=job_id)) == 2


def test_a_dropped_answer_hides_a_repair_that_took_effect(sandbox: Box) -> None:
    job_id, run_id = sandbox.failed(script("a"), scripts={"a": FAILS})
    once = WorkspaceClient(config=Config(host=sandbox.url, token=sandbox.token, retry_timeout_seconds=1))
    sandbox.control.fault("drop_after", path="/jobs/runs/repair", method="POST")
    with pytest.raises((TimeoutError, DatabricksError)):
        once.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    assert len(sandbox.control.actions(kind="repair", job_id=job_id)) == 1
    assert repair_id(sandbox, run_id) is not None


def test_a_person_repairs_by_hand(sandbox: Box) -> None:
    event = {"when": "failed", "after_seconds": 60, "do": "repair"}
    job_id, run_id = sandbox.failed(script("a"), scripts={"a": ONCE}, events=[event])
    assert sandbox.control.actions(job_id=job_id) == []
    sandbox.control.advance(61)
    assert result(sandbox.ended(run_id)) == "SUCCESS"
    (action,) = sandbox.control.actions(job_id=job_id)
    assert (action["kind"], action["by"], action["repair_id"]) == (
        "repair",
        "person",
        repair_id(sandbox, run_id),
    )
    _, other = sandbox.failed(script("a"), scripts={"a": ONCE})
    sandbox.control.by_hand(other, "repair")
    assert result(sandbox.ended(other)) == "SUCCESS"


def test_settings_changed_for_a_repair_leak_into_scheduled_runs(sandbox: Box) -> None:
    job = {"schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC"}}
    job_id, _ = sandbox.failed(script("a"), scripts={"a": ONCE}, job=job)
    task = jobs.Task.from_dict(script("a", timeout_seconds=4321))
    sandbox.client.jobs.update(job_id, new_settings=jobs.JobSettings(tasks=[task]))
    run = sandbox.client.jobs.get_run(sandbox.control.fire_schedule(job_id)["run_id"])
    assert run.trigger == jobs.TriggerType.PERIODIC and run.schedule
    assert [t.timeout_seconds for t in run.tasks or []] == [4321]
