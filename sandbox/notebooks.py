"""A run's notebook as runs/export gives it: an HTML page with the notebook's model inside.

The page carries `__DATABRICKS_NOTEBOOK_MODEL`, the base64 of the percent-encoded JSON of the notebook, with each
command's source and result, as pages exported from the service do.
"""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from typing import Any

_CELL = re.compile(r"^(?:#|--|//) COMMAND -+\s*$", re.MULTILINE)
_HEADER = re.compile(r"\A(?:#|--|//) Databricks notebook source\s*\n")


def cells(source: str) -> list[str]:
    """The commands of a notebook in source format."""
    return [cell.strip("\n") for cell in _CELL.split(_HEADER.sub("", source))]


def export_html(
    name: str, language: str, source: str, *, error: str | None, trace: str | None, result: str | None
) -> str:
    """The page of a notebook that ended with an error (`error`, `trace`) or an exit value (`result`).

    The failing command is the one whose text the trace quotes; without such a one it is the last.
    """
    sources = cells(source)
    failing = _failing(sources, trace or "") if error else None
    commands: list[dict[str, Any]] = []
    for number, text in enumerate(sources):
        if failing is not None and number > failing:
            command = _command(number, text, "input", None)
        elif number == failing:
            command = _command(number, text, "error", {"type": "ipynbError", "data": trace or error})
            command["errorSummary"], command["error"] = error, trace or error
        else:
            last = number == len(sources) - 1 and result is not None
            command = _command(number, text, "finished", {"type": "exit", "data": result} if last else None)
        commands.append(command)
    model = {"version": "NotebookV1", "name": name, "language": language.lower(), "commands": commands}
    encoded = base64.b64encode(urllib.parse.quote(json.dumps(model)).encode()).decode()
    title = html.escape(name)
    return (
        f"<!DOCTYPE html>\n<html>\n<head>\n<title>{title} - Databricks</title>\n"
        f"<script>window.settings = {{}}; var __DATABRICKS_NOTEBOOK_MODEL = '{encoded}';</script>\n"
        f"</head>\n<body>\n<h1>{title}</h1>\n</body>\n</html>\n"
    )


def _command(number: int, text: str, state: str, results: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "version": "CommandV1",
        "position": float(number + 1),
        "command": text,
        "state": state,
        "results": results,
        "errorSummary": None,
        "error": None,
    }


def _failing(sources: list[str], trace: str) -> int:
    quoted = [
        line.split(maxsplit=2)[2].strip() for line in trace.splitlines() if re.match(r"-+> *\d+ \S", line)
    ]
    for number, text in enumerate(sources):
        if any(line and line in text for line in quoted):
            return number
    return len(sources) - 1
