"""`pitstop evals sync|run`: the dataset and its experiments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from langsmith import Client

    from evals.experiment import Result

app = typer.Typer(no_args_is_help=True)
Only = Annotated[list[str] | None, typer.Option("--only", help="Only this scenario (repeatable).")]


@app.command()
def sync(only: Only = None) -> None:
    """Bring the dataset in LangSmith up to date with the scenarios (needs LANGSMITH_API_KEY)."""
    from core.errors import ConfigurationError
    from evals.dataset import DATASET, scenarios
    from evals.sync import sync as bring_up

    client = _client()
    if client is None:
        raise ConfigurationError(
            "LANGSMITH_API_KEY: is not set.", hint="`pitstop evals run` works without one."
        )
    done = bring_up(client, scenarios(only))
    typer.echo(f"{DATASET}: {done.created} added, {done.updated} updated, {done.unchanged} unchanged.")


@app.command()
def run(
    only: Only = None,
    out: Annotated[Path, typer.Option(help="Where the results go, as JSON.")] = Path("evals-results.json"),
    local: Annotated[bool, typer.Option("--local", help="Upload nothing, even with a key.")] = False,
) -> None:
    """Run every scenario through the real graph and score it; exit 1 below a threshold."""
    import asyncio

    from core.settings import load_settings
    from evals.dataset import SCENARIOS, scenarios
    from evals.experiment import below, shares
    from evals.experiment import run as evaluate
    from evals.target import open_target

    chosen = scenarios(only)
    client = None if local else _client()

    async def evaluated() -> list[Result]:
        async with open_target(load_settings(), chosen, SCENARIOS / "policy.yaml") as target:
            return await evaluate(target, chosen, client=client)

    results = asyncio.run(evaluated())
    found = shares(results)
    _table(results, found)
    body = {"shares": found, "results": [vars(r) for r in results]}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(body, indent=2, default=str), encoding="utf-8")
    typer.echo(f"Written to {out}.")
    missed = below(found)
    for line in missed:
        typer.echo(line, err=True)
    raise typer.Exit(1 if missed else 0)


def _client() -> Client | None:
    """LangSmith's client, where a key is set by its usual variables."""
    from langsmith import Client
    from langsmith.utils import get_env_var

    return Client() if get_env_var("API_KEY") else None


def _table(results: list[Result], found: dict[str, float]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Scenario", *found)
    for result in results:
        marks = ["[green]1[/]" if result.scores.get(name) else "[red]0[/]" for name in found]
        table.add_row(result.scenario, *(marks if not result.error else ["[red]error[/]"] * len(found)))
    table.add_row("[bold]share[/]", *(f"[bold]{share:.2f}[/]" for share in found.values()))
    Console().print(table)
