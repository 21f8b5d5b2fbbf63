"""Runs one program in this process, as a Databricks task would, and writes down how it ended.

Called by `record.py` with a scenario's name, a variant's number and a folder for what it leaves behind:
`outcome.json` (`error`, `error_trace`, `exit_value`), `stdout`, `stderr` and Spark's `log4j`.
"""

from __future__ import annotations

import json
import linecache
import os
import re
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from grounds import GROUNDS, SCENARIOS, Ground
from IPython.core.compilerop import CachingCompiler
from IPython.core.interactiveshell import InteractiveShell
from pyspark.sql import SparkSession

CELL = re.compile(r"^# COMMAND -+\s*$", re.MULTILINE)
FIRST_COMMAND = 3_912_786_654_012_340


class NotebookExit(BaseException):
    """Raised by `dbutils.notebook.exit`."""


class Widgets:
    """`dbutils.widgets`: the task's parameters."""

    def __init__(self, parameters: dict[str, str]) -> None:
        self._parameters = parameters

    def text(self, name: str, default: str, label: str = "") -> None:
        """Declare a widget."""
        self._parameters.setdefault(name, default)

    def get(self, name: str) -> str:
        """A widget's value."""
        return self._parameters[name]


class Secrets:
    """`dbutils.secrets`: what the recording's ground gives."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, scope: str, key: str) -> str:
        """A secret's value."""
        return self._values[f"{scope}/{key}"]


class Dbutils:
    """As much of `dbutils` as the programs use."""

    def __init__(self, ground: Ground, parameters: dict[str, str], secrets: dict[str, str]) -> None:
        self.widgets = Widgets(parameters)
        self.secrets = Secrets(secrets)
        self.notebook = self

    def exit(self, value: str) -> None:
        """End the notebook with a value."""
        raise NotebookExit(value)


class CommandNames(CachingCompiler):
    """Names cells as a Databricks notebook's commands are named."""

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        """The file name that a traceback shows for a cell."""
        return f"<command-{FIRST_COMMAND + number}>"

    def format_code_name(self, name: str) -> tuple[str, str] | None:
        """How a traceback introduces that name."""
        return ("File", name) if name.startswith("<command-") else None


def open_session(ground: Ground) -> SparkSession:
    """A Spark session as the ground wants it."""
    builder = SparkSession.builder.master(ground.master).appName("Databricks Shell")
    for key, value in ground.conf.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def reroute(ports: dict[str, int]) -> None:
    """Lead the ground's hosts to our servers; everything else resolves as ever."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host in ports:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", ports[host]))]
        return resolve(host, port, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


def hasten(clock: float) -> None:
    """Let the program's time pass faster: what it sleeps, and what its log says."""
    begun, real, sleep = time.time(), time.time, time.sleep
    time.time = lambda: begun + (real() - begun) * clock
    time.sleep = lambda seconds: sleep(seconds / clock)


def kill_after(seconds: float, folder: Path) -> None:
    """End this process as a task's timeout does: at once."""

    def kill() -> None:
        (folder / "outcome.json").write_text(json.dumps({"seconds": seconds, "error": "killed"}))
        sys.stderr.flush()
        os._exit(0)

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()


def run_notebook(source: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a notebook's commands until one fails."""
    shell = InteractiveShell(user_ns=names, compiler_class=CommandNames, colors="NoColor")
    InteractiveShell._instance = shell
    shell.history_manager.enabled = False
    trace: list[str] = []
    shell._showtraceback = lambda etype, evalue, stb: trace.append(shell.InteractiveTB.stb2text(stb))
    body = source.split("\n", 1)[1] if source.startswith("# Databricks notebook source") else source
    for cell in CELL.split(body):
        result = shell.run_cell(cell.strip("\n"), silent=False, store_history=True)
        error = result.error_before_exec or result.error_in_exec
        if isinstance(error, NotebookExit):
            return {"exit_value": str(error)}
        if error is not None:
            return {"error": f"{type(error).__name__}: {error}", "error_trace": "\n".join(trace)}
    return {}


def run_file(source: str, path: str, names: dict[str, Any]) -> dict[str, Any]:
    """Run a Python file's text under its name in the workspace."""
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    sys.argv = [path, *(f"--{k}={v}" for k, v in names.pop("parameters").items())]
    try:
        exec(compile(source, path, "exec"), {**names, "__name__": "__main__"})
    except BaseException as error:  # noqa: BLE001 (whatever ends a task ends it)
        frames = error.__traceback__.tb_next if error.__traceback__ else None
        text = "".join(traceback.format_exception(type(error), error, frames))
        sys.stderr.write(text)
        return {"error": f"{type(error).__name__}: {error}", "error_trace": text}
    return {}


def main() -> None:
    """Run the program that the command line names."""
    name, variant, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    ground = GROUNDS[name]
    parameters = dict(ground.variants[variant])
    given = json.loads(os.environ.get("RECORD_GIVEN", "{}"))
    reroute(given.get("ports", {}))
    source = (SCENARIOS / name / ground.program).read_text()
    spark = open_session(ground) if ground.spark else None
    if ground.prepare:
        ground.prepare(spark)
    if ground.meanwhile:
        threading.Thread(target=ground.meanwhile, args=(spark,), daemon=True).start()
    names: dict[str, Any] = {
        "spark": spark,
        "sc": spark.sparkContext if spark else None,
        "dbutils": Dbutils(ground, parameters, {**ground.secrets, **given.get("secrets", {})}),
    }
    started = time.monotonic()
    if ground.stop_after_seconds:
        kill_after(ground.stop_after_seconds / ground.clock, folder)
    if ground.clock != 1:
        hasten(ground.clock)
    if ground.kind == "notebook":
        outcome = run_notebook(source, names)
    else:
        outcome = run_file(source, ground.path, {**names, "parameters": parameters})
    outcome["seconds"] = round(time.monotonic() - started, 1)
    (folder / "outcome.json").write_text(json.dumps(outcome, indent=1))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # a driver whose JVM is broken can hang in its shutdown


if __name__ == "__main__":
    main()
