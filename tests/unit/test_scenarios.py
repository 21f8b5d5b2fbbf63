"""The demo's scenarios: complete, small, without real secrets, and playing as they say."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from core.actions import Action
from core.incident import Category, Status
from core.policy import Mode, load_policy
from sandbox.app import SCENARIOS, create_sandbox
from sandbox.box import Box
from sandbox.runs import GOOD, Run
from sandbox.scenario import Scenario, load_scenarios

ALL = load_scenarios(SCENARIOS)
POLICY = load_policy(SCENARIOS / "policy.yaml")
NODES = {
    "fetch",
    "fetch_task",
    "retrieve",
    "analyze",
    "evaluate",
    "predict",
    "decide",
    "review",
    "act",
    "verify",
    "learn",
}
MAX_FILE, MAX_ALL = 60_000, 2_000_000
#: Secrets by their forms: tokens, keys, and values behind a telling name.
SECRET = re.compile(
    r"dapi[0-9a-f]{16}|\b(?:AKIA|ASIA)[A-Z0-9]{12}|\beyJ[\w-]{10,}\.|BEGIN [A-Z ]*PRIVATE KEY|AccountKey=\S|[?&]sig=\w"
    r"|(?:password|passwd|secret|api[_-]?key|access[_-]?token)=(?!(?:self\.)?key_password)[\w/+.-]{4,}"
)
#: What a change that cures the scenario looks like: job settings laid over the failed run's cluster.
CURES: dict[str, dict[str, Any]] = {
    "executor_oom": {"spark_conf": {"spark.executor.memory": "4g"}},
    "driver_oom": {"driver_node_type_id": "Standard_D8ds_v5"},
    "result_too_large": {"spark_conf": {"spark.driver.maxResultSize": "512m"}},
    "disk_full": {"enable_elastic_disk": True},
}


@pytest.fixture(params=sorted(ALL))
def scenario(request: pytest.FixtureRequest) -> Scenario:
    """Each scenario."""
    return ALL[request.param]


def test_there_are_enough_of_every_kind() -> None:
    assert len(ALL) >= 26
    assert set(Counter(s.category for s in ALL.values())) == {c.value for c in Category}
    assert {Action(a) for s in ALL.values() for a in s.expect.actions} == set(Action) - {Action.PROPOSE_FIX}
    assert {s.expect.decision for s in ALL.values()} == {"approve", "edit", "reject", "none"}
    assert {s.webhook for s in ALL.values()} == {"normal", "lost", "doubled", "late", "out_of_order"}


def test_expectations_hang_together(scenario: Scenario) -> None:
    expect = scenario.expect
    assert scenario.category == expect.category
    assert re.fullmatch(r"[a-z][a-z0-9_]+", expect.failure_class)
    assert Status(expect.outcome)
    assert set(expect.nodes) <= NODES
    assert expect.nodes[0] == "fetch"
    assert expect.nodes[-1] == "learn"
    assert all(a != b for a, b in zip(expect.nodes, expect.nodes[1:], strict=False))
    assert bool(expect.edit) == (expect.decision == "edit")
    acts = "act" in expect.nodes
    assert acts == (expect.outcome not in ("rejected", "resolved_elsewhere"))


def test_every_job_is_one_that_somebody_owns(scenario: Scenario) -> None:
    for script in (scenario, *scenario.other_jobs):
        assert re.fullmatch(r"[\w.-]+@example\.com", script.job["tags"]["owner"])
        assert 0 < sum(past.count for past in script.history) <= 25


def test_every_file_of_the_folder_is_used_and_small(scenario: Scenario) -> None:
    present = {path.name for path in scenario.folder.iterdir()} - {"scenario.yaml"}
    assert present == set(scenario.files())
    for path in scenario.folder.iterdir():
        assert path.stat().st_size < MAX_FILE, path


def test_all_of_them_are_small() -> None:
    assert sum(path.stat().st_size for path in SCENARIOS.rglob("*") if path.is_file()) < MAX_ALL


def test_no_secret_but_the_planted_ones(scenario: Scenario) -> None:
    planted = (scenario.expect.model_extra or {}).get("planted_secrets", [])
    texts = {path: path.read_text() for path in scenario.folder.iterdir()}
    assert all("EXAMPLE" in secret for secret in planted)
    assert all(any(secret in text for text in texts.values()) for secret in planted)
    for path, text in texts.items():
        for secret in planted:
            text = text.replace(secret, "")
        assert not SECRET.search(text), path


def test_nothing_of_the_machine_that_recorded_it_is_left(scenario: Scenario) -> None:
    for path in scenario.folder.iterdir():
        assert not re.search(r"/root/|/tmp/record-|site-packages/pyspark|127\.0\.0\.1", path.read_text()), (
            path
        )


def test_an_error_stands_in_its_trace(scenario: Scenario) -> None:
    for task in scenario.tasks.values():
        for attempt in task.attempts:
            if attempt.error and attempt.error_trace:
                first = attempt.error.split(": ", 1)[1].strip().splitlines()[0]
                assert first in scenario.text(attempt.error_trace)


def test_the_policy_knows_the_demo() -> None:
    assert POLICY.defaults.mode is Mode.APPROVE
    assert POLICY.defaults.backoff.base_seconds == 1
    assert POLICY.rules_for("payments-hourly", ALL["delta_concurrent_append"].job["tags"]).critical
    limit = POLICY.rules_for(ALL["runaway"].job["name"], {}).max_run_seconds
    assert limit is not None
    assert limit < ALL["runaway"].run.started_ago_seconds
    producer = POLICY.defaults.producer_of("main.sales.customers_daily")
    assert producer is not None
    assert producer.job_name in {s.job["name"] for s in ALL["missing_table_upstream"].other_jobs}
    assert POLICY.defaults.producer_of("main.marketing.customer_segments") is None


@pytest.fixture
def box() -> Box:
    """A sandbox in this process, with its own clock."""
    return create_sandbox(token="t").box


def _played(box: Box, scenario: Scenario) -> Run:
    play = box.stage.start(scenario.name)
    assert play.run_id is not None
    run = box.workspace.run(play.run_id)
    if scenario.name != "runaway":
        assert box.workspace.timeline.advance_until(lambda: run.over)
    return run


async def test_it_fails_as_it_should(box: Box, scenario: Scenario) -> None:
    run = _played(box, scenario)
    if scenario.name == "runaway":
        assert not run.over
    elif scenario.name == "soft_failure":
        assert run.ending is not None
        assert run.ending.result_state == "SUCCESS"
    else:
        assert run.ending is not None
        assert run.ending.result_state == "FAILED"
        assert run.end_time is not None
        assert run.end_time - run.start_time < 60_000


async def test_a_plain_repair_mends_only_what_is_transient(box: Box, scenario: Scenario) -> None:
    run = _played(box, scenario)
    if not run.ending or run.ending.result_state in GOOD or scenario.name == "repaired_by_hand":
        return
    box.engine.repair(run, rerun_all_failed_tasks=True, rerun_dependent_tasks=True)
    box.workspace.timeline.advance_until(lambda: run.over)
    mended = bool(run.ending and run.ending.result_state in GOOD)
    recovers = scenario.expect.actions == ["RETRY"] and scenario.name != "comes_back"
    assert mended == (recovers or scenario.name == "library_install")


@pytest.mark.parametrize("name", sorted(CURES))
async def test_more_memory_or_disk_cures_it(box: Box, name: str) -> None:
    run = _played(box, ALL[name])
    settings = run.job.settings if run.job else {}
    clusters = [c["new_cluster"] for c in settings.get("job_clusters") or []]
    clusters += [t["new_cluster"] for t in settings["tasks"] if "new_cluster" in t]
    for cluster in clusters:
        cluster |= {
            **CURES[name],
            "spark_conf": {**cluster.get("spark_conf", {}), **CURES[name].get("spark_conf", {})},
        }
    box.engine.repair(run, rerun_all_failed_tasks=True, rerun_dependent_tasks=True)
    box.workspace.timeline.advance_until(lambda: run.over)
    assert run.ending is not None
    assert run.ending.result_state == "SUCCESS"


async def test_twice_the_time_is_enough_for_the_backfill(box: Box) -> None:
    run = _played(box, ALL["run_timeout"])
    assert next(iter(run.latest().values())).result == "TIMEDOUT"
    assert run.job is not None
    run.job.settings["tasks"][0]["timeout_seconds"] *= 2
    box.engine.repair(run, rerun_all_failed_tasks=True)
    box.workspace.timeline.advance_until(lambda: run.over)
    assert run.ending is not None
    assert run.ending.result_state == "SUCCESS"


async def test_the_table_is_there_once_its_producer_ran(box: Box) -> None:
    run = _played(box, ALL["missing_table_upstream"])
    producer = next(job for job in box.workspace.jobs.values() if job.name == "make-customers-daily")
    made = box.engine.start(producer.settings, job=producer)
    box.workspace.timeline.advance_until(lambda: made.over)
    box.engine.repair(run, rerun_all_failed_tasks=True, rerun_dependent_tasks=True)
    box.workspace.timeline.advance_until(lambda: run.over)
    assert run.ending is not None
    assert run.ending.result_state == "SUCCESS"


async def test_one_root_failure_and_its_skipped_dependants(box: Box) -> None:
    run = _played(box, ALL["skipped_dependants"])
    results = Counter(t.result for t in run.latest().values())
    assert results == {"FAILED": 1, "UPSTREAM_FAILED": 5, "SUCCESS": 1}


async def test_five_of_twenty_five_parallel_tasks_fail(box: Box) -> None:
    run = _played(box, ALL["parallel_regions"])
    loads = [t.result for key, t in run.latest().items() if key.startswith("load_")]
    assert Counter(loads) == {"SUCCESS": 20, "FAILED": 5}


async def test_somebody_repairs_it_meanwhile(box: Box) -> None:
    run = _played(box, ALL["repaired_by_hand"])
    assert box.workspace.timeline.advance_until(lambda: run.latest_repair_id is not None and run.over)
    assert run.ending is not None
    assert run.ending.result_state == "SUCCESS"
