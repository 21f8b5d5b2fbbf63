"""`pitstop bench logs`: how fast the log reader is, beside grep with the same patterns on the same core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli.driver_log import write_log

MB = 1_000_000


@dataclass(frozen=True)
class Measured:
    """One row: what a file of `size` bytes took, in seconds of the clock and of one core, and the peak memory in MB."""

    what: str
    size: int
    seconds: float
    cpu_seconds: float
    peak_mb: float | None = None
    result: str = ""

    @property
    def speed(self) -> float:
        """Megabytes (10^6 bytes) a second of one core, which other work on the machine does not change."""
        return self.size / MB / self.cpu_seconds if self.cpu_seconds else 0.0


def logs(
    size: Annotated[int, typer.Option(help="Size of the large log, in MB.", min=20)] = 1000,
    folder: Annotated[
        Path | None, typer.Option(help="Where to put the logs for a while; needs the space.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the measurements as JSON.")] = False,
) -> None:
    """Make a driver log and read it: ours, grep -cE with the same patterns, grep -c ERROR, and a plain read."""
    with tempfile.TemporaryDirectory(prefix="pitstop-bench-", dir=folder) as scratch:
        rows = _measure(Path(scratch), size)
    if as_json:
        typer.echo(
            json.dumps([{**asdict(row), "mb_per_second": round(row.speed, 1)} for row in rows], indent=2)
        )
        return
    _print(rows)


def _measure(scratch: Path, size: int) -> list[Measured]:
    sizes = sorted({10, max(20, size // 10), size})
    paths: dict[int, Path] = {}
    for megabytes in sizes:
        paths[megabytes] = scratch / f"driver-{megabytes}.log"
        write_log(paths[megabytes], megabytes * MB)
    large = paths[size]
    patterns = scratch / "patterns.txt"
    patterns.write_bytes(b"\n".join(extended_patterns()) + b"\n")
    rows = [_timed("plain read", large, _plain_read), *_greps(large, patterns)]
    rows += [_ours(paths[megabytes]) for megabytes in sizes]
    return rows


def _greps(path: Path, patterns: Path) -> list[Measured]:
    if shutil.which("grep") is None:
        return []
    commands = {
        "grep -c ERROR": ["grep", "-c", "ERROR", str(path)],
        "grep -cE, same patterns": ["grep", "-a", "-cE", "-f", str(patterns), str(path)],
    }
    return [_timed(what, path, _command(command)) for what, command in commands.items()]


def _timed(what: str, path: Path, run: Callable[[Path], str]) -> Measured:
    """The better of two runs: the first one warms the page cache."""
    rows: list[Measured] = []
    for _ in range(2):
        started, used = time.perf_counter(), _cpu()
        result = run(path)
        rows.append(
            Measured(what, path.stat().st_size, time.perf_counter() - started, _cpu() - used, None, result)
        )
    return min(rows, key=lambda row: row.cpu_seconds)


def _cpu() -> float:
    """Seconds of processor time of this process and of the children it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _plain_read(path: Path) -> str:
    with path.open("rb", buffering=0) as stream:
        while stream.read(1 << 20):
            pass
    return ""


def _command(command: list[str]) -> Callable[[Path], str]:
    def run(_: Path) -> str:
        done = subprocess.run(
            ["env", "LC_ALL=C", *command],
            capture_output=True,
            text=True,
            preexec_fn=_one_core,
            check=False,
        )
        return f"{done.stdout.strip()} lines"

    return run


def _one_core() -> None:
    """Keep this process on one core, so that one core is compared with one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


_CHILD = """
import json, resource, sys, time
from tools.log_reader import primary, read_path
from tools.log_reader.scan import scanner_for
scanner_for(1 << 30).scan(b"warm")
runs = []
for _ in range(2):
    started, used = time.perf_counter(), time.process_time()
    reading = read_path(sys.argv[1], watch=False)
    runs.append((time.process_time() - used, time.perf_counter() - started))
first = primary([reading])[0]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"runs": min(runs), "peak": peak, "result": f"{first.exception}: {first.message[:60]}"}))
"""


def _ours(path: Path) -> Measured:
    """Read in a process of its own (imports and the patterns' compilation left out of the time, not of the memory)."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path)],
        capture_output=True,
        text=True,
        preexec_fn=_one_core,
        check=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    answer = json.loads(done.stdout)
    size = path.stat().st_size
    return Measured(
        f"pitstop, {round(size / MB)} MB",
        size,
        answer["runs"][1],
        answer["runs"][0],
        answer["peak"],
        answer["result"],
    )


def extended_patterns() -> Iterator[bytes]:
    """The reader's patterns in the language of grep -E (in the C locale)."""
    from tools.log_reader.signals import SIGNALS

    for signal in SIGNALS:
        pattern = signal.pattern.replace(b"[\\w", b"[[:alnum:]_").replace(b"\\d", b"[0-9]")
        yield _either_case(_unescaped(pattern)) if signal.caseless else _unescaped(pattern)


def _unescaped(pattern: bytes) -> bytes:
    out = bytearray()
    at = 0
    while at < len(pattern):
        if pattern[at : at + 2] == b"\\x":
            out.append(int(pattern[at + 2 : at + 4], 16))
            at += 4
        elif pattern[at : at + 1] == b"\\" and pattern[at + 1 : at + 2] in b" -'":
            out += pattern[at + 1 : at + 2]
            at += 2
        else:
            out += pattern[at : at + 1]
            at += 1
    return bytes(out)


def _either_case(pattern: bytes) -> bytes:
    out = bytearray()
    depth = 0
    for index, byte in enumerate(pattern):
        char = bytes([byte])
        escaped = index > 0 and pattern[index - 1 : index] == b"\\"
        depth += (char == b"[") - (char == b"]")
        out += (
            b"[" + char.lower() + char.upper() + b"]"
            if char.isalpha() and not depth and not escaped
            else char
        )
    return bytes(out)


def _print(rows: list[Measured]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "MB", "seconds", "core s", "MB/core s", "peak MB")
    for row in rows:
        peak = f"{row.peak_mb:.0f}" if row.peak_mb is not None else ""
        table.add_row(
            row.what,
            f"{row.size / MB:.0f}",
            f"{row.seconds:.3f}",
            f"{row.cpu_seconds:.3f}",
            f"{row.speed:.0f}",
            peak,
        )
    console = Console()
    console.print(table)
    ours = [row for row in rows if row.peak_mb is not None]
    grep = next((row for row in rows if row.what.startswith("grep -cE")), None)
    if grep:
        console.print(f"{ours[-1].speed / grep.speed:.2f} times the speed of grep -cE with the same patterns")
    small, large = ours[0], ours[-1]
    console.print(
        f"{large.size / small.size:.0f} times the size took {large.cpu_seconds / small.cpu_seconds:.0f} times the time "
        f"and {(large.peak_mb or 0) - (small.peak_mb or 0):.0f} MB more memory"
    )
