"""The sandbox's rules that need no server: time, conditions, settings, results, faults, exported notebooks."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse

import pytest

from sandbox import job_settings
from sandbox.clock import Clock, Timeline
from sandbox.conditions import Situation, holds, reaches, size
from sandbox.faults import Fault, Faults
from sandbox.notebooks import cells, export_html
from sandbox.refusal import Refusal
from sandbox.runs import Ending, TaskRun, attempt_ending, run_ending, skipped
from sandbox.script import Attempt, Conditions
from sandbox.selection import select

CHAIN = [
    {"task_key": "a"},
    {"task_key": "b", "depends_on": [{"task_key": "a"}]},
    {"task_key": "c", "depends_on": [{"task_key": "b"}]},
    {"task_key": "d"},
]


def task_run(task: dict[str, object], result: str) -> TaskRun:
    ending = (
        skipped(result)
        if result.startswith("UPSTREAM")
        else attempt_ending(Attempt.model_validate({"result": result}))
    )
    return TaskRun(1, task, 0, 1, None, 0, ending=ending)


def test_what_is_due_happens_in_order_at_its_own_time() -> None:
    clock = Clock()
    timeline = Timeline(clock)
    start = clock.now()
    seen: list[tuple[str, int]] = []

    def first() -> None:
        seen.append(("first", timeline.now))
        timeline.at(timeline.now + 1000, lambda: seen.append(("nested", timeline.now)))

    timeline.at(start + 5000, lambda: seen.append(("second", timeline.now)))
    timeline.at(start + 2000, first)
    timeline.at(start + 3000, lambda: seen.append(("never", 0))).cancel()
    timeline.advance(4)
    assert seen == [("first", start + 2000), ("nested", start + 3000)]
    assert clock.now() >= start + 4000
    assert timeline.advance_until(lambda: len(seen) == 3) and seen[-1] == ("second", start + 5000)
    assert not timeline.advance_until(lambda: False), "nothing is due any more"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8g", 8 << 30),
        ("512m", 512 << 20),
        ("1.5G", 1.5 * (1 << 30)),
        ("64kb", 64 << 10),
        ("400", 400),
        ("true", None),
    ],
)
def test_sizes(text: str, value: float | None) -> None:
    assert size(text) == value


def test_settings_reach_what_is_wanted() -> None:
    assert reaches("8192m", "8g") and reaches(400, "200") and reaches("TRUE", "true")
    assert not reaches("7g", "8g") and not reaches(None, "8g") and not reaches("false", "true")


@pytest.mark.parametrize(
    ("wanted", "good"),
    [
        ({"parameters": {"batch": {"equals": "10"}}}, True),
        ({"parameters": {"batch": {"at_least": 11}}}, False),
        ({"parameters": {"batch": {"any_of": [5, 10]}}}, True),
        ({"parameters": {"unknown": {"at_least": 1}}}, False),
        ({"spark_conf": {"spark.executor.memory": "6g"}}, True),
        ({"spark_conf": {"spark.executor.memory": "6g", "spark.driver.memory": "1g"}}, False),
        ({"node_type": ["A", "B"]}, True),
        ({"num_workers": 8}, True),
        ({"num_workers": 9}, False),
        ({"timeout_seconds": 600}, True),
        ({"timeout_seconds": 601}, False),
        ({"job_succeeded": "other"}, True),
        ({"job_succeeded": "another"}, False),
        ({"after_seconds": 61}, False),
    ],
)
def test_conditions(wanted: dict[str, object], good: bool) -> None:
    cluster = {
        "node_type_id": "B",
        "autoscale": {"min_workers": 1, "max_workers": 8},
        "spark_conf": {"spark.executor.memory": "8g"},
    }
    situation = Situation({"batch": "10"}, cluster, (600, 0), 60.0, frozenset({"other"}))
    assert holds(Conditions.model_validate(wanted), situation) is good


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (("SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS"), ("TERMINATED", "SUCCESS")),
        (("FAILED", "UPSTREAM_FAILED", "UPSTREAM_FAILED", "SUCCESS"), ("INTERNAL_ERROR", "FAILED")),
        (("FAILED", "SUCCESS", "SUCCESS", "SUCCESS"), ("TERMINATED", "SUCCESS_WITH_FAILURES")),
        (("SUCCESS", "SUCCESS", "EXCLUDED", "SUCCESS"), ("TERMINATED", "SUCCESS")),
        (("CANCELED", "UPSTREAM_CANCELED", "UPSTREAM_CANCELED", "SUCCESS"), ("TERMINATED", "CANCELED")),
        (("SUCCESS", "SUCCESS", "SUCCESS", "TIMEDOUT"), ("INTERNAL_ERROR", "FAILED")),
    ],
)
def test_a_run_ends_as_its_leaves_do(results: tuple[str, ...], expected: tuple[str, str]) -> None:
    ending = run_ending([task_run(task, result) for task, result in zip(CHAIN, results, strict=True)])
    assert (ending.life_cycle_state, ending.result_state) == expected


def test_a_cloud_failure_stays_one() -> None:
    lost = Attempt(result="FAILED", code="CLUSTER_ERROR", type="CLOUD_FAILURE", message="spot")
    run = TaskRun(1, {"task_key": "a"}, 0, 1, None, 0, ending=attempt_ending(lost))
    assert run.ending == Ending("TERMINATED", "FAILED", "CLUSTER_ERROR", "CLOUD_FAILURE", "spot")
    ending = run_ending([run])
    assert (ending.code, ending.type) == ("RUN_EXECUTION_ERROR", "CLOUD_FAILURE")
    assert ending.message.startswith("Task a failed with message: spot.")


def test_picking_tasks() -> None:
    assert select(CHAIN, None) == {"a", "b", "c", "d"}
    assert select(CHAIN, ["+b", "d"]) == {"a", "b", "d"}
    assert select(CHAIN, ["a+"]) == {"a", "b", "c"}
    with pytest.raises(Refusal):
        select(CHAIN, ["e"])


def test_an_update_merges_by_key() -> None:
    settings = job_settings.complete(
        {"name": "j", "tasks": CHAIN, "parameters": [{"name": "p", "default": "1"}]}
    )
    new = {"tasks": [{"task_key": "d", "max_retries": 2}, {"task_key": "e"}], "tags": {"x": "y"}}
    changed = job_settings.update(settings, new, ["parameters"])
    assert [t["task_key"] for t in changed["tasks"]] == ["a", "b", "c", "d", "e"]
    assert changed["tasks"][3]["max_retries"] == 2 and changed["tags"] == {"x": "y"}
    assert "parameters" not in changed and "parameters" in settings, "the old settings are untouched"
    assert [t["task_key"] for t in job_settings.update(settings, {}, ["tasks/d"])["tasks"]] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "tasks",
    [
        [{"task_key": "a"}, {"task_key": "a"}],
        [{"notebook_task": {}}],
        [{"task_key": "a", "depends_on": [{"task_key": "b"}]}],
        [{"task_key": "a", "job_cluster_key": "none"}],
        [
            {"task_key": "a", "depends_on": [{"task_key": "b"}]},
            {"task_key": "b", "depends_on": [{"task_key": "a"}]},
        ],
    ],
)
def test_settings_that_contradict_themselves(tasks: list[dict[str, object]]) -> None:
    with pytest.raises(Refusal) as refused:
        job_settings.complete({"tasks": tasks})
    assert refused.value.status == 400


def test_a_fault_strikes_what_it_matches() -> None:
    faults = Faults()
    faults.add(Fault(kind="500", path="/jobs/", method="post", skip=1, count=2))
    faults.add(Fault(kind="429", path="/jobs/", count=None))
    hits = [faults.strike("POST", "/api/2.2/jobs/create") for _ in range(4)]
    assert [hit.kind for hit in hits if hit] == ["429", "500", "500", "429"]
    assert faults.strike("GET", "/api/2.0/dbfs/list") is None


def test_an_exported_notebook_shows_where_it_failed() -> None:
    source = (
        "# Databricks notebook source\na = 1\n# COMMAND ----------\nb = a / 0\n# COMMAND ----------\nc = 1\n"
    )
    assert cells(source) == ["a = 1", "b = a / 0", "c = 1"]
    trace = "----> 1 b = a / 0\nZeroDivisionError: </script>"
    page = export_html("<n>", "PYTHON", source, error="ZeroDivisionError", trace=trace, result=None)
    found = re.search(r"NOTEBOOK_MODEL = '([^']*)'", page)
    assert found and "<title>&lt;n&gt; - Databricks" in page
    model = json.loads(urllib.parse.unquote(base64.b64decode(found[1]).decode()))
    assert [command["state"] for command in model["commands"]] == ["finished", "error", "input"]
    assert model["commands"][1]["error"] == trace
