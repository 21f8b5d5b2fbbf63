"""minilake, somebody else's emulator of a Databricks workspace, as a second opinion on ours.

It runs in a virtual environment of its own (its dependencies are not ours), made on first use in `.cache/` at the
repository's top and kept there. Jobs run as plain subprocesses; nothing of it needs a network.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from filelock import FileLock

_REQUIREMENTS = Path(__file__).with_name("minilake_requirements.txt")
_CACHE = Path(__file__).resolve().parents[2] / ".cache"
_VENV = _CACHE / "minilake-venv"
_START_SECONDS = 60.0


def _installed() -> Path:
    """The environment's `bin`, made if it is not there or not for these requirements."""
    _CACHE.mkdir(exist_ok=True)
    done = _VENV / "requirements.txt"
    wanted = _REQUIREMENTS.read_text()
    with FileLock(_CACHE / "minilake-venv.lock"):
        if not done.is_file() or done.read_text() != wanted:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(_VENV)], check=True)
            pip = [str(_VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
            subprocess.run([*pip, "-r", str(_REQUIREMENTS)], check=True)
            done.write_text(wanted)
    return _VENV / "bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running_minilake(folder: Path) -> Iterator[str]:
    """A minilake that keeps its data in `folder`; gives its address."""
    port, bin_ = _free_port(), _installed()
    empty = folder / "no-extensions"
    empty.mkdir(parents=True)
    settings = {
        "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}",
        "MINILAKE_DATA_DIR": str(folder / "data"),
        "MINILAKE_SERVICES": "jobs,workspace,dbfs,sql_statements,sql_warehouses,secrets,identity",
        "MINILAKE_JOB_EXECUTOR": "subprocess",
        "MINILAKE_NOTEBOOK": "0",
        # With a directory of extensions, even an empty one, it downloads none.
        "MINILAKE_DUCKDB_EXTENSION_DIR": str(empty),
    }
    with (folder / "minilake.log").open("w") as log:
        process = subprocess.Popen(
            [str(bin_ / "minilake"), "--port", str(port)],
            env={**os.environ, **settings},
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/_minilake/health", timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"minilake did not start (exit status {process.poll()}); its log is beside its data.")
