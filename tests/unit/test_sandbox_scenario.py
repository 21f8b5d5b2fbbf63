"""The scenario format: what a good file gives, and that mistakes in one are named."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest
import yaml

from core.errors import ConfigurationError, NotFound
from sandbox.scenario import load_scenario, load_scenarios

SCENARIOS = Path(__file__).parent / "sandbox_scenarios"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SCENARIOS / "two_steps", tmp_path / "two_steps"))


def change(folder: Path, **keys: object) -> None:
    path = folder / "scenario.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **keys}))


def test_a_scenario_knows_its_tasks_attempts_and_files() -> None:
    scenario = load_scenarios(SCENARIOS)["two_steps"]
    aggregate = scenario.script("aggregate")
    assert aggregate.attempt(0).result == "FAILED"
    assert aggregate.attempt(7) is aggregate.attempts[-1], "the last attempt repeats"
    assert len(aggregate.succeeds_if) == 2
    assert scenario.script("publish").attempt(0).result == "SUCCESS", "a task that is not mentioned succeeds"
    assert "ExecutorLost" in (aggregate.attempt(0).error or "")
    assert scenario.text("stderr.txt").startswith("26/01/31")


def test_exact_keys_win_over_globs(folder: Path) -> None:
    change(
        folder, tasks={"*": {"attempts": [{"result": "FAILED"}]}, "publish": {"attempts": [{"seconds": 7}]}}
    )
    scenario = load_scenario(folder)
    assert scenario.script("extract").attempt(0).result == "FAILED"
    assert scenario.script("publish").attempt(0).seconds == 7


def test_files_may_be_packed(folder: Path) -> None:
    (folder / "trace.txt.gz").write_bytes(gzip.compress(b"packed"))
    assert load_scenario(folder).text("trace.txt.gz") == "packed"


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"name": "other"}, "folder's name"),
        ({"tasks": {"agregate": {}}}, "agregate"),
        ({"tasks": {"extract": {"attempts": [{"logs": "nowhere.log"}]}}}, "nowhere.log"),
        ({"tasks": {"publish": {"attempts": [{"logs": "extract.log"}]}}}, "has no logs"),
        ({"tasks": {"publish": {"succeeds_if": {"job_succeeded": "nobody"}}}}, "nobody"),
        ({"job": {"name": "x", "tasks": [{"task_key": "a", "depends_on": [{"task_key": "z"}]}]}}, "'z'"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_mistake_is_named(folder: Path, keys: dict[str, object], named: str) -> None:
    change(folder, **keys)
    with pytest.raises(ConfigurationError, match=named):
        load_scenario(folder)


def test_no_scenario(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_scenario(tmp_path)
