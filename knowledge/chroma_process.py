"""The process of Pitstop's own Chroma server: one folder, one loopback port, and an end when nobody uses it.

It is run by its path and imports nothing of Pitstop and nothing of Chroma but its core, so that it is up in a moment
and stays small. `chroma_server.py` starts it, and says what the files of its home folder mean.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

HOST = "127.0.0.1"
#: How often it looks whether somebody still uses it.
LOOK_SECONDS = 1.0
#: Exit status where another server has the folder already.
ALREADY_SERVED = 3


def serve(home: Path, folder: Path) -> int:
    """Serve `folder` until a SIGTERM, or until no process uses it any more; the exit status."""
    os.umask(0o077)
    alive = (home / "alive").open("a")
    try:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ALREADY_SERVED
    port = _free_port()
    part = home / "address.part"
    part.write_text(json.dumps({"pid": os.getpid(), "port": port}))
    part.replace(home / "address")
    threading.Thread(target=_end_with_the_last_user, args=(home,), daemon=True).start()
    import chromadb_rust_bindings

    chromadb_rust_bindings.cli(  # type: ignore[attr-defined]
        ["chroma", "run", "--path", str(folder), "--host", HOST, "--port", str(port)]
    )
    return 0


def _end_with_the_last_user(home: Path) -> None:
    """Users leave in good order or are killed; either way their lock on `users` is gone."""
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            starting, users = (home / "lock").open("a"), (home / "users").open("a")
        except OSError:  # the folder is gone
            os.kill(os.getpid(), signal.SIGTERM)
            return
        with starting, users:
            try:
                fcntl.flock(starting, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            # Both locks are kept until the process is gone: who wants the folder now waits, and starts another.
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(LOOK_SECONDS * 10)
            os.kill(os.getpid(), signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), Path(sys.argv[2])))
