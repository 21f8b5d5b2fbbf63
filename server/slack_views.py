"""The windows that Slack opens for an edit, a rejection or a hint, and what a person put into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from core.actions import Proposal
from core.incident import DecisionKind
from server.console import proposals
from server.console.proposals import Field
from tools.notify.slack_blocks import plain

Json = dict[str, Any]

#: Slack's own limits, in characters.
TITLE, LABEL, VALUE = 24, 150, 3000
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


def window(kind: DecisionKind, proposal: Proposal, about: Mapping[str, str]) -> Json:
    """The window for this kind of decision; `about` comes back with what is submitted."""
    rows = [_input(f"f{i}", field) for i, field in enumerate(proposals.fields(proposal))]
    label, optional = _COMMENTS[kind]
    rows = rows if kind is DecisionKind.EDIT else []
    rows.append(_row("comment", label, _line("", multiline=True), optional=optional))
    if kind is DecisionKind.REJECT:
        rows.append(_row("then", "And then", _radio(_THEN, "nothing")))
    rows.append(_row("useful", "Was the analysis of use?", _radio(_USEFUL), optional=True))
    return {
        "type": "modal",
        "callback_id": f"pitstop_{kind.value}",
        "private_metadata": json.dumps(dict(about)),
        "title": _text(_TITLES[kind], TITLE),
        "submit": _text("Approve as edited" if kind is DecisionKind.EDIT else "Send", TITLE),
        "close": _text("Cancel", TITLE),
        "blocks": rows[:100],
    }


def read(kind: DecisionKind, proposal: Proposal, view: Mapping[str, Any]) -> dict[str, str]:
    """What was submitted, as the fields of `server.console.forms`."""
    values = (view.get("state") or {}).get("values") or {}

    def given(block: str) -> str:
        action = (values.get(block) or {}).get("v") or {}
        if "selected_options" in action:
            return "true" if action["selected_options"] else ""
        chosen = (action.get("selected_option") or {}).get("value")
        return str(chosen or action.get("value") or "")

    form = {name: given(name) for name in ("comment", "then", "useful")}
    form["kind"] = kind.value
    if kind is DecisionKind.EDIT:
        for i, field in enumerate(proposals.fields(proposal)):
            form[field.name] = given(f"f{i}")
    return form


def notice(title: str, text: str) -> Json:
    """A window that only says something."""
    return {
        "type": "modal",
        "title": _text(title, TITLE),
        "close": _text("Close", TITLE),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": plain(text)[:VALUE]}}],
    }


def _input(block: str, field: Field) -> Json:
    label = f"{field.label} ({field.hint})" if field.hint else field.label
    if field.kind == "bool":
        option = {"text": _text("yes", 75), "value": "true"}
        chosen = {"initial_options": [option]} if field.value else {}
        element: Json = {"type": "checkboxes", "action_id": "v", "options": [option], **chosen}
        return _row(block, label, element, optional=True)
    return _row(block, label, _line(str(field.value), multiline=field.kind == "lines"), optional=True)


def _line(value: str, *, multiline: bool) -> Json:
    initial = {"initial_value": value[:VALUE]} if value else {}
    return {
        "type": "plain_text_input",
        "action_id": "v",
        "multiline": multiline,
        "max_length": VALUE,
        **initial,
    }


def _radio(choices: Mapping[str, str], chosen: str = "") -> Json:
    options = [{"text": _text(label, 75), "value": value} for value, label in choices.items()]
    initial = {"initial_option": next(o for o in options if o["value"] == chosen)} if chosen else {}
    return {"type": "radio_buttons", "action_id": "v", "options": options, **initial}


def _row(block: str, label: str, element: Json, *, optional: bool = False) -> Json:
    return {
        "type": "input",
        "block_id": block,
        "label": _text(label, LABEL),
        "element": element,
        "optional": optional,
    }


def _text(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": text[:limit] or " ", "emoji": False}
