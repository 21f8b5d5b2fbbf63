"""A sandbox workspace in a process of its own, for whoever needs one: the demo, the evals, the tests."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.errors import WorkspaceUnavailable
from sandbox.control import Control

_ROOT = Path(__file__).resolve().parent.parent
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class SandboxProcess:
    """A running sandbox. It ends with `stop`, or with the process that started it, however that ends."""

    url: str
    token: str
    workspace_id: str
    process: subprocess.Popen[str]

    @property
    def control(self) -> Control:
        """Its controls."""
        return Control(self.url, self.token)

    def stop(self) -> None:
        """End it, and wait for that."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def start_sandbox(
    *,
    port: int = 0,
    token: str | None = None,
    clock_speed: float = 1.0,
    scenarios: Path | None = None,
    journal: Path | None = None,
    log: IO[str] | None = None,
) -> SandboxProcess:
    """Start a sandbox and wait until it takes requests; the arguments are those of `python -m sandbox`.

    `log` gets what it writes to standard error.

    Raises:
        WorkspaceUnavailable: It did not start; what it said is in `log` or on standard error.
    """
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "--exit-with-stdin",
        "--port",
        str(port),
        "--clock",
        str(clock_speed),
    ]
    for option, value in (("--token", token), ("--scenarios", scenarios), ("--journal", journal)):
        command += [option, str(value)] if value is not None else []
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        cwd=_ROOT,
        # A Ctrl-C in the terminal is for the one who started us, who then stops us in order.
        start_new_session=True,
    )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        status = process.wait(_STOP_SECONDS)
        raise WorkspaceUnavailable(f"The sandbox workspace did not start (exit status {status}).")
    ready = json.loads(line)
    return SandboxProcess(ready["url"], ready["token"], ready["workspace_id"], process)


@contextlib.contextmanager
def running_sandbox(
    *, clock_speed: float = 1.0, scenarios: Path | None = None, token: str | None = None
) -> Iterator[SandboxProcess]:
    """A sandbox for the length of a `with` block."""
    sandbox = start_sandbox(clock_speed=clock_speed, scenarios=scenarios, token=token)
    try:
        yield sandbox
    finally:
        sandbox.stop()
