"""The log of a job's last good run, read over HTTP from the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from knowledge.catalogue import load_catalogue
from sandbox.process import running_sandbox
from tests.contract.jobs_api_box import CLUSTER, Box, notebook, script
from tests.contract.workspace_box import Parts, connection
from tools.databricks import Workspace
from tools.databricks.good_run import MAX_LINE, MAX_LINES, GoodRuns, one_of_each_kind
from tools.diagnosis import Engine
from tools.investigator import Investigator

pytestmark = pytest.mark.usefixtures("fair_weather")
HISTORY = [{"result": "SUCCESS"}, {"result": "FAILED", "failed_tasks": ["load"]}]


def played(box: Box, task: dict[str, Any], load: dict[str, Any], files: dict[str, str]) -> tuple[int, int]:
    """A job whose task `load` failed, with one good and one failed run before: the job's and the run's id."""
    job_id, run_id = box.play({"tasks": [task]}, files, tasks={"load": load}, history=HISTORY)
    box.ended(run_id)
    return job_id, run_id


async def outputs(parts: Parts, job_id: int, run_id: int) -> tuple[Any, int]:
    """The failed task's output, compared with the good run, whose id is the other part."""
    past = await parts.workspace.history(job_id)
    good = next(p.run_id for p in past if p.result_state == "SUCCESS")
    run = await parts.workspace.run(run_id)
    return await parts.workspace.task_output(run, run.tasks[0], good_run_id=good), good


async def test_a_tasks_own_log_is_compared(parts: Parts) -> None:
    files = {
        "bad.txt": "ERROR noise 2\nERROR the end",
        "good.txt": "ERROR noise 1\nERROR noise 77\nINFO done",
    }
    load = {"attempts": [{"result": "FAILED", "logs": "bad.txt"}], "past": {"logs": "good.txt"}}
    output, _ = await outputs(parts, *played(parts.box, script("load"), load, files))
    assert output.texts["good_log"] == "ERROR noise 1\nINFO done"
    assert output.texts["logs"] == files["bad.txt"]


async def test_cluster_logs_are_compared(parts: Parts) -> None:
    task = notebook("load", new_cluster=CLUSTER)
    load = {
        "attempts": [{"result": "FAILED", "error": "x", "cluster_logs": {"driver/stderr": "bad.txt"}}],
        "past": {"cluster_logs": {"driver/stderr": "good.txt"}},
    }
    files = {"bad.txt": "WARN a\n", "good.txt": "WARN b\n"}
    output, _ = await outputs(parts, *played(parts.box, task, load, files))
    assert output.texts["good_log"] == "WARN b"
    assert output.texts["cluster/stderr"] == "WARN a\n"


async def test_a_task_that_leaves_no_log_is_compared_with_none(parts: Parts) -> None:
    load = {"attempts": [{"result": "FAILED", "error": "ValueError: no"}]}
    job_id, run_id = played(parts.box, notebook("load"), load, {})
    before = len(parts.box.control.requests("runs/get"))
    output, good = await outputs(parts, job_id, run_id)
    assert "good_log" not in output.texts
    asked = parts.box.control.requests("runs/get")[before:]
    assert [r for r in asked if f"run_id={good}" in r["query"]] == []


async def test_what_fails_is_noted_and_never_raised(parts: Parts) -> None:
    files = {"bad.txt": "ERROR the end", "good.txt": "INFO done"}
    load = {"attempts": [{"result": "FAILED", "logs": "bad.txt"}], "past": {"logs": "good.txt"}}
    _, run_id = played(parts.box, script("load"), load, files)
    run = await parts.workspace.run(run_id)
    gone = await parts.workspace.task_output(run, run.tasks[0], good_run_id=1)
    assert [m for m in gone.missing if m.startswith("good run 1: The workspace has no run 1.")]
    parts.box.control.fault("slow", path="runs/get", seconds=3)
    slow = GoodRuns(connection(parts.box), patience=0.2)
    text, missing = await slow.log(run_id, run.tasks[0], of_cluster=False)
    assert text == ""
    assert "within 0.2 seconds" in missing[0]


def test_lines_are_kept_once_a_kind_and_bounded() -> None:
    assert one_of_each_kind(["took 3 s\ntook 41 s\n\nstopped", "took 5 s"]) == "took 3 s\nstopped"
    letters = [chr(97 + n // 676) + chr(97 + n // 26 % 26) + chr(97 + n % 26) for n in range(6000)]
    many = one_of_each_kind(["\n".join(f"word {a} {'y' * 900}" for a in letters)])
    assert len(many.splitlines()) <= MAX_LINES
    assert max(map(len, many.splitlines())) == MAX_LINE


@pytest.mark.parametrize("compared", [False, True])
async def test_the_good_log_makes_the_difference_in_a_scenario(tmp_path: Path, compared: bool) -> None:
    with running_sandbox() as process:
        started = process.control.start("known_noise")
        assert process.control.finish(started["run_id"])
        box = Box(None, process.control, tmp_path, process.url, process.token)  # type: ignore[arg-type]
        workspace = Workspace(connection(box))
        run = await workspace.run(started["run_id"])
        past = await workspace.history(started["job_id"])
        good = next(p.run_id for p in past if p.result_state == "SUCCESS")
        raw = await workspace.task_output(run, run.tasks[0], good_run_id=good if compared else None)
    investigator = Investigator(Engine(load_catalogue()), None, None)
    short, whole = investigator.redact(raw, run.tasks[0], run)
    output = short.model_copy(update={name: whole[name] for name in ("error", "logs")})
    output = output.model_copy(update={"good_log": whole.get("good_log", "")})
    diagnosis = await investigator.diagnose(run, [output], [])
    assert diagnosis.failure_class == ("disk_full" if compared else "connection_refused")
