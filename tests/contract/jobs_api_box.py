"""Scenarios written on the spot, and a sandbox process to play them in, for the Jobs API's contract tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.service import jobs

from sandbox.control import Control
from sandbox.process import running_sandbox

EXPECT = {
    "category": "unknown",
    "failure_class": "unknown",
    "actions": ["ESCALATE"],
    "decision": "none",
    "outcome": "escalated",
}
CLUSTER = {
    "spark_version": "15.4.x-scala2.12",
    "node_type_id": "Standard_DS3_v2",
    "num_workers": 2,
    "spark_conf": {"spark.executor.memory": "4g"},
    "cluster_log_conf": {"dbfs": {"destination": "dbfs:/cluster-logs"}},
}
FAILS: dict[str, Any] = {"attempts": [{"result": "FAILED", "error": "ValueError: no"}]}


@dataclass(frozen=True)
class Box:
    """A running sandbox, its SDK client, its controls, and where it looks for scenarios."""

    client: WorkspaceClient
    control: Control
    scenarios: Path
    url: str
    token: str

    def play(
        self, job: dict[str, Any], files: dict[str, str] | None = None, **scenario: Any
    ) -> tuple[int, int]:
        """Write a scenario and start it; gives its job's and its run's id."""
        name = f"s{len(list(self.scenarios.iterdir()))}"
        folder = self.scenarios / name
        folder.mkdir()
        for file, text in (files or {}).items():
            (folder / file).write_text(text)
        body = {
            "name": name,
            "title": name,
            "category": "unknown",
            "expect": EXPECT,
            "job": {"name": name, **job},
            **scenario,
        }
        (folder / "scenario.yaml").write_text(yaml.safe_dump(body))
        started = self.control.start(name)
        return started["job_id"], started["run_id"]

    def ended(self, run_id: int) -> jobs.Run:
        """The run with its history, after the clock was moved to its end."""
        assert self.control.finish(run_id), "it never ends"
        return self.client.jobs.get_run(run_id, include_history=True)

    def failed(self, *tasks: dict[str, Any], scripts: dict[str, Any], **scenario: Any) -> tuple[int, int]:
        """Play a scenario of these tasks to its end; gives its job's and its run's id."""
        job_id, run_id = self.play(
            {"tasks": list(tasks), **scenario.pop("job", {})}, tasks=scripts, **scenario
        )
        self.ended(run_id)
        return job_id, run_id


@contextlib.contextmanager
def box(folder: Path) -> Iterator[Box]:
    """A sandbox process for the length of a `with` block."""
    with running_sandbox(scenarios=folder) as process:
        client = WorkspaceClient(
            config=Config(host=process.url, token=process.token, retry_timeout_seconds=10)
        )
        yield Box(client, process.control, folder, process.url, process.token)


def notebook(key: str, *upstream: str, **more: Any) -> dict[str, Any]:
    """A notebook task's settings."""
    task = {"task_key": key, "notebook_task": {"notebook_path": f"/etl/{key}"}, **more}
    return {**task, "depends_on": [{"task_key": name} for name in upstream]} if upstream else task


def script(key: str, *upstream: str, **more: Any) -> dict[str, Any]:
    """A Python script task's settings."""
    task = {"task_key": key, "spark_python_task": {"python_file": f"/etl/{key}.py"}, **more}
    return {**task, "depends_on": [{"task_key": name} for name in upstream]} if upstream else task


def results(run: jobs.Run) -> dict[str, str]:
    """The result of each task's latest attempt."""
    found: dict[str, str] = {}
    for task in sorted(run.tasks or [], key=lambda task: task.attempt_number or 0):
        state = task.state.result_state if task.state else None
        found[task.task_key] = state.value if state else "-"
    return found


def result(run: jobs.Run) -> str:
    """The run's own result."""
    assert run.state is not None
    return run.state.result_state.value if run.state.result_state else "-"


def task_id(run: jobs.Run, key: str) -> int:
    """The run id of a task's latest attempt."""
    task = max((t for t in run.tasks or [] if t.task_key == key), key=lambda t: t.attempt_number or 0)
    assert task.run_id is not None
    return task.run_id
