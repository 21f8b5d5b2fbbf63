"""Turns what a local run printed into what a Databricks driver prints: the same text under other names, cut short.

Nothing is added: paths, host names and addresses are exchanged, and the middle of a long file is left out with a
line that says how much.
"""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path

SITE = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
STDLIB = Path(re.__file__).parent.parent
DRIVER_ADDRESS = "10.20.4.12"
#: Lines kept of the beginning and the end, and bytes at most.
HEAD, TAIL, MAX_BYTES = 60, 110, 40_000
#: Lines kept behind each warning, error or cause between them, and the length of the longest line.
STACK, MAX_LINE = 6, 2_000
LOUD = re.compile(r"\d\d/\d\d/\d\d [\d:]+ (WARN|ERROR) |Caused by: ")


def rules(folder: Path, names: dict[str, str]) -> list[tuple[str, str]]:
    """What is exchanged for what, the first match first; `folder` is where the recording worked."""
    python = f"/usr/lib/python3.{sys.version_info.minor}"
    return [
        *names.items(),
        (str(SITE / "pyspark"), "/databricks/spark/python/pyspark"),
        (str(SITE / "py4j"), "/databricks/spark/python/lib/py4j-0.10.9.9-src.zip/py4j"),
        (str(SITE), f"/databricks/python/lib/python3.{sys.version_info.minor}/site-packages"),
        (str(STDLIB), python),
        (str(STDLIB).replace(str(Path.home()), "~"), python),
        (str(folder / "disk"), "/local_disk0"),
        (str(folder), "/local_disk0/tmp"),
        (str(Path(sys.prefix)), "/databricks/python"),
        (socket.gethostname(), "ip-" + DRIVER_ADDRESS.replace(".", "-")),
        ("127.0.0.1", DRIVER_ADDRESS),
        ("localhost", DRIVER_ADDRESS),
    ]


def rewrite(text: str, exchanged: list[tuple[str, str]]) -> str:
    """The text under its Databricks names, without progress bars."""
    text = re.sub(r"[^\n]*\r(?!\n)", "", text)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    for old, new in exchanged:
        text = text.replace(old, new)
    return text


def trim(text: str, head: int = HEAD, tail: int = TAIL) -> str:
    """The first and last lines, and each warning, error and cause between them with the beginning of its stack.

    Where lines are missing, a line says how many.
    """
    lines = text.splitlines()
    if len(lines) <= head + tail and len(text.encode()) <= MAX_BYTES:
        return text
    kept = set(range(head)) | set(range(len(lines) - tail, len(lines)))
    for number, line in enumerate(lines):
        if LOUD.match(line):
            kept |= set(range(number, number + 1 + STACK))
    short, last = [], -1
    for number in sorted(n for n in kept if 0 <= n < len(lines)):
        if number > last + 1:
            short.append(f"... {number - last - 1} lines left out ...")
        short.append(lines[number][:MAX_LINE])
        last = number
    result = "\n".join(short) + "\n"
    smaller = head > 10 and len(result.encode()) > MAX_BYTES
    return trim(text, head * 3 // 4, tail * 3 // 4) if smaller else result
