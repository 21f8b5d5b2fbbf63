"""What runs leave behind in the sandbox, through the real SDK: outputs, exports, clusters, logs, files."""

from __future__ import annotations

import base64
import json
import re
import urllib.parse

import pytest
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service import compute, workspace

from tests.contract.jobs_api_box import CLUSTER, FAILS, Box, notebook, results, script, task_id

MB = 1024 * 1024
SOURCE = "# Databricks notebook source\nx = 1\n\n# COMMAND ----------\n\ny = x / 0\n\n# COMMAND ----------\n\nz = 2\n"
TRACE = "ZeroDivisionError  Traceback (most recent call last)\n----> 1 y = x / 0\nZeroDivisionError: division by zero\n"


def test_the_parent_has_no_output(sandbox: Box) -> None:
    _, run_id = sandbox.failed(script("a"), scripts={})
    with pytest.raises(InvalidParameterValue, match="runs with multiple tasks is not supported"):
        sandbox.client.jobs.get_run_output(run_id)


def test_a_script_leaves_logs_a_notebook_does_not(sandbox: Box) -> None:
    bad = {"result": "FAILED", "error": "ZeroDivisionError: division by zero", "error_trace": "trace.txt"}
    scripts = {"s": {"attempts": [{**bad, "logs": "out.log"}]}, "n": {"attempts": [bad]}}
    files = {"trace.txt": TRACE, "out.log": "line 1\nline 2\n"}
    _, run_id = sandbox.failed(
        script("s"), notebook("n"), notebook("after", "n"), scripts=scripts, files=files
    )
    run = sandbox.client.jobs.get_run(run_id)
    output = sandbox.client.jobs.get_run_output(task_id(run, "s"))
    assert output.logs == "line 1\nline 2\n" and output.logs_truncated is False
    assert output.error == bad["error"] and output.error_trace == TRACE
    assert output.metadata and output.metadata.run_id == task_id(run, "s") and output.metadata.run_name == "s"
    output = sandbox.client.jobs.get_run_output(task_id(run, "n"))
    assert output.logs is None and output.error_trace == TRACE and output.notebook_output is not None
    output = sandbox.client.jobs.get_run_output(task_id(run, "after"))
    assert output.error is None and output.logs is None, "it never ran"


def test_a_good_run_whose_notebook_reports_failures(sandbox: Box) -> None:
    exit_value = json.dumps({"status": "PARTIAL", "total": 25, "failed": 5})
    scripts = {"n": {"attempts": [{"notebook_result": "exit.json"}]}}
    _, run_id = sandbox.failed(notebook("n"), scripts=scripts, files={"exit.json": exit_value})
    run = sandbox.client.jobs.get_run(run_id)
    assert results(run) == {"n": "SUCCESS"}
    output = sandbox.client.jobs.get_run_output(task_id(run, "n")).notebook_output
    assert output and json.loads(output.result or "")["failed"] == 5 and output.truncated is False


def test_five_megabytes_at_most(sandbox: Box) -> None:
    long = "first\n" + "x" * (5 * MB) + "\nlast"
    scripts = {"s": {"attempts": [{"logs": "long"}]}, "n": {"attempts": [{"notebook_result": "long"}]}}
    _, run_id = sandbox.failed(script("s"), notebook("n"), scripts=scripts, files={"long": long})
    run = sandbox.client.jobs.get_run(run_id)
    output = sandbox.client.jobs.get_run_output(task_id(run, "s"))
    logs = output.logs or ""
    assert output.logs_truncated and len(logs) == 5 * MB and logs.endswith("\nlast") and "first" not in logs
    result = sandbox.client.jobs.get_run_output(task_id(run, "n")).notebook_output
    assert result and result.truncated and len(result.result or "") == 5 * MB
    assert (result.result or "").startswith("first\n")


