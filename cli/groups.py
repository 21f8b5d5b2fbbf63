"""`pitstop groups [ID]`: failures of one cause, and how far the answer to them has come."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client import Client
from cli.plain import cell, to_json
from core.errors import NotFound


def groups(
    id: Annotated[str | None, typer.Argument(help="Show this one whole; without, list them.")] = None,
    all: Annotated[bool, typer.Option("--all", help="Also those that wait for nothing.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """List groups of incidents with one cause that wait for a decision, or show one with its members."""
    client = Client()
    if id:
        group = client.get(f"/groups/{id}")
        typer.echo(to_json(group)) if as_json else _whole(group)
        return
    page = client.get("/groups", status="all" if all else "pending", limit=limit)
    if as_json:
        typer.echo(to_json(page))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("Group", "Cause", "Action", "Waiting", "Members", "Jobs", "Opened")
    for group in page["items"]:
        table.add_row(
            cell(group["id"]),
            cell(f"{group['cause']['kind'].replace('_', ' ')} {group['cause']['value']}"),
            cell(group["action"]),
            *(cell(group[name]) for name in ("pending", "members", "jobs", "opened_at")),
        )
    Console().print(table)


def decide_group(client: Client, group_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Decide on everybody in a group that waits.

    Args:
        client: The service.
        group_id: The group.
        body: `decision`, and what goes with it; `sha256` binds it to the members that were looked at, by
            default to those that wait now.

    Raises:
        NotFound: Nobody in it waits.
    """
    sha256 = body.get("sha256") or client.get(f"/groups/{group_id}")["sha256"]
    if sha256 is None:
        raise NotFound(f"Nobody in group {group_id} waits for a decision.")
    return client.post(f"/groups/{group_id}/decision", {**body, "sha256": sha256})


def told(group: dict[str, Any]) -> str:
    """How a group stands, in one line."""
    counts = ", ".join(f"{count} {state}" for state, count in sorted(group["counts"].items()))
    last = group["decisions"][-1] if group["decisions"] else None
    return f"Group {group['id']}: {counts}." + (f" The last decision is {last['phase']}." if last else "")


def _whole(group: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    cause = group["cause"]
    console.print(
        f"[bold]{cell(group['id'])}[/] {cell(cause['kind'].replace('_', ' '))} {cell(cause['value'])}"
    )
    console.print(f"{group['action']} for {group['members']} incidents of {group['jobs']} jobs")
    console.print(cell(told(group)))
    if group["sha256"]:
        console.print(f"A decision on the {group['pending']} that wait is bound to {group['sha256']}")
    for decision in group["decisions"]:
        console.print(
            f"  {decision['kind']} by {cell(decision['decided_by'])} on {decision['members']}: "
            f"{decision['phase']} {cell(decision['why'])}"
        )
    table = Table("Incident", "Job", "Run", "State", "")
    for item in group["items"]:
        first = "goes first" if item["canary"] else ""
        cells = (item[name] for name in ("incident_id", "job_name", "run_id", "state"))
        table.add_row(*map(cell, cells), first)
    console.print(table)
