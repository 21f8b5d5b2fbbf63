"""The windows that Slack opens for an edit, a rejection or a hint, and what a person put into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from core.actions import Proposal
from core.errors import InvalidInput
from core.groups import GroupAnswer
from core.incident import DecisionKind
from server import slack_fields
from server.console.forms import read_useful
from server.slack_fields import line, row
from tools.notify.slack_blocks import plain

Json = dict[str, Any]

#: Slack's own limit of a window's title and buttons, in characters.
TITLE = 24
_TITLES = {
    DecisionKind.EDIT: "Edit, then approve",
    DecisionKind.REJECT: "Reject",
    DecisionKind.RESPOND: "Give a hint",
}
_COMMENTS = {
    DecisionKind.EDIT: ("Why", True),
    DecisionKind.REJECT: ("Why", True),
    DecisionKind.RESPOND: ("What Pitstop should know", False),
}
_THEN = {"nothing": "nothing", "terminate": "stop the run", "take_over": "I take it over by hand"}
_USEFUL = {"yes": "yes", "no": "no"}


def window(kind: DecisionKind, proposal: Proposal | None, about: Mapping[str, str], link: str) -> Json:
    """The window for this kind of decision; `about` comes back with what is submitted.

    Args:
        proposal: What an edit is of; None where nothing can be edited.
        link: Where the console shows it.
    """
    rows: list[Json] = []
    if kind is DecisionKind.EDIT and proposal is not None:
        rows, kept = slack_fields.inputs(proposal)
        rows += slack_fields.staying(kept, link)
    label, optional = _COMMENTS[kind]
    rows.append(row("comment", label, line("", multiline=True), optional=optional))
    if kind is DecisionKind.REJECT:
        rows.append(row("then", "And then", _radio(_THEN, "nothing")))
    rows.append(row("useful", "Was the analysis of use?", _radio(_USEFUL), optional=True))
    return {
        "type": "modal",
        "callback_id": f"pitstop_{kind.value}",
        "private_metadata": json.dumps(dict(about)),
        "title": _text(_TITLES[kind], TITLE),
        "submit": _text("Approve as edited" if kind is DecisionKind.EDIT else "Send", TITLE),
        "close": _text("Cancel", TITLE),
        "blocks": rows,
    }


def read(kind: DecisionKind, proposal: Proposal | None, view: Mapping[str, Any]) -> dict[str, str]:
    """What was submitted, as the fields of `server.console.forms`."""
    values = (view.get("state") or {}).get("values") or {}

    def given(block: str) -> str:
        action = (values.get(block) or {}).get("v") or {}
        chosen = (action.get("selected_option") or {}).get("value")
        return str(chosen or action.get("value") or "")

    form = {name: given(name) for name in ("comment", "then", "useful")}
    form["kind"] = kind.value
    if kind is DecisionKind.EDIT and proposal is not None:
        form |= slack_fields.edited(proposal, values)
    return form


def read_answer(kind: DecisionKind, sha256: str, view: Mapping[str, Any]) -> GroupAnswer:
    """What was submitted, or clicked (no view), as an answer to a group's question.

    Raises:
        InvalidInput: It is none that our messages and windows can make.
    """
    form = read(kind, None, view)
    given = {
        "kind": kind,
        "sha256": sha256,
        "comment": form["comment"],
        "then": form["then"] if kind is DecisionKind.REJECT and form["then"] else "nothing",
        "useful": read_useful(form["useful"]),
    }
    try:
        return GroupAnswer.model_validate(given)
    except ValidationError as error:
        raise InvalidInput("This is no answer to a group's question.") from error


def notice(title: str, text: str) -> Json:
    """A window that only says something."""
    return {
        "type": "modal",
        "title": _text(title, TITLE),
        "close": _text("Close", TITLE),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": plain(text)[: slack_fields.TEXT]}}],
    }


def _radio(choices: Mapping[str, str], chosen: str = "") -> Json:
    options = [{"text": _text(label, 75), "value": value} for value, label in choices.items()]
    initial = {"initial_option": next(o for o in options if o["value"] == chosen)} if chosen else {}
    return {"type": "radio_buttons", "action_id": "v", "options": options, **initial}


def _text(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": text[:limit] or " ", "emoji": False}
