"""`pitstop templates LOG`: a log by its templates."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.plain import say, to_json

_DASH = Path("-")


def templates(
    log: Annotated[
        Path, typer.Argument(help="A log file, plain, gzip or zstd; - reads standard input.", allow_dash=True)
    ],
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help='Print {"line", "template_id"} for each line.')
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the templates as one JSON document.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", help="Show so many templates, 0 for all.", min=0)
    ] = 50,
) -> None:
    """Show a log by its templates: what its lines say with the variables left out, and how often."""
    from core.errors import NotFound

    if log != _DASH and not log.is_file():
        raise NotFound(
            f"There is no file {log}.", hint="Give the path of a log file, or - for standard input."
        )
    if jsonl:
        _print_lines(log)
    else:
        _print_templates(log, as_json, limit)


def _print_lines(log: Path) -> None:
    from tools.log_reader.templates import Templates

    found = Templates()
    numbers: dict[tuple[str, ...], int] = {}
    lines = array("L")
    for line in _lines(log):
        signature = found.learn(line)
        lines.append(numbers.setdefault(signature, len(numbers)))
    ids = [found.template_of(signature) for signature in numbers]
    write = sys.stdout.write
    for line, number in enumerate(lines, 1):
        write(f'{{"line": {line}, "template_id": "{ids[number]}"}}\n')


def _print_templates(log: Path, as_json: bool, limit: int) -> None:
    from tools.log_reader.templates import Templates
    from tools.redaction import redact

    found = Templates.of(_lines(log)).templates()
    shown = found[:limit] if limit else found
    rows = [{"id": t.id, "count": t.count, "template": redact(t.text).text} for t in shown]
    if as_json:
        total = sum(t.count for t in found)
        typer.echo(to_json({"lines": total, "templates": len(found), "shown": rows}))
        return
    for row in rows:
        say(f"{row['count']:>9}  {row['id']}  {str(row['template'])[:300]}")
    if len(found) > len(shown):
        typer.echo(f"... and {len(found) - len(shown)} more; --limit 0 shows all", err=True)


def _lines(log: Path) -> Iterator[str]:
    from tools.log_reader.text import chunks, decode

    stream = sys.stdin.buffer if log == _DASH else log.open("rb")
    with stream:
        for chunk in chunks(stream):
            yield from (decode(line) for line in chunk.removesuffix(b"\n").split(b"\n"))
