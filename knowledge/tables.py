"""Records of a table file (JSON lines, JSON, CSV), each with its place; a bad one does not cost those behind it.

langchain-community's loaders are not used here: its CSVLoader and JSONLoader stop at the first bad row, name no line
and give a row as text, and JSONLoader needs jq.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

TABLES = frozenset({".jsonl", ".ndjson", ".json", ".csv", ".tsv"})
_NOT_UTF8 = "it is not UTF-8; save the file as UTF-8"


class Record(NamedTuple):
    """One record, or what is wrong with it. `place` is `line 3`, or `record 3` in a JSON document."""

    place: str
    row: Mapping[str, Any] | None
    fault: str = ""


def records(file: Path) -> Iterator[Record]:
    """The records of a file in order, by the kind that its name says. Raises: OSError."""
    # Bytes that are no UTF-8 become lone surrogates, which `_checked` finds in the rows that have them.
    text = file.read_text(encoding="utf-8-sig", errors="surrogateescape")
    kind = file.suffix.lower()
    if kind in {".csv", ".tsv"}:
        found = _csv(text.splitlines(keepends=True))
    elif kind == ".json":
        found = _json(text)
    else:
        found = _json_lines(text)
    for record in found:
        yield _checked(record)


def _checked(record: Record) -> Record:
    if record.row is not None and not _is_utf8(json.dumps(record.row, ensure_ascii=False)):
        return Record(record.place, None, _NOT_UTF8)
    return record


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json_lines(text: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            yield Record(place, None, f"it is not JSON ({_short(error)}); put one object on each line")
            continue
        yield Record(place, row) if isinstance(row, dict) else Record(place, None, "it is not an object")


def _json(text: str) -> Iterator[Record]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":  # JSON lines under another name
            yield from _json_lines(text)
        else:
            yield Record(f"line {error.lineno}", None, f"the file is not JSON ({_short(error)})")
        return
    except RecursionError:
        yield Record("line 1", None, "the file is nested too deeply")
        return
    rows = found.get("incidents", [found]) if isinstance(found, dict) else found
    if not isinstance(rows, list):
        yield Record("line 1", None, "the file holds neither a list nor an object")
        return
    for number, row in enumerate(rows, start=1):
        place = f"record {number}"
        yield Record(place, row) if isinstance(row, dict) else Record(place, None, "it is not an object")


def _csv(lines: Sequence[str]) -> Iterator[Record]:
    """Rows under a header. A quote that is never closed costs its own line, not the rest of the file."""
    if not lines:
        return
    delimiter = max(",;\t", key=lines[0].count)
    header = [name.strip() for name in next(csv.reader(lines[:1], delimiter=delimiter), [])]
    start = 1
    while start < len(lines):
        reader = csv.reader(lines[start:], delimiter=delimiter, strict=True)
        begun = start
        try:
            for cells in reader:
                place, begun = f"line {begun + 1}", start + reader.line_num
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) > len(header):
                    fault = f"it has {len(cells)} cells under {len(header)} names; quote cells that hold a {delimiter!r}"
                    yield Record(place, None, fault)
                else:
                    yield Record(place, dict(zip(header, cells, strict=False)))
        except csv.Error as error:
            yield Record(f"line {begun + 1}", None, f"it is not CSV ({error}); check its quotes")
            start = begun + 1
        else:
            return


def _short(error: Exception) -> str:
    return (
        f"{error.msg}, column {error.colno}"
        if isinstance(error, json.JSONDecodeError)
        else "nested too deeply"
    )
