"""`python sandbox/record/record.py NAME...`: really run a scenario's program and keep what it left behind.

Writes into the scenario's folder what the ground keeps of `error_trace.txt`, `stdout.txt`, `stderr.txt`,
`log4j.txt` and `result.json`, with `-N` in the name for further variants, and prints the error for the scenario's
`error`. Wants the packages of `requirements.txt` in the interpreter that runs it, Java 17, and for a full disk the
right to mount one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from grounds import GROUNDS, SCENARIOS, Ground
from preparations import VOLUMES
from rewriting import rewrite, rules, trim
from weather import closed_port, serve_hanging_up, serve_https

HERE = Path(__file__).parent
TIME_LIMIT_SECONDS = 400


def record(name: str) -> None:
    """Record all variants of one scenario."""
    ground = GROUNDS[name]
    folder = Path(tempfile.mkdtemp(prefix="record-"))
    disk = folder / "disk"
    disk.mkdir()
    if ground.small_disk_mb:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={ground.small_disk_mb}m", "tmpfs", str(disk)]
        subprocess.run(mount, check=True)
    try:
        with ExitStack() as stack:
            given = _surroundings(ground, folder, stack)
            for variant in range(len(ground.variants)):
                _run(name, ground, variant, folder, given)
                _keep(name, ground, variant, folder, given)
    finally:
        if ground.small_disk_mb:
            subprocess.run(["umount", "-l", str(disk)], check=True)
        if VOLUMES.is_symlink():
            VOLUMES.unlink()
        shutil.rmtree(folder, ignore_errors=True)


def _surroundings(ground: Ground, folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Start what the program talks to: HTTPS servers, a port that is closed or hangs up, a database."""
    given: dict[str, Any] = {"ports": {}, "secrets": {}, "names": {}}
    if ground.weather:
        given["ports"] = serve_https(ground.weather, folder)
    if ground.database:
        port = closed_port() if ground.database == "closed" else serve_hanging_up()
        if ground.database == "locked":
            from postgres import locked_ledger

            port = stack.enter_context(locked_ledger(folder))
        given["secrets"] = {"dwh/host": "127.0.0.1", "dwh/port": str(port)}
        given["names"] = {f"port {port}": "port 5432", f":{port}": ":5432"}
    return given


def _run(name: str, ground: Ground, variant: int, folder: Path, given: dict[str, Any]) -> None:
    java = f"-Dlog4j2.configurationFile=file:{HERE / 'log4j2.properties'} -Drecord.log4j={folder / 'log4j'}"
    environment = {
        **os.environ,
        "PYSPARK_SUBMIT_ARGS": f"--driver-memory {ground.driver_memory} --driver-java-options '{java}' pyspark-shell",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "disk"),
        "SPARK_TESTING": "",
        "RECORD_GIVEN": json.dumps(given),
        "RECORD_FOLDER": str(folder),
        **({"REQUESTS_CA_BUNDLE": str(folder / "ca.pem")} if ground.weather else {}),
        "PYTHONWARNINGS": "ignore",
    }
    with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
        command = [sys.executable, str(HERE / "run.py"), name, str(variant), str(folder)]
        subprocess.run(
            command,
            env=environment,
            cwd=folder,
            stdout=out,
            stderr=err,
            timeout=TIME_LIMIT_SECONDS,
            check=True,
        )


def _keep(name: str, ground: Ground, variant: int, folder: Path, given: dict[str, Any]) -> None:
    """Rewrite and write down what the ground wants kept."""
    outcome = json.loads((folder / "outcome.json").read_text())
    texts = {
        key: (folder / key).read_text() if (folder / key).exists() else ""
        for key in ("stdout", "stderr", "log4j")
    }
    texts["error_trace"] = outcome.get("error_trace", "")
    exchanged = rules(folder, {**given["names"], **ground.names})
    target = SCENARIOS / name
    suffix = f"-{variant + 1}" if variant else ""
    for kind in ground.keep:
        text = rewrite(texts[kind], exchanged).rstrip("\n")
        if text:
            (target / f"{kind}{suffix}.txt").write_text(trim(text + "\n"))
    if "exit_value" in outcome:
        (target / f"result{suffix}.json").write_text(rewrite(outcome["exit_value"], exchanged))
    error = rewrite(outcome.get("error", "no error"), exchanged).split("\n\tat ")[0]
    sys.stdout.write(f"{name}{suffix}: {outcome['seconds']} s: {error}\n")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or GROUNDS:
        record(wanted)
