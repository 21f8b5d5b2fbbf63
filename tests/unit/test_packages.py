"""Our packages have plain names; no stranger of the same name may be imported instead."""

import importlib.util
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = CONFIG["tool"]["setuptools"]["packages"]


@pytest.mark.parametrize("name", [*PACKAGES, "tests"])
def test_it_resolves_inside_the_repository(name):
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def test_every_folder_with_code_is_listed():
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in ROOT.glob("*/**/__init__.py")
        if path.relative_to(ROOT).parts[0] not in ("tests", ".venv", "build", ".cache")
    }
    assert found == set(PACKAGES)


def test_every_dependency_is_pinned():
    pinned = {
        line.split("==")[0].lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    project = CONFIG["project"]
    extras = [r for extra in project["optional-dependencies"].values() for r in extra]
    wanted = [*project["dependencies"], *extras]
    for requirement in wanted:
        name = requirement.split("[")[0].split("=")[0].lower()
        assert name in pinned or name == "pitstop", requirement
