"""A proposal's fields in Slack's window: those that Slack holds as they are may be edited, the others stay as they are."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus

from core.actions import Proposal
from server.console import proposals
from server.console.proposals import Field

Json = dict[str, Any]

#: Slack's own limits: characters of a label, of a value and of a text; blocks of a window.
LABEL, VALUE, TEXT, BLOCKS = 2000, 3000, 3000, 100
#: Blocks for what every window has: comment, rating, what happens next, what stays as it is.
_OTHERS = 4
#: Bytes for all inputs, as they come back: a submission holds each value twice, within the size of a body.
_ROOM = 80 * 1024
_SHOWN = 200
#: Slack may give these back as something else: `:fire:` for an emoji, nothing for a control character.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk"})


def inputs(proposal: Proposal) -> tuple[list[Json], list[Field]]:
    """The blocks of the fields that may be edited, and the fields that stay as they are."""
    rows: list[Json] = []
    kept: list[Field] = []
    room = _ROOM
    for i, field in enumerate(proposals.fields(proposal)):
        row = _input(f"f{i}", field)
        size = len(quote_plus(json.dumps(row)))
        if _holds(field) and size <= room and len(rows) < BLOCKS - _OTHERS:
            rows.append(row)
            room -= size
        else:
            kept.append(field)
    return rows, kept


def edited(proposal: Proposal, values: Mapping[str, Any]) -> dict[str, str]:
    """The fields that the reviewer changed, by the names that `proposals.read_form` takes; switches always.

    Args:
        values: What Slack submits: block -> action -> its state.
    """
    form: dict[str, str] = {}
    for i, field in enumerate(proposals.fields(proposal)):
        state = (values.get(f"f{i}") or {}).get("v")
        if field.kind == "bool":
            on = bool(field.value) if state is None else bool(state.get("selected_options"))
            form[field.name] = "true" if on else ""
        elif state is not None and _holds(field):
            given = str(state.get("value") or "")
            if _differs(given, str(field.value)):
                form[field.name] = given
    return form


def at_fault(proposal: Proposal | None, view: Mapping[str, Any], said: str) -> str:
    """The input to mark for an error: a changed one that `said` names, or the only one changed; else the comment.

    Args:
        proposal: What the window edits, if it does.
        view: The window as it was submitted.

    Returns:
        The block's id; empty where the window has no input for text.
    """
    state = (view.get("state") or {}).get("values") or {}
    changed = edited(proposal, state) if proposal is not None else {}
    offered = {str(block.get("block_id") or "") for block in view.get("blocks") or []}
    found: dict[str, Field] = {}
    for i, field in enumerate(proposals.fields(proposal) if proposal is not None else []):
        if field.name in changed and field.kind != "bool" and f"f{i}" in offered:
            found[f"f{i}"] = field
    for block, field in found.items():
        word = field.label if field.name.startswith("setting.") else field.name.removeprefix("parameter.")
        if word in said:
            return block
    if len(found) == 1:
        return next(iter(found))
    return "comment" if "comment" in offered else ""


def staying(kept: list[Field], link: str) -> list[Json]:
    """A block that shows the fields which stay as they are, and where to edit them; none where all may be edited."""
    if not kept:
        return []
    lines = ["Not for editing here; this stays as it is:"]
    lines += [f"• {field.label}: {_short(str(field.value))}" for field in kept]
    button = {
        "type": "button",
        "text": {"type": "plain_text", "text": "Edit it in the console", "emoji": False},
        "action_id": "pitstop_open",
        "url": link,
    }
    text = {"type": "plain_text", "text": _cut("\n".join(lines), TEXT), "emoji": False}
    # Without an address of its own the service has no link, and Slack refuses a window with half of one.
    return [{"type": "section", "text": text, **({"accessory": button} if link.startswith("http") else {})}]


def line(value: str, *, multiline: bool) -> Json:
    """An input for text."""
    initial = {"initial_value": value} if value else {}
    return {
        "type": "plain_text_input",
        "action_id": "v",
        "multiline": multiline,
        "max_length": VALUE,
        **initial,
    }


def row(block: str, label: str, element: Json, *, optional: bool = False) -> Json:
    """An input with its label."""
    return {
        "type": "input",
        "block_id": block,
        "label": {"type": "plain_text", "text": _cut(label, LABEL) or " ", "emoji": False},
        "element": element,
        "optional": optional,
    }


def _input(block: str, field: Field) -> Json:
    label = f"{field.label} ({field.hint})" if field.hint else field.label
    if field.kind == "bool":
        option = {"text": {"type": "plain_text", "text": "yes", "emoji": False}, "value": "true"}
        chosen = {"initial_options": [option]} if field.value else {}
        element: Json = {"type": "checkboxes", "action_id": "v", "options": [option], **chosen}
        return row(block, label, element, optional=True)
    value = str(field.value)
    return row(block, label, line(value, multiline=field.kind == "lines" or "\n" in value), optional=True)


def _holds(field: Field) -> bool:
    """Whether Slack takes this value, and gives it back as it is."""
    value = str(field.value)
    short = len(value.encode("utf-16-le", errors="surrogatepass")) <= 2 * VALUE
    return short and not any(c != "\n" and unicodedata.category(c) in _UNSAFE for c in value)


def _differs(given: str, value: str) -> bool:
    """Whether a person changed it; blanks at ends and escapes are Slack's doing."""
    unescaped = given.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return _plain(value) not in (_plain(given), _plain(unescaped))


def _plain(text: str) -> str:
    return "\n".join(part.rstrip() for part in text.replace("\r\n", "\n").split("\n")).strip()


def _short(value: str) -> str:
    lines = value.split("\n")
    more = f" ({len(lines)} lines)" if len(lines) > 1 else ""
    return _cut(", ".join(part for part in lines if part.strip()), _SHOWN) + more


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
