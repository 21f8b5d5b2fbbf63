"""`pitstop knowledge`: what the agent knows beside the catalogue, runbooks and past incidents."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.plain import cell, say, to_json

if TYPE_CHECKING:
    from core.settings import Settings
    from knowledge.imports import TeamKnowledge
    from knowledge.index import Index

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]

app = typer.Typer(no_args_is_help=True)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to look for, in words or as an error message.")],
    limit: Annotated[int, typer.Option(min=1, max=50)] = 5,
    fingerprint: Annotated[str, typer.Option(help="Prefer incidents with exactly this fingerprint.")] = "",
    failure_class: Annotated[str, typer.Option("--class", help="Prefer this failure class.")] = "",
    job: Annotated[str, typer.Option(help="Prefer incidents of this job.")] = "",
    as_json: AsJson = False,
) -> None:
    """Find runbooks and past incidents, best first."""
    with _opened() as (index, _):
        keys = {"fingerprint": fingerprint, "failure_class": failure_class, "job": job}
        found = index.search(query, keys=keys, limit=limit)
    if as_json:
        typer.echo(to_json([match.model_dump(mode="json") for match in found]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("Score", "Kind", "Title", "Ended as", "Times", "Id")
    for match in found:
        times = str(match.times) if match.kind == "incident" else ""
        named = (cell(match.title), cell(match.outcome or "-"), times, cell(match.id))
        table.add_row(f"{match.score:.2f}", match.kind, *named)
    Console().print(table)


@app.command()
def stats(as_json: AsJson = False) -> None:
    """How much is in the index, and in the team's own folder."""
    with _opened() as (index, team):
        counts: dict[str, Any] = index.counts()
        counts |= {"team_pages": len(team.pages()), "team_incidents": sum(1 for _ in team.incidents())}
    _tell(counts, as_json)


@app.command()
def add(
    files: Annotated[
        list[Path], typer.Argument(help="Markdown pages with a head: title, classes, category.")
    ],
    as_json: AsJson = False,
) -> None:
    """Add runbooks of your own; they are found beside Pitstop's."""
    team = _team()
    added = [team.add(file) for file in files]
    with _opened() as (index, _):
        index.counts()  # opening puts new pages in
    _tell({"added": [page.id for page in added]}, as_json)


@app.command("import")
def import_(
    path: Annotated[
        Path, typer.Argument(help="Past incidents (.jsonl, .csv), a page (.md, .txt), or a folder.")
    ],
    as_json: AsJson = False,
) -> None:
    """Take in a team's history: past incidents, runbooks, post-mortems; status 1 when something was left out."""
    taken = _team().take(path)
    with _opened() as (index, team):
        index.put(team.incidents())
        index.counts()
    _tell(taken.model_dump(), as_json)
    if taken.skipped or taken.notes:
        raise typer.Exit(1)


@app.command()
def rebuild(as_json: AsJson = False) -> None:
    """Make the index again from the database and the team's folder; a broken one is moved aside."""
    with _opened() as (index, team):
        asyncio.run(_rebuilt(_settings(), index, team))
        counts = index.counts()
    _tell(counts, as_json)


async def _rebuilt(settings: Settings, index: Index, team: TeamKnowledge) -> None:
    from store.clock import SystemClock
    from store.engine import Database
    from store.local import database_url
    from store.queries import Queries
    from store.sweeps import Sweeps
    from wiring.restock import Restock

    async with database_url(settings, share=True) as url:
        db, clock = Database(url), SystemClock()
        try:
            await Restock(index, Queries(db, clock), Sweeps(db, clock), team, db.libpq_url).now()
        finally:
            await db.close()


def _settings() -> Settings:
    from core.settings import load_settings

    return load_settings()


@contextlib.contextmanager
def _opened() -> Iterator[tuple[Index, TeamKnowledge]]:
    """The index and the team's knowledge, closed at the end of the block."""
    from wiring.knowledge import make_embedder, make_index, make_team

    settings = _settings()
    index = make_index(settings, make_embedder(settings))
    try:
        yield index, make_team(settings)
    finally:
        index.close()


def _team() -> TeamKnowledge:
    from wiring.knowledge import make_team

    return make_team(_settings())


def _tell(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(facts))
        return
    for name, value in facts.items():
        if isinstance(value, list) and len(value) > 1:
            typer.echo(f"{name.replace('_', ' ')}:")
            for line in value:
                say(f"  {line}")
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        say(f"{name.replace('_', ' ')}: {shown}")
