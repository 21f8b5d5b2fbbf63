"""`pitstop triad`: faithfulness, answer relevance and context precision of any answers, scored on this machine."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tools.triad import Embed

#: Records whose texts are embedded together.
_CHUNK = 16
_STDIN = "-"


def triad(
    file: Annotated[
        str,
        typer.Argument(
            help='Records, one JSON object a line: {"question", "contexts": [...], "answer"}; - reads.'
        ),
    ],
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One JSON object a line, in the records' order.")
    ] = False,
    lexical: Annotated[
        bool, typer.Option("--lexical", help="Without sentence embeddings: faster, less exact.")
    ] = False,
) -> None:
    """Score records of question, contexts and answer: is it supported, does it answer, was the context to the point."""
    from core.errors import InvalidInput

    if file != _STDIN and not Path(file).is_file():
        raise InvalidInput(f"{file} does not exist.")
    scores: list[dict[str, Any]] = []
    with sys.stdin if file == _STDIN else Path(file).open(encoding="utf-8") as lines:
        for row in _scored(lines, _embed(lexical)):
            scores.append(row)
            if jsonl:
                typer.echo(json.dumps(row))
    if not jsonl:
        _show(scores)
    if any("error" in row for row in scores):
        raise typer.Exit(1)


def _embed(lexical: bool) -> Embed | None:
    if lexical:
        return None
    from knowledge.embeddings import MiniLM

    return MiniLM().embed


def _scored(lines: Iterable[str], embed: Embed | None) -> Iterator[dict[str, Any]]:
    """The triad of each line, or what is wrong with it; as the lines come, some at a time."""
    from tools.triad import score, texts_of

    numbered = ((n, line) for n, line in enumerate(lines, start=1) if line.strip())
    while chunk := list(itertools.islice(numbered, _CHUNK)):
        records = [_record(n, line) for n, line in chunk]
        if embed is not None:
            # In one go into the embedder's cache: a batch is several times faster than texts one by one.
            embed([text for record in records if not isinstance(record, str) for text in texts_of(*record)])
        for record in records:
            if isinstance(record, str):
                yield {"error": record}
            else:
                yield score(*record, embed).model_dump()


def _record(number: int, line: str) -> tuple[str, list[str], str] | str:
    """(question, contexts, answer), or what is wrong with the line."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        return f"line {number} is not JSON: {error}"
    if not isinstance(record, dict):
        return f"line {number} is not an object"
    question, contexts, answer = (record.get(key) for key in ("question", "contexts", "answer"))
    if isinstance(contexts, str):
        contexts = [contexts]
    if (
        not isinstance(answer, str)
        or not isinstance(contexts, list)
        or not all(isinstance(c, str) for c in contexts)
    ):
        return f"line {number} needs contexts, a list of texts, and answer, a text"
    return question if isinstance(question, str) else "", contexts, answer


def _show(scores: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("record", "faithfulness", "answer relevance", "context precision")
    good = [row for row in scores if "error" not in row]
    for number, row in enumerate(scores, start=1):
        if "error" in row:
            table.add_row(str(number), f"[red]{row['error']}[/red]", "", "")
        else:
            table.add_row(str(number), *(f"{value:.2f}" for value in row.values()))
    if len(good) > 1:
        table.add_section()
        table.add_row("mean", *(f"{sum(row[key] for row in good) / len(good):.2f}" for key in good[0]))
    Console().print(table)
