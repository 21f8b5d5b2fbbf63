"""`pitstop triad`: faithfulness, answer relevance and context precision of any answers, scored on this machine."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

if TYPE_CHECKING:
    from knowledge.readings import Reader

#: Texts of so many records, or of so many characters, are read by the model together.
_RECORDS, _CHARS = 16, 200_000
#: A longer line is not looked at.
MAX_LINE = 50_000_000
_STDIN = "-"


@dataclass(frozen=True)
class Record:
    """One line that can be scored."""

    question: str
    contexts: list[str]
    answer: str

    @property
    def size(self) -> int:
        return sum(map(len, (self.question, self.answer, *self.contexts)))


@dataclass(frozen=True)
class Unreadable:
    """One line that can't, and why."""

    line: int
    why: str
    size: int = 0


def triad(
    file: Annotated[
        str | None,
        typer.Argument(
            help='Records, one JSON object a line: {"question", "contexts": [...], "answer"}; - reads.'
        ),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One JSON object a line, in the records' order.")
    ] = False,
    lexical: Annotated[
        bool, typer.Option("--lexical", help="Without embeddings: faster, less exact.")
    ] = False,
    curve: Annotated[
        bool, typer.Option("--curve", help="Show how often an answer of a score was a good one, and end.")
    ] = False,
) -> None:
    """Score records of question, contexts and answer: is it supported, does it answer, was the context to the point."""
    from core.errors import InvalidInput

    if curve:
        _show_curves(
            "text/lexical" if lexical else "text/pieces", "failure/lexical" if lexical else "failure/dense"
        )
        return
    if file is None:
        raise InvalidInput("Name a file of records, or - for standard input.")
    if file != _STDIN and not Path(file).is_file():
        raise InvalidInput(f"{file} does not exist.")
    started, scores = time.monotonic(), []
    with sys.stdin.buffer if file == _STDIN else Path(file).open("rb") as lines:
        for row in _scored(_records(lines), lexical=lexical):
            scores.append(row)
            if jsonl:
                typer.echo(json.dumps(row))
    if not jsonl:
        _show(scores)
    failed = sum("error" in row for row in scores)
    seconds = time.monotonic() - started
    said = f"{len(scores) - failed} records scored in {seconds:.1f} s ({(len(scores) - failed) / seconds:.1f} a second)"
    typer.echo(f"{said}, {failed} could not be read." if failed else f"{said}.", err=True)
    if failed:
        raise typer.Exit(1)


def _scored(records: Iterable[Record | Unreadable], *, lexical: bool) -> Iterator[dict[str, Any]]:
    """The triad of each record, or what is wrong with its line; as they come, some at a time."""
    from tools.triad import score, texts_of

    reader = None if lexical else _reader()
    for chunk in _chunks(records):
        if reader is not None:
            # In one go into the reader's cache: a batch is several times faster than texts one by one.
            reader.read(
                [
                    t
                    for r in chunk
                    if isinstance(r, Record)
                    for t in texts_of(r.question, r.contexts, r.answer)
                ]
            )
        for record in chunk:
            if isinstance(record, Unreadable):
                yield {"error": record.why, "line": record.line}
            elif reader is None:
                yield score(record.question, record.contexts, record.answer).model_dump()
            else:
                given = score(record.question, record.contexts, record.answer, reader.embed, reader.read)
                yield given.model_dump()


def _reader() -> Reader:
    from knowledge.readings import Reader

    return Reader()


def _chunks(records: Iterable[Record | Unreadable]) -> Iterator[list[Record | Unreadable]]:
    chunk: list[Record | Unreadable] = []
    for record in records:
        chunk.append(record)
        if len(chunk) == _RECORDS or sum(r.size for r in chunk) > _CHARS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _records(lines: BinaryIO) -> Iterator[Record | Unreadable]:
    """What stands on each line that is not blank."""
    number = 0
    while line := lines.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = lines.readline(MAX_LINE)
            yield Unreadable(number, f"line {number} is longer than {MAX_LINE // 1_000_000} MB")
        elif line.strip():
            yield _record(number, line)


def _record(number: int, line: bytes) -> Record | Unreadable:
    try:
        record = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Unreadable(number, f"line {number} is not UTF-8: {error.reason} at byte {error.start}")
    except ValueError as error:
        return Unreadable(number, f"line {number} is not JSON: {error}")
    except RecursionError:
        return Unreadable(number, f"line {number} is nested too deeply")
    if not isinstance(record, dict):
        return Unreadable(number, f"line {number} is not an object")
    question, contexts, answer = (record.get(key) for key in ("question", "contexts", "answer"))
    if isinstance(contexts, str):
        contexts = [contexts]
    for name, given in (("contexts", contexts), ("answer", answer)):
        if given is None:
            return Unreadable(number, f"line {number} has no {name}")
    if not isinstance(contexts, list) or not all(isinstance(context, str) for context in contexts):
        return Unreadable(number, f"line {number}: contexts is not a list of texts")
    if not isinstance(answer, str):
        return Unreadable(number, f"line {number}: answer is not a text")
    if question is not None and not isinstance(question, str):
        return Unreadable(number, f"line {number}: question is not a text")
    return Record(_whole(question or ""), [_whole(context) for context in contexts], _whole(answer))


def _whole(text: str) -> str:
    """The text without halves of characters (lone surrogates), which JSON can hold and nothing else can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _show(scores: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from cli.plain import cell

    table = Table("record", "faithfulness", "answer relevance", "context precision")
    good = [row for row in scores if "error" not in row]
    for number, row in enumerate(scores, start=1):
        if "error" in row:
            table.add_row(str(number), f"[red]{cell(row['error'])}[/red]", "", "")
        else:
            table.add_row(str(number), *(f"{value:.2f}" for value in row.values()))
    if len(good) > 1:
        table.add_section()
        table.add_row("mean", *(f"{sum(row[key] for row in good) / len(good):.2f}" for key in good[0]))
    Console().print(table)


def _show_curves(*kinds: str) -> None:
    """How often an answer of a faithfulness was good, where the scorer was fitted and on data held back."""
    from rich.console import Console
    from rich.table import Table

    from tools.triad.weights import reliability

    for kind in kinds:
        curves = {name: {band.low: band for band in bands} for name, bands in reliability(kind).items()}
        table = Table("faithfulness", "fit: mean", "good", "n", "held back: mean", "good", "n", title=kind)
        for low in sorted({low for bands in curves.values() for low in bands}):
            cells = [f"{low:.1f}-{low + 0.1:.1f}"]
            for name in ("fit", "held_back"):
                band = curves[name].get(low)
                cells += [f"{band.mean:.2f}", f"{band.good:.2f}", str(band.n)] if band else ["", "", ""]
            table.add_row(*cells)
        Console().print(table)
