"""`pitstop approve|edit|reject|respond ID`: decide from the terminal, through the same service as every door."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from cli.client import Client, show
from cli.groups import decide_group, told
from core.errors import InvalidInput, NotFound

Id = Annotated[str, typer.Argument(help="An approval's id, or its incident's.")]
Whose = Annotated[str, typer.Argument(help="An approval's id, its incident's, or a group's.")]
Except = Annotated[
    list[str] | None,
    typer.Option("--except", help="With a group: leave this member (incident or approval) out. Repeatable."),
]
Comment = Annotated[
    str, typer.Option("--comment", "-m", help="Said to the team, and kept in the audit trail.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the decided approval as JSON.")]
Sha = Annotated[
    str | None, typer.Option("--sha256", help="Decide only if the proposal still has this payload hash.")
]


def approve(
    id: Whose,
    comment: Comment = "",
    sha256: Sha = None,
    excepted: Except = None,
    as_json: AsJson = False,
) -> None:
    """Let the proposed action happen; with a group's id, every member's: one first, then the others."""
    _decide(id, {"decision": "approve", "comment": comment, "payload_sha256": sha256}, as_json, excepted)


def edit(
    id: Id,
    params: Annotated[str, typer.Option("--params", help="The new parameters, as a JSON object.")],
    comment: Comment = "",
    sha256: Sha = None,
    as_json: AsJson = False,
) -> None:
    """Let the action happen with other parameters, within the policy's ranges."""
    try:
        changed = json.loads(params)
    except ValueError as error:
        raise InvalidInput(
            f"--params is not JSON: {error}.", hint='Example: --params \'{"task_keys": ["load"]}\''
        ) from error
    body = {"decision": "edit", "params": changed, "comment": comment, "payload_sha256": sha256}
    _decide(id, body, as_json)


def reject(
    id: Whose,
    comment: Comment = "",
    terminate: Annotated[bool, typer.Option("--terminate", help="And stop the run.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="And take the incident over by hand.")
    ] = False,
    excepted: Except = None,
    as_json: AsJson = False,
) -> None:
    """Say no; with the same decision stop the run, or take the incident over."""
    if terminate and take_over:
        raise InvalidInput("Choose one of --terminate and --take-over.")
    then = "terminate" if terminate else "take_over" if take_over else "nothing"
    _decide(id, {"decision": "reject", "comment": comment, "then": then}, as_json, excepted)


def respond(
    id: Whose,
    hint: Annotated[str, typer.Argument(help="What Pitstop should know.")],
    as_json: AsJson = False,
) -> None:
    """Give a hint: Pitstop thinks again with it as evidence, and asks anew."""
    _decide(id, {"decision": "respond", "comment": hint}, as_json)


def _decide(id: str, body: dict[str, Any], as_json: bool, excepted: list[str] | None = None) -> None:
    client = Client()
    if id.startswith("grp_"):
        given = {k: v for k, v in body.items() if v not in (None, "")}
        given["sha256"] = given.pop("payload_sha256", None)
        group = decide_group(client, id, {**given, "except": excepted or []})
        show(group, as_json, told(group))
        return
    if excepted:
        raise InvalidInput("--except goes with a group's id.")
    approval_id = id if id.startswith("apr_") else _pending(client, id)
    decided = client.post(
        f"/approvals/{approval_id}/decision", {k: v for k, v in body.items() if v not in (None, "")}
    )
    show(
        decided,
        as_json,
        f"{decided['status']}: {decided['proposal']['action']} for incident {decided['incident_id']}.",
    )


def _pending(client: Client, incident_id: str) -> str:
    """The approval of an incident that waits for a decision."""
    for approval in reversed(client.get(f"/incidents/{incident_id}").get("approvals", [])):
        if approval["status"] == "pending":
            return approval["id"]
    raise NotFound(f"Incident {incident_id} has no approval that waits for a decision.")
