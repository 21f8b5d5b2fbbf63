"""`pitstop demo`: the whole thing on one machine, with nothing configured."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from cli.play import Played
    from cli.stage import Stage

#: Scenario seconds in a real one: a run of two minutes takes six seconds.
SCRIPT_CLOCK = 30.0
CONSOLE_CLOCK = 20.0
AT_ONCE = 8
PATIENCE_SECONDS = 240.0
#: What waits for a person when the console is kept up: one of each kind, the easiest first.
WAITING = 8
#: The outage of `--outage`: enough to see one question for many, ended while the person reads it.
OUTAGE, OUTAGE_JOBS, OUTAGE_RUNS, OUTAGE_SECONDS = "storage_endpoint", 12, 40, 90


def demo(
    script: Annotated[bool, typer.Option("--script", help="Play every scenario through and exit.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Play only this scenario (repeatable).")
    ] = None,
    outage: Annotated[
        bool,
        typer.Option(
            "--outage", help="Instead: one storage account is away, and 40 runs of 12 jobs fail by it."
        ),
    ] = False,
    port: Annotated[int, typer.Option(help="The console's port; another when it is taken.")] = 8080,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --script: print the results as JSON.")
    ] = False,
) -> None:
    """Show Pitstop on a workspace in a box: failing jobs, a console, you as the reviewer."""
    from rich.console import Console

    from cli.stage import stage
    from core.settings import load_settings

    # Told to go, or its terminal closed: everything it started ends with it, as after Ctrl-C.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    console = Console(stderr=as_json)
    settings = load_settings()
    console.print("Starting: PostgreSQL, a Databricks workspace in a box, the service ...")
    began = time.monotonic()
    speed = SCRIPT_CLOCK if script else CONSOLE_CLOCK
    with stage(settings, clock_speed=speed, port=port, langgraph=script) as parts:
        console.print(f"Ready after {time.monotonic() - began:.1f} s at {parts.url}")
        good = (
            _script(parts, console, only or [], as_json)
            if script
            else _keep_up(parts, console, only or [], outage=outage)
        )
    raise typer.Exit(0 if good else 1)


def _script(parts: Stage, console: Console, only: list[str], as_json: bool) -> bool:
    """Play the scenarios, and say how each ended; whether all ended as they should."""
    from cli.play import Player

    scenarios = _chosen(parts, only)
    began = time.monotonic()

    def say(played: Played, what: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.1f} s[/]  {played.name:34} {what}", highlight=False)

    results = Player(parts, patience=PATIENCE_SECONDS, say=say).play_all(scenarios, at_once=AT_ONCE)
    good = all(not r.problem for r in results)
    if not parts.langgraph:
        console.print(
            "The door of LangGraph's server was left out: langgraph-cli is not installed here. "
            "To see it: pip install -c constraints.txt -e '.[studio]'",
            markup=False,
        )
    if as_json:
        typer.echo(json.dumps([vars(r) for r in results], indent=2))
    _table(console, results)
    _trails(console, results)
    ended = sum(not r.problem for r in results)
    console.print(
        f"{ended} of {len(results)} scenarios ended as they should, in {time.monotonic() - began:.0f} s. "
        f"{len(parts.mailbox.messages)} e-mails were sent (in {parts.mailbox.folder}), and "
        f"{len(parts.chat.posts)} messages to Slack, Teams and a pager."
    )
    if not good:
        console.print(f"The service's log: {parts.log}")
    return good


def _table(console: Console, results: list[Played]) -> None:
    from rich.table import Table

    table = Table("Scenario", "Category", "Action proposed", "Decision", "Outcome", "Seconds", "")
    for r in results:
        mark = f"[red]{r.problem}[/]" if r.problem else "[green]ok[/]"
        decisions = ", ".join(r.decisions) or "-"
        table.add_row(
            r.name, r.category, ", ".join(r.actions) or "-", decisions, r.outcome, f"{r.seconds:.1f}", mark
        )
    console.print(table)


def _trails(console: Console, results: list[Played]) -> None:
    """One incident through each door: what its audit trail says."""
    from cli.plain import cell

    for r in (r for r in results if r.door):
        console.print(
            f"[bold]{cell(r.door)}[/]: {cell(r.name)}, incident {cell(r.incident_id)}", highlight=False
        )
        for entry in r.trail:
            console.print(f"  {cell(entry)}", highlight=False, soft_wrap=True)


def _keep_up(parts: Stage, console: Console, only: list[str], *, outage: bool) -> bool:
    """Let some jobs fail, and wait for the person until Ctrl-C."""
    import httpx

    headers = {"authorization": f"Bearer {parts.token}"}
    if outage:
        parts.sandbox.begin_outage(OUTAGE, jobs=OUTAGE_JOBS, runs=OUTAGE_RUNS)
    for scenario in [] if outage else _chosen(parts, only)[: WAITING if not only else None]:
        parts.sandbox.start(scenario["name"])
    link = httpx.post(f"{parts.url}/api/v1/sign-in-links", headers=headers, timeout=30).json()["url"]
    console.print(f"\n[bold]Sign in:[/] {link}\n", soft_wrap=True)
    _say_what_to_try(parts, console, outage=outage)
    console.print("\nCtrl-C ends it, and everything it started.")
    try:
        if outage:
            time.sleep(OUTAGE_SECONDS)
            parts.sandbox.end_outage(OUTAGE)
            console.print("The storage account is back.")
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("Stopping ...")
    return True


def _say_what_to_try(parts: Stage, console: Console, *, outage: bool) -> None:
    console.print("What to try:")
    console.print("  1. Open an incident that waits for you; read the cause and the lines that prove it.")
    console.print(
        "  2. Approve it, and watch the repair being verified. Reject another; give a third a hint."
    )
    console.print(
        f"  3. From a script: curl -H 'Authorization: Bearer {parts.token}' {parts.url}/api/v1/approvals",
        soft_wrap=True,
    )
    console.print(
        f"  4. From the terminal: PITSTOP_PUBLIC_URL={parts.url} PITSTOP_TOKEN={parts.token} pitstop review",
        soft_wrap=True,
    )
    if outage:
        console.print(
            f"  5. Under Groups, one decision answers for {OUTAGE_RUNS} runs. The outage ends after {OUTAGE_SECONDS} s: "
            "approve before that, and the one that goes first fails again."
        )


def _chosen(parts: Stage, only: list[str]) -> list[dict[str, Any]]:
    """The scenarios to play: all, or those named.

    Raises:
        NotFound: No scenario has this name.
    """
    from core.errors import NotFound

    scenarios = parts.sandbox.scenarios()
    unknown = set(only) - {s["name"] for s in scenarios}
    if unknown:
        known = ", ".join(s["name"] for s in scenarios)
        raise NotFound(f"There is no scenario {', '.join(sorted(unknown))}.", hint=f"There are: {known}.")
    return [s for s in scenarios if not only or s["name"] in only]
