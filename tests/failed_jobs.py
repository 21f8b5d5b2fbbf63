"""Jobs for the sandbox that fail as a test wants it, with the texts of the test's own in every place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

RESET = "ConnectionError: ('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))"
UNRESOLVED = (
    "AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column or function parameter with name `custmer_id` "
    "cannot be resolved. Did you mean one of the following? [`customer_id`]. SQLSTATE: 42703"
)
UNKNOWN = "RuntimeError: step 4 did not do what it should"
#: A driver's log of every day, around what a test puts in.
QUIET = "26/11/21 03:12:{:02d} INFO TaskSetManager: Finished task {}.0 in stage 7.0 (TID {}) in 812 ms on 10.20.4.12"


@dataclass
class FailedJob:
    """A job of two tasks, a notebook and a script, that both fail; every text may hold what a test plants."""

    name: str
    error: str = RESET
    job_name: str = ""
    task_key: str = "load"
    tags: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    base_parameters: Mapping[str, str] = field(default_factory=dict)
    spark_conf: Mapping[str, str] = field(default_factory=dict)
    spark_env_vars: Mapping[str, str] = field(default_factory=dict)
    trace: str = ""
    exit_value: str = ""
    source: str = "# Databricks notebook source\nload()\n"
    stdout: str = ""
    stderr: str = ""
    log4j: str = ""
    logs: str = ""
    event: str = ""
    message: str = ""
    #: All tasks end well; only the notebook's exit value says that something failed.
    soft: bool = False

    def write(self, folder: Path) -> None:
        """Put it into a folder of scenarios."""
        home = folder / self.name
        home.mkdir(parents=True)
        trace = f'Traceback (most recent call last):\n  File "/Workspace/etl/{self.name}", line 9\n{self.trace}\n{self.error}\n'
        files = {
            "trace.txt": trace,
            "exit.txt": self.exit_value,
            "source.py": self.source,
            "stdout.txt": log(self.stdout),
            "stderr.txt": log(self.stderr),
            "log4j.txt": log(self.log4j),
            "logs.txt": log(f"{self.logs}\n{trace}"),
        }
        for name, text in files.items():
            (home / name).write_text(text, encoding="utf-8")
        (home / "scenario.yaml").write_text(
            yaml.safe_dump(self._scenario(), sort_keys=False), encoding="utf-8"
        )

    def _scenario(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.name,
            "category": "network",
            "expect": {
                "category": "network",
                "failure_class": "x",
                "actions": ["RETRY"],
                "outcome": "resolved",
            },
            "job": self._job(),
            "run": {"job_parameters": dict(self.parameters)},
            "tasks": self._tasks(),
            "workspace": {f"/Workspace/etl/{self.name}": "source.py"},
            "history": [{"result": "SUCCESS", "count": 3, "seconds": 60}],
        }

    def _job(self) -> dict[str, Any]:
        cluster = {
            "spark_version": "15.4.x-scala2.12",
            "node_type_id": "Standard_D4ds_v5",
            "num_workers": 1,
            "spark_conf": dict(self.spark_conf),
            "spark_env_vars": dict(self.spark_env_vars),
            "cluster_log_conf": {"dbfs": {"destination": f"dbfs:/cluster-logs/{self.name}"}},
        }
        notebook = {
            "notebook_path": f"/Workspace/etl/{self.name}",
            "base_parameters": dict(self.base_parameters),
        }
        script = {
            "python_file": f"/Workspace/etl/{self.name}.py",
            "parameters": list(self.base_parameters.values()),
        }
        return {
            "name": self.job_name or self.name,
            "tags": {"owner": "owner@example.com", **self.tags},
            "parameters": [{"name": name, "default": ""} for name in self.parameters],
            "job_clusters": [{"job_cluster_key": "main", "new_cluster": cluster}],
            "tasks": [
                {"task_key": self.task_key, "job_cluster_key": "main", "notebook_task": notebook},
                {"task_key": "script", "job_cluster_key": "main", "spark_python_task": script},
            ],
        }

    def _tasks(self) -> dict[str, Any]:
        good = {"result": "SUCCESS", "seconds": 1, "setup_seconds": 0}
        if self.soft:
            return {self.task_key: {"attempts": [{**good, "notebook_result": "exit.txt"}]}}
        end = {"result": "FAILED", "seconds": 1, "setup_seconds": 0, "error": self.error}
        first = {
            **end,
            "error_trace": "trace.txt",
            "cluster_logs": {
                "driver/stdout": "stdout.txt",
                "driver/stderr": "stderr.txt",
                "driver/log4j-active.log": "log4j.txt",
            },
            "cluster_events": [
                {"after_seconds": 0.5, "type": "DRIVER_HEALTHY", "details": {"cause": self.event or "none"}}
            ],
        }
        if self.message:
            first["message"] = self.message
        return {
            self.task_key: {"attempts": [first, good]},
            "script": {"attempts": [{**end, "logs": "logs.txt"}, good]},
        }


def log(text: str) -> str:
    """A text in the middle of an ordinary log."""
    lines = [QUIET.format(n % 60, n, n) for n in range(120)]
    return "\n".join([*lines, text, *lines[:20]]) + "\n"
