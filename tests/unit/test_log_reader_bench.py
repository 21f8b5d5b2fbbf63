"""What the benchmark compares with is the same work: grep finds the very lines that the reader's scanners find."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cli.bench_logs import MB, extended_patterns
from cli.driver_log import write_log
from tests.unit.test_log_reader_kinds import JAVA, MORE, PYTHON, TOOLS
from tools.log_reader import primary, read_path
from tools.log_reader.scan import SlowScanner


def test_the_log_is_the_same_every_time_and_ends_in_its_failure(tmp_path: Path) -> None:
    one, two = tmp_path / "one.log", tmp_path / "two.log"
    write_log(one, 2 * MB)
    write_log(two, 2 * MB)
    assert one.read_bytes() == two.read_bytes()
    assert 1.9 * MB < one.stat().st_size <= 2 * MB
    block = primary([read_path(one)])[0]
    assert (block.exception, block.message) == ("java.io.IOException", "No space left on device")


@pytest.mark.skipif(shutil.which("grep") is None, reason="there is no grep on this machine")
def test_grep_finds_the_same_lines(tmp_path: Path) -> None:
    log = tmp_path / "driver.log"
    write_log(log, MB)
    cases = "\n".join(case.log for case in (*PYTHON, *JAVA, *TOOLS, *MORE)).replace("\r", "")
    log.write_bytes(log.read_bytes() + cases.encode())
    patterns = tmp_path / "patterns"
    patterns.write_bytes(b"\n".join(extended_patterns()) + b"\n")
    done = subprocess.run(
        ["grep", "-a", "-nE", "-f", str(patterns), str(log)],
        capture_output=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        check=True,
    )
    data = log.read_bytes()
    hits = SlowScanner().scan(data)
    ours = {line + 1 for line in hits.lines(dict.fromkeys(hits.start))}
    theirs = {int(row.split(b":", 1)[0]) for row in done.stdout.splitlines()}
    lines = data.split(b"\n")
    assert [lines[n - 1] for n in sorted(ours ^ theirs)] == []
