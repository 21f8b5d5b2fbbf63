"""What a data folder says about the server that runs on it, and whether that is still true."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Postmaster:
    """The content of `postmaster.pid`: the server's process, its port (0 while unknown) and its own word."""

    pid: int
    port: int
    status: str


def read_pid_file(data: Path) -> Postmaster | None:
    """The server that `data/postmaster.pid` names; None where there is none, or the file is not whole.

    Lines, as PostgreSQL's `pidfile.h` has them: pid, data folder, start time, port, socket folder, address,
    shared memory, status.
    """
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return None
    if not lines or not lines[0].strip().isdigit():
        return None
    port = lines[3].strip() if len(lines) > 3 else ""
    status = lines[7].strip() if len(lines) > 7 else ""
    return Postmaster(int(lines[0]), int(port) if port.isdigit() else 0, status)


def cluster_name(data: Path) -> str:
    """The name that the server of `data` carries, and that each of its processes shows in its title."""
    return f"pitstop-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"


def running(data: Path) -> Postmaster | None:
    """The server that really runs on `data`. A pid that another program has by now is none."""
    named = read_pid_file(data)
    if named is None or not _alive(named.pid):
        return None
    if PROC.is_dir() and not _serves(named.pid, data):
        return None
    return named


def processes_of(data: Path) -> list[int]:
    """Every process of a server on `data`: after it was killed, the backends that it leaves for a moment."""
    if not PROC.is_dir():
        return []
    return [int(p.name) for p in PROC.iterdir() if p.name.isdigit() and _serves(int(p.name), data)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _serves(pid: int, data: Path) -> bool:
    """Whether the process is a server on `data` or a backend of one, as its command line says.

    The command line can be read where the working folder can't: root in a container may not trace others.
    That of a dead process is empty.
    """
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    title = f"postgres: {cluster_name(data)}:".encode()
    server = Path(os.fsdecode(words[0])).name == "postgres" and os.fsencode(data) in words
    return server or words[0].startswith(title)
