"""The sandbox's process: it starts, says so, keeps its journal, and never outlives who started it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from core.errors import WorkspaceRefused, WorkspaceUnavailable
from sandbox.process import start_sandbox

SCENARIOS = Path(__file__).parent / "jobs_api_scenarios"
PARENT = """
import time
from sandbox.process import start_sandbox
print(start_sandbox().url, flush=True)
time.sleep(600)
"""


def test_it_ends_with_its_parent_even_by_kill_9() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    assert requests.get(f"{url}/_sandbox/health", timeout=5).json()["ok"]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            requests.get(f"{url}/_sandbox/health", timeout=5)
        except requests.ConnectionError:
            return
        time.sleep(0.05)
    raise AssertionError("the sandbox outlived its parent")


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken, (tmp_path / "log").open("w") as log:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WorkspaceUnavailable):
            start_sandbox(port=taken.getsockname()[1], log=log)
    assert "can't listen" in (tmp_path / "log").read_text()


def test_the_journal_is_also_a_file(tmp_path: Path) -> None:
    sandbox = start_sandbox(scenarios=SCENARIOS, token="given", journal=tmp_path / "journal.jsonl")
    try:
        assert sandbox.token == "given"
        started = sandbox.control.start("contract_chain")
        sandbox.control.finish(started["run_id"])
        sandbox.control.by_hand(started["run_id"], "repair")
        with pytest.raises(WorkspaceRefused, match="nothing to repair"):
            sandbox.control.by_hand(started["run_id"], "repair")
        with pytest.raises(WorkspaceRefused, match="no_such"):
            sandbox.control.start("no_such")
    finally:
        sandbox.stop()
    (line,) = (tmp_path / "journal.jsonl").read_text().splitlines()
    action = json.loads(line)
    assert (action["kind"], action["by"], action["run_id"]) == ("repair", "person", started["run_id"])
    assert sandbox.process.poll() is not None
