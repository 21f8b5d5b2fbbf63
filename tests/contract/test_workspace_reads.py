"""Runs, outputs and history, read from a real HTTP server that speaks the Jobs API."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import ConfigurationError, RunNotFound, WorkspaceRefused, WorkspaceUnavailable
from core.settings import Settings
from tests.contract.jobs_api_box import CLUSTER, FAILS, Box, notebook, script
from tests.contract.workspace_box import Parts, connection
from tools.databricks import Connection, Workspace

TRACE = """---------------------------------------------------------------------------
ValueError                                Traceback (most recent call last)
File <command-4128>, line 2
      1 total = 0
----> 2 raise ValueError("no total")

ValueError: no total
"""
pytestmark = pytest.mark.usefixtures("fair_weather")

NOTEBOOK = """# Databricks notebook source
import os

# COMMAND ----------

total = 0
raise ValueError("no total")
"""


async def test_a_failed_run_with_its_tasks_parameters_and_settings(parts: Parts) -> None:
    job = {
        "tags": {"team": "sales"},
        "parameters": [{"name": "day", "default": "2026-01-01"}, {"name": "api_token", "default": "hunter2"}],
        "job_clusters": [
            {
                "job_cluster_key": "main",
                "new_cluster": {**CLUSTER, "spark_env_vars": {"DB_PASSWORD": "hunter2", "MODE": "fast"}},
            }
        ],
    }
    scripts = {"load": FAILS}
    tasks = [notebook("load", job_cluster_key="main"), script("report", "load")]
    job_id, run_id = parts.box.failed(
        *tasks, scripts=scripts, job=job, run={"job_parameters": {"day": "2026-02-02"}}
    )
    run = await parts.workspace.run(run_id)

    assert (run.workspace, run.job_id) == (parts.box.url.removeprefix("http://"), job_id)
    assert (run.life_cycle_state, run.result_state) == ("TERMINATED", "FAILED")
    assert (run.termination_code, run.termination_type) == ("RUN_EXECUTION_ERROR", "CLIENT_ERROR")
    assert run.tags == {"team": "sales"}
    assert run.job_parameters == {"day": "2026-02-02"}
    assert [t.task_key for t in run.failed_tasks] == ["load"]
    load, report = run.tasks
    assert (load.kind, load.notebook_path, load.job_cluster_key) == ("notebook", "/etl/load", "main")
    assert load.cluster_id
    assert (report.kind, report.depends_on, report.result_state) == (
        "spark_python",
        ["load"],
        "UPSTREAM_FAILED",
    )
    assert [r.kind for r in run.repairs] == ["ORIGINAL"]
    assert run.latest_repair_id == 0
    assert not run.active
    assert run.duration_seconds > 0
    assert run.run_page_url and str(run_id) in run.run_page_url
    env = run.settings["job_clusters"][0]["new_cluster"]["spark_env_vars"]
    assert env == {"DB_PASSWORD": "[secret]", "MODE": "fast"}
    assert "hunter2" not in run.model_dump_json()


async def test_all_pages_of_a_long_run(parts: Parts) -> None:
    keys = [f"shard_{n:03}" for n in range(230)]
    _, run_id = parts.box.failed(*[script(key) for key in keys], scripts={"shard_0*": FAILS})
    run = await parts.workspace.run(run_id)
    assert [t.task_key for t in run.tasks] == keys
    assert len(run.failed_tasks) == 100
    assert len(run.settings["tasks"]) == 230


async def test_after_a_repair_each_task_is_its_newest_attempt(parts: Parts) -> None:
    twice: dict[str, Any] = {"attempts": [{"result": "FAILED"}, {"result": "SUCCESS"}]}
    _, run_id = parts.box.failed(notebook("first"), script("second", "first"), scripts={"second": twice})
    before = await parts.workspace.run(run_id)
    parts.box.control.by_hand(run_id, "repair")
    parts.box.ended(run_id)
    run = await parts.workspace.run(run_id)
    assert run.result_state == "SUCCESS"
    assert [t.task_key for t in run.tasks] == ["first", "second"]
    assert run.tasks[1].run_id != before.tasks[1].run_id
    assert run.tasks[1].attempt_number == 1
    assert run.latest_repair_id > 0
    # The repair's own time counts, not the hours since the run first started.
    assert run.duration_seconds < before.duration_seconds + 60


async def test_an_active_run_counts_up_to_now(parts: Parts) -> None:
    burns: dict[str, Any] = {"attempts": [{"never_ends": True, "seconds": 0}]}
    _, run_id = parts.box.play(
        {"tasks": [notebook("load")]}, tasks={"load": burns}, run={"started_ago_seconds": 7200}
    )
    run = await parts.workspace.run(run_id)
    assert run.active and run.result_state is None
    assert 7000 < run.duration_seconds < 8000


async def test_the_output_of_a_notebook_with_its_cluster_and_source(parts: Parts) -> None:
    scripts: dict[str, Any] = {
        "load": {
            "attempts": [
                {
                    "result": "FAILED",
                    "error": "ValueError: no total",
                    "error_trace": "trace.txt",
                    "cluster_logs": {"driver/stderr": "stderr.txt", "driver/log4j-active.log": "log4j.txt"},
                    "cluster_events": [
                        {
                            "type": "DRIVER_NOT_RESPONDING",
                            "details": {"reason": {"code": "DRIVER_OUT_OF_MEMORY"}},
                        }
                    ],
                }
            ]
        }
    }
    files = {"trace.txt": TRACE, "stderr.txt": "boom\n", "log4j.txt": "ERROR boom\n", "load.py": NOTEBOOK}
    _, run_id = parts.box.failed(
        notebook("load", new_cluster=CLUSTER),
        scripts=scripts,
        files=files,
        workspace={"/etl/load": "load.py"},
    )
    run = await parts.workspace.run(run_id)
    output = await parts.workspace.task_output(run, run.tasks[0])
    assert output.texts["error"] == "ValueError: no total"
    assert output.texts["error_trace"] == TRACE
    assert output.texts["cluster/stderr"] == "boom\n"
    assert output.texts["cluster/log4j-active.log"] == "ERROR boom\n"
    assert output.texts["source"].splitlines()[-1] == '>    7 | raise ValueError("no total")'
    assert output.texts["state_message"]
    assert "notebook" not in output.texts
    codes = [e["details"].get("reason", {}).get("code") for e in output.cluster_events]
    assert "DRIVER_OUT_OF_MEMORY" in codes
    times = [e["timestamp"] for e in output.cluster_events]
    assert times == sorted(times)
    assert [m.partition(":")[0] for m in output.missing] == ["cluster/stdout"]


async def test_logs_in_a_volume_and_in_a_bucket(parts: Parts) -> None:
    fails: dict[str, Any] = {
        "attempts": [{"result": "FAILED", "cluster_logs": {"driver/stderr": "stderr.txt"}}]
    }
    volume = {**CLUSTER, "cluster_log_conf": {"volumes": {"destination": "/Volumes/main/ops/logs"}}}
    bucket = {**CLUSTER, "cluster_log_conf": {"s3": {"destination": "s3://logs/here"}}}
    tasks = [notebook("load", new_cluster=volume), notebook("copy", new_cluster=bucket)]
    _, run_id = parts.box.failed(
        *tasks, scripts={"load": fails, "copy": fails}, files={"stderr.txt": "boom\n"}
    )
    run = await parts.workspace.run(run_id)
    load, copy = [await parts.workspace.task_output(run, task) for task in run.tasks]
    assert load.texts["cluster/stderr"] == "boom\n"
    assert any("s3://logs/here" in said for said in copy.missing)


async def test_of_a_long_log_the_end_is_read(parts: Parts) -> None:
    lines = "".join(f"line {n} {'x' * 100}\n" for n in range(60_000))
    fails: dict[str, Any] = {
        "attempts": [{"result": "FAILED", "cluster_logs": {"driver/stdout": "stdout.txt"}}]
    }
    _, run_id = parts.box.failed(
        notebook("load", new_cluster=CLUSTER), scripts={"load": fails}, files={"stdout.txt": lines}
    )
    run = await parts.workspace.run(run_id)
    output = await parts.workspace.task_output(run, run.tasks[0])
    text = output.texts["cluster/stdout"]
    assert lines.endswith(text) and text.startswith("line ")
    assert 4_000_000 < len(text) <= 4 * 1024 * 1024
    assert any("only its last" in said for said in output.missing)


async def test_tasks_of_one_cluster_share_the_reading_of_its_logs(parts: Parts) -> None:
    fails: dict[str, Any] = {
        "attempts": [{"result": "FAILED", "cluster_logs": {"driver/stderr": "stderr.txt"}}]
    }
    keys = [f"t{n}" for n in range(5)]
    cluster = {"job_cluster_key": "main", "new_cluster": CLUSTER}
    _, run_id = parts.box.failed(
        *[notebook(key, job_cluster_key="main") for key in keys],
        scripts=dict.fromkeys(keys, fails),
        files={"stderr.txt": "boom\n"},
        job={"job_clusters": [cluster]},
    )
    run = await parts.workspace.run(run_id)
    before = len(parts.box.control.requests("clusters/events"))
    outputs = await asyncio.gather(*[parts.workspace.task_output(run, task) for task in run.tasks])
    assert all(output.texts["cluster/stderr"].startswith("boom") for output in outputs)
    assert len(parts.box.control.requests("clusters/events")) - before < 5


async def test_a_silent_notebook_is_exported(parts: Parts) -> None:
    fails: dict[str, Any] = {"attempts": [{"result": "FAILED", "error": "ValueError: no total"}]}
    _, run_id = parts.box.failed(
        notebook("load"),
        scripts={"load": fails},
        files={"load.py": NOTEBOOK},
        workspace={"/etl/load": "load.py"},
    )
    run = await parts.workspace.run(run_id)
    output = await parts.workspace.task_output(run, run.tasks[0])
    assert "total = 0" in output.texts["notebook"]
    assert "ValueError: no total" in output.texts["notebook"]


async def test_what_cannot_be_read_is_said_and_stops_nothing(parts: Parts) -> None:
    _, run_id = parts.box.failed(notebook("load", new_cluster=CLUSTER), scripts={"load": FAILS})
    run = await parts.workspace.run(run_id)
    parts.box.control.fault("403", path="/clusters/events")
    parts.box.control.fault("500", path="/dbfs/", count=None)
    parts.box.control.fault("garbage", path="/jobs/runs/export")
    output = await parts.workspace.task_output(run, run.tasks[0])
    assert output.texts["error"] == "ValueError: no"
    said = [line.partition(":")[0] for line in output.missing]
    assert said == [
        "notebook",
        "cluster events",
        "cluster/stderr",
        "cluster/stdout",
        "cluster/log4j-active.log",
    ]


async def test_an_output_that_is_refused_leaves_the_rest(parts: Parts) -> None:
    _, run_id = parts.box.failed(notebook("load"), scripts={"load": FAILS})
    run = await parts.workspace.run(run_id)
    parts.box.control.fault("403", path="get-output")
    output = await parts.workspace.task_output(run, run.tasks[0])
    assert output.missing[0].startswith("output: ")
    assert output.texts["state_message"]


async def test_the_failure_of_a_job_that_the_task_ran(parts: Parts) -> None:
    _, child = parts.box.failed(notebook("load"), script("mail", "load"), scripts={"load": FAILS})
    ran: dict[str, Any] = {
        "attempts": [
            {"result": "FAILED", "output": {"run_job_output": {"run_id": child}}, "message": "child"}
        ]
    }
    task = {"task_key": "nested", "run_job_task": {"job_id": 1}}
    _, run_id = parts.box.failed(task, scripts={"nested": ran})
    run = await parts.workspace.run(run_id)
    output = await parts.workspace.task_output(run, run.tasks[0])
    assert output.texts["child/load/error"] == "ValueError: no"
    assert "child/mail/error" not in output.texts


async def test_the_error_inside_an_sql_output(parts: Parts) -> None:
    widget = {"widget_id": "w", "error": {"message": "[TABLE_OR_VIEW_NOT_FOUND] sales"}}
    failed = {
        "result": "FAILED",
        "message": "",
        "output": {"sql_output": {"dashboard_output": {"widgets": [widget]}}},
    }
    task = {"task_key": "refresh", "sql_task": {"warehouse_id": "w", "dashboard": {"dashboard_id": "d"}}}
    _, run_id = parts.box.failed(task, scripts={"refresh": {"attempts": [failed]}})
    run = await parts.workspace.run(run_id)
    output = await parts.workspace.task_output(run, run.tasks[0])
    assert output.texts["error"] == "[TABLE_OR_VIEW_NOT_FOUND] sales"
    assert run.tasks[0].kind == "sql"


async def test_history_is_the_last_25_completed_runs(parts: Parts) -> None:
    history = [
        {"result": "FAILED", "failed_tasks": ["load"], "count": 1, "seconds": 100},
        {"result": "SUCCESS", "count": 30, "seconds": 420},
    ]
    job_id, run_id = parts.box.failed(notebook("load"), scripts={"load": FAILS}, history=history)
    past = await parts.workspace.history(job_id)
    assert len(past) == 25
    assert past[0].run_id == run_id and past[0].result_state == "FAILED"
    assert {p.result_state for p in past[1:]} == {"SUCCESS"}
    starts = [p.start_time or 0 for p in past]
    assert starts == sorted(starts, reverse=True)
    assert past[1].duration_seconds == pytest.approx(420, abs=1)
    assert len(await parts.workspace.history(job_id, limit=40)) == 32
    assert await parts.workspace.latest_failed_run(job_id) == run_id


async def test_a_job_by_its_exact_name(parts: Parts) -> None:
    job_id, _ = parts.box.failed(notebook("load"), scripts={}, job={"name": "Make_Customers"})
    assert await parts.workspace.find_job("Make_Customers") == job_id
    assert await parts.workspace.find_job("make_customers") is None
    assert await parts.workspace.latest_failed_run(job_id) is None


async def test_the_poller_finds_open_and_soft_failures_once(parts: Parts) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    counted = {"attempts": [{"result": "SUCCESS", "notebook_result": "exit.json"}]}
    fine = {"attempts": [{"result": "SUCCESS", "notebook_result": "exit.json"}]}
    _, bad = parts.box.failed(notebook("load"), scripts={"load": FAILS})
    _, partly = parts.box.failed(notebook("load"), script("last"), scripts={"load": FAILS})
    _, soft = parts.box.failed(
        notebook("load"),
        scripts={"load": counted},
        files={"exit.json": json.dumps({"failed": 5, "total": 25})},
    )
    _, good = parts.box.failed(
        notebook("load"), scripts={"load": fine}, files={"exit.json": json.dumps({"failed": 0, "total": 25})}
    )
    (task,) = (await parts.workspace.run(soft)).tasks
    assert json.loads(await parts.workspace.exit_value(task)) == {"failed": 5, "total": 25}
    found = {entry.run_id: entry for entry in await parts.workspace.recent_failures(since)}
    assert found[bad].why == "the run is FAILED"
    assert found[partly].failed
    assert found[soft].why == "task load: 5 of 25 failed"
    assert not found[good].failed
    before = len(parts.box.control.requests("get-output"))
    seen = {entry.key for entry in found.values()}
    assert await parts.workspace.recent_failures(since, seen=seen) == []
    assert len(parts.box.control.requests("get-output")) == before
    hard = {entry.run_id: entry for entry in await parts.workspace.recent_failures(since, soft=False)}
    assert hard[bad].failed and not hard[soft].failed


async def test_an_unknown_or_too_old_run(parts: Parts) -> None:
    with pytest.raises(RunNotFound, match="60 days"):
        await parts.workspace.run(17)
    history = [{"result": "FAILED", "failed_tasks": ["load"]}]
    job_id, _ = parts.box.failed(
        notebook("load"), scripts={}, history=history, history_every_seconds=61 * 86_400
    )
    assert len(await parts.workspace.history(job_id)) == 1


async def test_refusals_say_what_to_mend(sandbox: Box) -> None:
    wrong = Connection(Settings(databricks_host=sandbox.url, databricks_token="wrong"))  # type: ignore[call-arg]
    with pytest.raises(WorkspaceRefused, match="DATABRICKS_TOKEN"):
        await Workspace(wrong).run(1)
    sandbox.control.fault("401")
    with pytest.raises(WorkspaceRefused, match="DATABRICKS_TOKEN"):
        await Parts(sandbox).workspace.run(1)
    sandbox.control.fault("403")
    with pytest.raises(WorkspaceRefused, match="CAN VIEW"):
        await Parts(sandbox).workspace.run(1)
    assert await Parts(sandbox).workspace.whoami() == "pitstop-sandbox"


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "500"},
        {"kind": "503", "count": None},
        {"kind": "429", "count": None, "retry_after": 1},
        {"kind": "drop_before", "count": None},
        {"kind": "drop_after", "count": None},
        {"kind": "garbage"},
        {"kind": "garbage", "body": '"a string"'},
        {"kind": "garbage", "body": "[1]"},
        {"kind": "garbage", "body": "{}"},
        {"kind": "garbage", "body": '{"run_id": "x", "tasks": 7}'},
        {"kind": "garbage", "status": 502},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('body', '')}",
)
async def test_bad_weather_is_worth_another_try(parts: Parts, fault: dict[str, Any]) -> None:
    _, run_id = parts.box.failed(notebook("load"), scripts={"load": FAILS})
    parts.box.control.fault(path="runs/get", **fault)
    with pytest.raises(WorkspaceUnavailable):
        await parts.workspace.run(run_id)
    parts.box.control.clear_faults()
    assert (await parts.workspace.run(run_id)).run_id == run_id


async def test_a_slow_workspace_does_not_block_the_event_loop(sandbox: Box) -> None:
    _, run_id = sandbox.failed(notebook("load"), scripts={"load": FAILS})
    workspace = Workspace(connection(sandbox))
    await workspace.whoami()
    sandbox.control.fault("slow", path="runs/get", seconds=0.5)
    reading = asyncio.create_task(workspace.run(run_id))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5
    await reading


async def test_a_retry_after_of_an_hour_is_not_slept_through(parts: Parts) -> None:
    parts.box.control.fault("429", path="runs/get", count=None, retry_after=3600)
    with pytest.raises(WorkspaceUnavailable):
        await parts.workspace.run(1)


async def test_without_credentials_the_message_names_the_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    nowhere = Connection(Settings(_env_file=None))  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="DATABRICKS_HOST"):
        await nowhere.connect()