def test_a_notebook_is_exported_with_its_failing_command(sandbox: Box) -> None:
    bad = {"result": "FAILED", "error": "ZeroDivisionError: division by zero", "error_trace": "trace.txt"}
    _, run_id = sandbox.failed(
        notebook("n"),
        script("s"),
        scripts={"n": {"attempts": [bad]}},
        workspace={"/Workspace/etl/n": "n.py"},
        files={"n.py": SOURCE, "trace.txt": TRACE},
    )
    run = sandbox.client.jobs.get_run(run_id)
    (view,) = sandbox.client.jobs.export_run(task_id(run, "n")).views or []
    found = re.search(r"__DATABRICKS_NOTEBOOK_MODEL = '([^']+)'", view.content or "")
    assert found and view.name == "n"
    model = json.loads(urllib.parse.unquote(base64.b64decode(found[1]).decode()))
    assert [(c["command"], c["state"]) for c in model["commands"]] == [
        ("x = 1", "finished"),
        ("y = x / 0", "error"),
        ("z = 2", "input"),
    ]
    assert model["commands"][1]["errorSummary"] == "ZeroDivisionError: division by zero"
    with pytest.raises(InvalidParameterValue):
        sandbox.client.jobs.export_run(task_id(run, "s"))
    exported = sandbox.client.workspace.export("/etl/n", format=workspace.ExportFormat.SOURCE)
    assert base64.b64decode(exported.content or "").decode() == SOURCE
    status = sandbox.client.workspace.get_status("/Workspace/etl/n")
    assert (
        status.object_type == workspace.ObjectType.NOTEBOOK and status.language == workspace.Language.PYTHON
    )
    assert sandbox.client.workspace.get_status("/etl").object_type == workspace.ObjectType.DIRECTORY


def test_cluster_logs_arrive_where_the_cluster_says(sandbox: Box) -> None:
    log = b"".join(b"%07d ERROR TaskSchedulerImpl: Lost executor 3\n" % n for n in range(40_000))
    attempt = {"result": "FAILED", "error": "lost", "cluster_logs": {"driver/log4j-active.log": "log4j"}}
    _, run_id = sandbox.failed(
        script("a", new_cluster=CLUSTER),
        scripts={"a": {"attempts": [attempt]}},
        files={"log4j": log.decode()},
    )
    task = next(
        iter(sandbox.client.jobs.get_run(task_id(sandbox.client.jobs.get_run(run_id), "a")).tasks or [])
    )
    spec = sandbox.client.jobs.get_run(task.run_id or 0).cluster_spec
    assert (
        spec
        and spec.new_cluster
        and spec.new_cluster.cluster_log_conf
        and spec.new_cluster.cluster_log_conf.dbfs
    )
    target = spec.new_cluster.cluster_log_conf.dbfs.destination
    assert task.cluster_instance
    folder = f"{target}/{task.cluster_instance.cluster_id}/driver"
    (entry,) = sandbox.client.dbfs.list(folder)
    assert entry.file_size == len(log) > MB and entry.path
    read = b""
    while len(read) < len(log):
        part = sandbox.client.dbfs.read(entry.path, offset=len(read), length=MB)
        read += base64.b64decode(part.data or "")
    assert read == log
    with pytest.raises(DatabricksError, match="maximum read size"):
        sandbox.client.dbfs.read(entry.path, length=MB + 1)
    with pytest.raises(NotFound):
        list(sandbox.client.dbfs.list("/nowhere"))


def test_cluster_logs_may_go_to_a_volume(sandbox: Box) -> None:
    conf = {"volumes": {"destination": "/Volumes/main/logs/clusters"}}
    attempt = {"result": "FAILED", "error": "no", "cluster_logs": {"driver/stderr": "err"}}
    _, run_id = sandbox.failed(
        script("a", new_cluster={**CLUSTER, "cluster_log_conf": conf}),
        scripts={"a": {"attempts": [attempt]}},
        files={"err": "OutOfMemoryError"},
    )
    (task,) = sandbox.client.jobs.get_run(run_id).tasks or []
    assert task.cluster_instance
    folder = f"/Volumes/main/logs/clusters/{task.cluster_instance.cluster_id}/driver"
    (entry,) = sandbox.client.files.list_directory_contents(folder)
    assert (
        entry.path == f"{folder}/stderr"
        and entry.file_size == len("OutOfMemoryError")
        and not entry.is_directory
    )
    contents = sandbox.client.files.download(entry.path or "").contents
    assert contents and contents.read() == b"OutOfMemoryError"
    with pytest.raises(NotFound):
        sandbox.client.files.download(f"{folder}/stdout")


