"""The lines of the program around the one that failed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.errors import WorkspaceError
from tools.databricks.cluster_logs import decoded
from tools.databricks.connection import Connection

AROUND = 10
MAX_LINE = 300
#: `File "/Workspace/etl/load.py", line 12, in main`, and IPython's `File /Workspace/etl/load.py:12, in main()`.
_FRAME = re.compile(r'File "?(?P<path>/[^"\n:]+)"?(?:, line |:)(?P<line>\d+)')
#: A notebook's cell: `File <command-4128>:7`, `File <command-4128>, line 7`.
_CELL = re.compile(r"File <command-\d+>(?:, line |:)(?P<line>\d+)|<command-\d+> in .*")
#: `----> 7 df.write...`: the failing line in an IPython trace, numbered within its cell.
_ARROW = re.compile(r"^-+> ?(?P<line>\d+) (?P<text>.+)$", re.MULTILINE)
_OURS = re.compile(r"^/(?:Workspace|Repos|Users|Shared)/")
_SEPARATOR = re.compile(r"^(?:#|--|//) COMMAND -+\s*$")
_HEADER = re.compile(r"^(?:#|--|//) Databricks notebook source\s*$")


@dataclass(frozen=True)
class Place:
    """Where a program failed. `path` is a workspace path, None for the task's notebook; `line` counts from 1
    in the file, or in the cell whose line reads `text`."""

    path: str | None
    line: int
    text: str = ""


def failing_place(trace: str) -> Place | None:
    """The deepest frame of a trace that is in the user's own code, which is the last one mentioned."""
    best: tuple[int, Place] | None = None
    for frame in _FRAME.finditer(trace):
        if _OURS.match(frame["path"]):
            best = (frame.start(), Place(frame["path"], int(frame["line"])))
    cells = list(_CELL.finditer(trace))
    if cells and (best is None or cells[-1].start() > best[0]):
        arrow = next(_ARROW.finditer(trace, cells[-1].start()), None)
        if arrow:
            return Place(None, int(arrow["line"]), arrow["text"].strip())
        if cells[-1]["line"]:
            return Place(None, int(cells[-1]["line"]))
    return best[1] if best else None


async def read_source(connection: Connection, notebook_path: str | None, trace: str) -> tuple[str, str]:
    """The excerpt, and in its place why there is none (both may be empty: the trace names no place)."""
    place = failing_place(trace)
    path = place.path or notebook_path if place else None
    if place is None or path is None:
        return "", ""
    try:
        query = {
            "path": path.removeprefix("/Workspace"),
            "format": "SOURCE" if place.path is None else "AUTO",
        }
        what = f"the source of {path}"
        answer = await connection.read("/api/2.0/workspace/export", query, what=what)
        text = decoded(answer.get("content"), what).decode("utf-8", errors="replace")
    except WorkspaceError as error:
        return "", f"source: {error}"
    lines = text.splitlines()
    number = place.line if place.path else line_in_notebook(lines, place)
    if number is None or not 0 < number <= len(lines):
        return "", f"source: {path} has no such line any more"
    return excerpt(path, lines, number), ""


def line_in_notebook(lines: list[str], place: Place) -> int | None:
    """The line of an exported notebook (from 1) that a cell's line is.

    A trace numbers the cells by ids that an export does not have, so the line is known by its text, and among
    equal ones by its number within the cell; without a text it must be the only cell that long.
    """
    in_cell = _numbers_in_cells(lines)
    if place.text:
        same = [i for i, line in enumerate(lines) if line.strip() == place.text]
        exact = [i for i in same if in_cell[i] == place.line]
        chosen = exact or same
        return chosen[0] + 1 if chosen else None
    candidates = [i for i, number in enumerate(in_cell) if number == place.line]
    return candidates[0] + 1 if len(candidates) == 1 else None


def excerpt(path: str, lines: list[str], number: int) -> str:
    """The lines around `number`, numbered as in the file, the failing one marked."""
    first, last = max(1, number - AROUND), min(len(lines), number + AROUND)
    rows = [
        f"{'>' if n == number else ' '}{n:>5} | {lines[n - 1][:MAX_LINE]}" for n in range(first, last + 1)
    ]
    return "\n".join([f"# {path}, line {number}", *rows])


def _numbers_in_cells(lines: list[str]) -> list[int]:
    """For each line its number within its cell: 0 for separators and the blank lines after them."""
    numbers: list[int] = []
    current = 0
    for line in lines:
        if _SEPARATOR.match(line) or _HEADER.match(line):
            current = 0
        elif current or line.strip():
            current += 1
        numbers.append(current)
    return numbers
