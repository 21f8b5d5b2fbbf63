"""`pitstop incidents`, `investigate`, `mute`, `take-over`, `close`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Client, show
from cli.plain import cell, to_json
from core.errors import InvalidInput
from core.words import deed

AsJson = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
Id = Annotated[str, typer.Argument(help="An incident's id.")]


def incidents(
    id: Annotated[str | None, typer.Argument(help="Show this one whole; without, list them.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those in this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first, or show one with its whole story."""
    client = Client()
    if id:
        story = client.get(f"/incidents/{id}")
        typer.echo(to_json(story)) if as_json else _story(story)
        return
    page = client.get("/incidents", status=status, limit=limit)
    if as_json:
        typer.echo(to_json(page))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("Incident", "Job", "Category", "Class", "Status", "Opened")
    for item in page["items"]:
        names = ("id", "job_name", "category", "failure_class", "status", "opened_at")
        table.add_row(*(cell(item.get(name) or "-") for name in names))
    Console().print(table)


def investigate(
    run: Annotated[int | None, typer.Option("--run", help="A failed run's id.")] = None,
    job: Annotated[int | None, typer.Option("--job", help="A job's id: its latest failed run.")] = None,
    again: Annotated[
        str | None,
        typer.Option("--again", help="An incident's id: look from the start, withdrawing what was asked."),
    ] = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option("--attach", help="With --again: a log or a screenshot to look at, too. Repeatable."),
    ] = None,
    hint: Annotated[str, typer.Option("--hint", help="With --again: what Pitstop should know.")] = "",
    as_json: AsJson = False,
) -> None:
    """Open an incident for a failed run, or look at one again."""
    if [run, job, again].count(None) != 2:
        raise InvalidInput("Name one of --run RUN_ID, --job JOB_ID and --again INCIDENT.")
    if again is None and (attach or hint):
        raise InvalidInput("--attach and --hint go with --again.")
    client = Client()
    if again is not None:
        for file in attach or []:
            client.upload(f"/incidents/{again}/attachments", file)
        looked = client.post(f"/incidents/{again}/investigate-again", {"hint": hint})
    else:
        looked = client.post("/incidents", {"run_id": run} if run is not None else {"job_id": job})
    show(looked, as_json, f"Incident {looked['id']} is {looked['status']}.")


def mute(id: Id, as_json: AsJson = False) -> None:
    """Let Pitstop only watch this incident from now on."""
    _tell(id, "mute", as_json)


def take_over(id: Id, as_json: AsJson = False) -> None:
    """Take the incident over by hand; Pitstop only watches."""
    _tell(id, "take-over", as_json)


def close(id: Id, as_json: AsJson = False) -> None:
    """Close an incident that was left to people."""
    _tell(id, "close", as_json)


def _tell(id: str, verb: str, as_json: bool) -> None:
    told = Client().post(f"/incidents/{id}/{verb}")
    show(told, as_json, f"Incident {told['id']} is {told['status']}.")


def _story(story: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    diagnosis, proposal = story.get("diagnosis") or {}, story.get("proposal") or {}
    console.print(f"[bold]{cell(story['id'])}[/] {cell(story.get('job_name') or '')}: {story['status']}")
    if diagnosis:
        kind = f"{diagnosis['category']} / {diagnosis['failure_class']}"
        console.print(f"{cell(kind)}: {cell(diagnosis['root_cause'])}")
        for piece in diagnosis.get("evidence", [])[:3]:
            console.print(
                f"  [dim]{cell(piece['source'])}:{piece['line_start']}[/] {cell(piece['text'][:400])}"
            )
    if proposal:
        said = cell(f"{deed(proposal['action'])} ({proposal['action']})")
        console.print(f"Proposal: [bold]{said}[/] {cell(json.dumps(proposal['params']))}")
        console.print(
            f"  {cell(proposal.get('reason', ''))} (confidence {proposal.get('confidence', 0):.2f})"
        )
    for approval in story.get("approvals", []):
        console.print(f"  {cell(_standing(approval))}")
    for event in story.get("events", []):
        console.print(f"  [dim]{event['at']}[/] {cell(event['kind'])}")


def _standing(approval: dict[str, Any]) -> str:
    """How a question stands: until when it can be decided and by whom, or who answered what through which door."""
    from cli.review_story import ending

    if approval["status"] != "pending":
        return ending(approval)
    who = ", ".join(approval["approvers"]) or "any approver"
    barred = f"; {', '.join(approval['barred'])} may not approve it" if approval["barred"] else ""
    until = f" until {approval['expires_at']}" if approval["expires_at"] else ""
    return f"Waits for {who}{until}{barred}."
