"""`pitstop approve|edit|reject|respond|delegate|extend ID`: from the terminal, through the same service as every door."""

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
AsJson = Annotated[bool, typer.Option("--json", help="Print the approval, or the group, as JSON.")]
Useful = Annotated[
    bool | None, typer.Option("--useful/--not-useful", help="Whether the analysis was of use to you.")
]
Sha = Annotated[
    str | None, typer.Option("--sha256", help="Decide only if the proposal still has this payload hash.")
]


def approve(
    id: Whose,
    comment: Comment = "",
    useful: Useful = None,
    sha256: Sha = None,
    excepted: Except = None,
    as_json: AsJson = False,
) -> None:
    """Let the proposed action happen; with a group's id, every member's: one first, then the others."""
    body = {"decision": "approve", "comment": comment, "useful": useful, "payload_sha256": sha256}
    _decide(id, body, as_json, excepted)


def edit(
    id: Id,
    params: Annotated[str, typer.Option("--params", help="The new parameters, as a JSON object.")],
    comment: Comment = "",
    useful: Useful = None,
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
    if id.startswith("grp_"):
        raise InvalidInput(
            "Parameters are edited incident by incident.", hint="`pitstop groups ID` lists them."
        )
    body = {"decision": "edit", "params": changed, "comment": comment, "useful": useful}
    _decide(id, {**body, "payload_sha256": sha256}, as_json)


def reject(
    id: Whose,
    comment: Comment = "",
    terminate: Annotated[bool, typer.Option("--terminate", help="And stop the run.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="And take the incident over by hand.")
    ] = False,
    useful: Useful = None,
    excepted: Except = None,
    as_json: AsJson = False,
) -> None:
    """Say no; with the same decision stop the run, or take the incident over."""
    if terminate and take_over:
        raise InvalidInput("Choose one of --terminate and --take-over.")
    then = "terminate" if terminate else "take_over" if take_over else "nothing"
    body = {"decision": "reject", "comment": comment, "then": then, "useful": useful}
    _decide(id, body, as_json, excepted)


def respond(
    id: Whose,
    hint: Annotated[str, typer.Argument(help="What Pitstop should know.")],
    useful: Useful = None,
    as_json: AsJson = False,
) -> None:
    """Give a hint: Pitstop thinks again with it as evidence, and asks anew."""
    _decide(id, {"decision": "respond", "comment": hint, "useful": useful}, as_json)


def delegate(
    id: Whose,
    to: Annotated[str, typer.Option("--to", help="An approver, as the policy names them.")],
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """Ask another approver too; with a group's id, about all that waits in it. You may still decide."""
    client = Client()
    answer = client.post(f"{_question(client, id)}/delegate", _given({"to": to, "comment": comment}))
    show(answer, as_json, f"{to} is asked too.")


def extend(
    id: Whose,
    hours: Annotated[float | None, typer.Option("--hours", min=0, help="So many hours more.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="So many seconds more.")] = None,
    comment: Comment = "",
    as_json: AsJson = False,
) -> None:
    """Take more time to decide, once: as long again as there was, or as much as is said, at most a week."""
    if hours is not None and seconds is not None:
        raise InvalidInput("Choose one of --hours and --seconds.")
    more = hours * 3600 if hours is not None else seconds
    client = Client()
    answer = client.post(f"{_question(client, id)}/extend", _given({"seconds": more, "comment": comment}))
    show(answer, as_json, f"It can be decided until {answer['expires_at']}.")


def _decide(id: str, body: dict[str, Any], as_json: bool, excepted: list[str] | None = None) -> None:
    client = Client()
    if id.startswith("grp_"):
        given = _given(body)
        given["sha256"] = given.pop("payload_sha256", None)
        group = decide_group(client, id, {**given, "except": excepted or []})
        show(group, as_json, told(group))
        return
    if excepted:
        raise InvalidInput("--except goes with a group's id.")
    decided = client.post(f"{_question(client, id)}/decision", _given(body))
    about = f"{decided['proposal']['action']} for incident {decided['incident_id']}"
    if decided["status"] == "pending":  # an edit where duties are separate
        show(decided, as_json, f"edited: {about}. It waits for somebody else's approval.")
    else:
        show(decided, as_json, f"{decided['status']}: {about}.")


def _question(client: Client, id: str) -> str:
    """Where a question is under `/api/v1`: a group, an approval, or what an incident waits for."""
    if id.startswith("grp_"):
        return f"/groups/{id}"
    return f"/approvals/{id if id.startswith('apr_') else _pending(client, id)}"


def _given(body: dict[str, Any]) -> dict[str, Any]:
    """What was said; the service knows the rest."""
    return {name: value for name, value in body.items() if value not in (None, "")}


def _pending(client: Client, incident_id: str) -> str:
    """The approval of an incident that waits for a decision."""
    for approval in reversed(client.get(f"/incidents/{incident_id}").get("approvals", [])):
        if approval["status"] == "pending":
            return approval["id"]
    raise NotFound(f"Incident {incident_id} has no approval that waits for a decision.")
