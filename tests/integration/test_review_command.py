"""The real `pitstop review` on a real terminal (a pseudo-terminal of 80 x 24), and without one."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.settings import foreign_environment
from tests.e2e.processes import ROOT
from tests.incident_stories import a_proposal, a_run, ask, facts, tell
from tests.integration.test_review_terminal import EVIL
from tests.server_box import Box, served

COMMAND = [sys.executable, "-m", "cli.main"]


class Terminal:
    """A terminal with a program in it; `seen` is everything that the program wrote."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._fd, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(inside)
        self._inside = inside
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=inside, stdout=inside, stderr=inside, close_fds=True
        )
        self.seen = ""

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._fd, keys.encode())

    def wait(self, words: str, *, seconds: float = 60) -> None:
        """Until the program has written these words since the last wait."""
        begun, deadline = len(self.seen), time.monotonic() + seconds
        while time.monotonic() < deadline:
            if words in bare(self.seen[begun:]):
                return
            self.read(0.2)
        raise AssertionError(f"{words!r} was not written: {bare(self.seen)[-2000:]}")

    def read(self, seconds: float) -> bool:
        """Take what is there; whether something was."""
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if ready:
            self.seen += os.read(self._fd, 65536).decode("utf-8", errors="replace")
        return bool(ready)

    def end(self) -> int:
        """The program's status, and the last it wrote."""
        status = self.process.wait(30)
        while self.read(0.5):
            pass
        return status

    @property
    def modes(self) -> Any:
        """How the terminal is set now."""
        return termios.tcgetattr(self._inside)

    def close(self) -> None:
        """End the program if it is there still."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._fd)
        os.close(self._inside)


def bare(written: str) -> str:
    """What was written, without the sequences that place and colour it."""
    return re.sub(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)", "", written)


@contextlib.contextmanager
def terminal(url: str, token: str, **more: str) -> Iterator[Terminal]:
    environment = {**foreign_environment(), "TERM": "xterm", "PITSTOP_TOKEN": token, **more}
    found = Terminal([*COMMAND, "review", "--url", url], environment)
    try:
        yield found
    finally:
        found.close()


@pytest.mark.parametrize("more", [{}, {"NO_COLOR": "1", "TERM": "vt100"}], ids=["colour", "no colour"])
async def test_an_approval_by_keys_leaves_the_terminal_as_it_was(box: Box, more: dict[str, str]) -> None:
    run = a_run(4711, f"nightly {EVIL}")
    evidence = [{"source": "stderr", "line_start": 1, "line_end": 1, "text": EVIL}]
    diagnosis = {**facts(run)["diagnosis"], "root_cause": f"Out of memory {EVIL}", "evidence": evidence}
    incident_id = await tell(box.runtime.store, run, diagnosis=diagnosis)
    await ask(box.runtime.store, incident_id, a_proposal(reason=EVIL))
    token = await box.token("anna@example.com", "approver")

    def drive(url: str) -> Terminal:
        with terminal(url, token, **more) as found:
            found.wait("Out of memory")
            found.press("a")
            found.wait("enter approve")
            found.press("\r")
            found.wait("Nothing waits for you")
            found.press("q")
            assert found.end() == 0
            assert found.modes == found.before
            return found

    async with served(box.app) as url:
        found = await asyncio.to_thread(drive, url)
    assert box.sql("SELECT status, decided_by, channel FROM approvals") == [
        ("approved", "anna@example.com", "terminal")
    ]
    assert "\x1b[?1049h" in found.seen and found.seen.rindex("\x1b[?1049l") > found.seen.rindex("\x1b[?1049h")
    assert "owned" not in found.seen and "\x9b" not in found.seen and "\u202e" not in found.seen
    if more:
        colours = re.findall(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9]+)*m", found.seen)
        assert colours == []


async def test_what_is_wrong_is_said_before_the_screen_changes(box: Box) -> None:
    def refused(url: str, token: str) -> Terminal:
        with terminal(url, token) as found:
            assert found.end() == 1
            return found

    async with served(box.app) as url:
        wrong = await asyncio.to_thread(refused, url, "pit_wrong")
    assert "Set PITSTOP_TOKEN" in wrong.seen and "\x1b[?1049h" not in wrong.seen
    away = await asyncio.to_thread(refused, "http://127.0.0.1:9", "pit_wrong")
    assert "does not answer" in " ".join(away.seen.split()) and "Traceback" not in away.seen


def test_without_a_terminal_it_says_what_to_use_instead() -> None:
    done = subprocess.run(
        [*COMMAND, "review"], cwd=ROOT, env=foreign_environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "needs a terminal" in done.stderr and "pitstop approve" in done.stderr


async def test_the_plain_commands_print_no_sequence_and_read_no_markup(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(4711, EVIL)
    evidence = [{"source": EVIL, "line_start": 1, "line_end": 1, "text": EVIL}]
    diagnosis = {**facts(run)["diagnosis"], "root_cause": EVIL, "evidence": evidence}
    incident_id = await tell(box.runtime.store, run, diagnosis=diagnosis)
    await ask(box.runtime.store, incident_id, a_proposal(reason=EVIL))
    async with served(box.app) as url:
        monkeypatch.setenv("PITSTOP_PUBLIC_URL", url)
        monkeypatch.setenv("PITSTOP_TOKEN", await box.token("anna@example.com", "approver"))
        for arguments in (
            ["incidents"],
            ["incidents", incident_id],
            ["incidents", "--json"],
            ["incidents", incident_id, "--json"],
            ["reject", incident_id, "-m", EVIL, "--json"],
        ):
            result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env={"COLUMNS": "200"})
            assert result.exit_code == 0, result.output
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", result.output), arguments
            assert "[bold]" in result.output, arguments