def test_cluster_events_tell_why_it_ended(sandbox: Box) -> None:
    reason = {
        "code": "SPOT_INSTANCE_TERMINATION",
        "type": "CLOUD_FAILURE",
        "parameters": {"instance_id": "i-07"},
    }
    events = [
        {"after_seconds": 20, "type": "NODES_LOST", "details": {"instance_id": "i-07"}},
        {"after_seconds": 30, "type": "TERMINATING", "details": {"reason": reason}},
    ]
    attempt = {"result": "FAILED", "error": "cluster lost", "seconds": 60, "cluster_events": events}
    _, run_id = sandbox.failed(script("a", new_cluster=CLUSTER), scripts={"a": {"attempts": [attempt]}})
    (task,) = sandbox.client.jobs.get_run(run_id).tasks or []
    assert task.cluster_instance and task.cluster_instance.cluster_id
    cluster_id = task.cluster_instance.cluster_id
    found = [event.type.value for event in sandbox.client.clusters.events(cluster_id) if event.type]
    assert found == ["TERMINATING", "NODES_LOST", "RUNNING", "CREATING"], "newest first"
    (end,) = sandbox.client.clusters.events(cluster_id, event_types=[compute.EventType.TERMINATING])
    assert end.details and end.details.reason
    assert end.details.reason.code == compute.TerminationReasonCode.SPOT_INSTANCE_TERMINATION
    assert end.details.reason.type == compute.TerminationReasonType.CLOUD_FAILURE
    assert len(list(sandbox.client.clusters.events(cluster_id, limit=1))) == 4, "pages are followed"
    cluster = sandbox.client.clusters.get(cluster_id)
    assert cluster.state == compute.State.TERMINATED and cluster.spark_conf == CLUSTER["spark_conf"]
    assert cluster.termination_reason and cluster.termination_reason.parameters == {"instance_id": "i-07"}
    with pytest.raises(NotFound):
        sandbox.client.clusters.get("0000-000000-nothing")


def test_a_cluster_that_cannot_start(sandbox: Box) -> None:
    reason = {"code": "CLOUD_PROVIDER_RESOURCE_STOCKOUT", "type": "CLOUD_FAILURE"}
    attempt = {
        "result": "FAILED",
        "life_cycle_state": "INTERNAL_ERROR",
        "code": "CLUSTER_ERROR",
        "type": "CLOUD_FAILURE",
        "message": "Cluster was terminated during launch.",
        "setup_seconds": 300,
        "seconds": 0,
        "cluster_events": [{"after_seconds": 300, "type": "TERMINATING", "details": {"reason": reason}}],
    }
    _, run_id = sandbox.failed(script("a", new_cluster=CLUSTER), scripts={"a": {"attempts": [attempt]}})
    run = sandbox.client.jobs.get_run(run_id)
    (task,) = run.tasks or []
    assert task.execution_duration == 0 and task.cluster_instance and task.cluster_instance.cluster_id
    assert task.status and task.status.termination_details and task.status.termination_details.code
    assert task.status.termination_details.code.value == "CLUSTER_ERROR"
    found = [e.type.value for e in sandbox.client.clusters.events(task.cluster_instance.cluster_id) if e.type]
    assert found == ["TERMINATING", "CREATING"], "it never ran"
    assert (
        sandbox.client.jobs.get_run_output(task.run_id or 0).error == "Cluster was terminated during launch."
    )


def test_history_has_outputs_too(sandbox: Box) -> None:
    history = [{"result": "FAILED", "failed_tasks": ["a"]}, {"result": "SUCCESS"}]
    job_id, _ = sandbox.failed(script("a"), script("b", "a"), scripts={"a": FAILS}, history=history)
    past = list(sandbox.client.jobs.list_runs(job_id=job_id))[-1]
    run = sandbox.client.jobs.get_run(past.run_id or 0)
    assert results(run) == {"a": "FAILED", "b": "UPSTREAM_FAILED"}
    assert sandbox.client.jobs.get_run_output(task_id(run, "a")).error == "ValueError: no"
