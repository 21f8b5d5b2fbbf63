"""The demo as a newcomer runs it: the script's table and exit status, and the console behind the sign-in link."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from playwright.async_api import BrowserContext, expect

from cli.doors import CHANNELS
from core.settings import Settings, foreign_environment
from tests.e2e.browser import browser, chromium
from tests.e2e.processes import ROOT, until

__all__ = ["browser", "chromium"]


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that were started for this data folder."""
    found = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if str(folder) in line and "ps -eww" not in line]


def test_every_scenario_ends_as_it_says_and_nothing_is_left_running(open_folder):
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "demo", "--script", "--json", "--port", "0"],
        cwd=ROOT,
        env={**foreign_environment(), "PITSTOP_DATA_DIR": str(open_folder)},
        capture_output=True,
        text=True,
        timeout=540,
    )
    results = json.loads(done.stdout) if done.stdout.strip() else []
    wrong = {r["name"]: r["problem"] for r in results if r["problem"]}
    assert (done.returncode, wrong) == (0, {}), done.stderr[-3000:]
    assert len(results) >= 24
    assert len({r["category"] for r in results}) == 8
    assert list((open_folder / "demo" / "mail").glob("*.eml")), "messages were really sent"
    through = {r["door"]: r["trail"] for r in results if r["door"]}
    assert set(through) == set(CHANNELS)
    for door, trail in through.items():
        assert any(f"approved by you@example.com through {CHANNELS[door]}" in entry for entry in trail), trail
    assert processes_of(open_folder) == []


async def test_the_console_shows_an_incident_and_takes_a_decision(open_folder, browser: BrowserContext):
    from cli.stage import stage

    manager = stage(Settings(data_dir=open_folder), clock_speed=30)
    parts = await asyncio.to_thread(manager.__enter__)
    try:
        headers = {"authorization": f"Bearer {parts.token}"}
        api = httpx.Client(base_url=parts.url, headers=headers, timeout=30)
        for name in ("executor_oom", "connection_reset", "unresolved_column", "missing_table_upstream"):
            parts.sandbox.start(name)

        def waiting() -> list[str]:
            items = api.get("/api/v1/incidents", params={"status": "awaiting_approval"}).json()["items"]
            return [i["id"] for i in items] if len(items) >= 3 else []

        until(waiting, seconds=120, saying="three incidents waiting")
        page = await browser.new_page()
        await page.goto(api.post("/api/v1/sign-in-links").json()["url"])
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Waiting for you")).to_be_visible()
        memory = next(
            i for i in api.get("/api/v1/incidents").json()["items"] if i["failure_class"] == "executor_oom"
        )
        await page.goto(f"{parts.url}/console/incidents/{memory['id']}")
        await expect(page.get_by_text("spark.executor.memory").first).to_be_visible()
        await page.get_by_role("button", name="Approve").first.click()

        def ended() -> bool:
            return api.get(f"/api/v1/incidents/{memory['id']}").json()["status"] == "resolved"

        until(ended, seconds=90, saying="the repair")
        story = api.get(f"/api/v1/incidents/{memory['id']}").json()
        assert story["approvals"][0]["channel"] == "console"
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
    assert processes_of(open_folder) == []


def test_told_to_go_it_takes_everything_along(open_folder: Path, tmp_path: Path):
    def whole() -> str:
        text = (tmp_path / "out").read_text()
        return text if "Ctrl-C" in text else ""

    with (tmp_path / "out").open("wb") as out:
        demo = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "demo", "--port", "0"],
            cwd=ROOT,
            env={**foreign_environment(), "PITSTOP_DATA_DIR": str(open_folder), "COLUMNS": "60"},
            stdout=out,
            stderr=out,
        )
    try:
        said = until(whole, seconds=120, saying="the demo")
    finally:
        demo.terminate()
        demo.wait(60)
    link = next(line for line in said.splitlines() if line.startswith("Sign in: "))
    assert re.fullmatch(r"Sign in: http://127\.0\.0\.1:\d+/console/\S+code=\S{20,}", link), (
        "it is copied whole"
    )
    assert processes_of(open_folder) == []


@pytest.mark.parametrize("command", [["--help"], ["demo", "--help"], ["diagnose", "--help"]])
def test_help_needs_nothing(command):
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Usage" in done.stdout
