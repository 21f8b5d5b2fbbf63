"""A message as Slack's Block Kit. What a log said stands in plain text alone, where Slack reads no markup."""

from __future__ import annotations

import json
from typing import Any

from tools.notify.group import member_lines
from tools.notify.message import Ask, AskGroup, Message

Block = dict[str, Any]

#: Slack's own limits, in characters.
HEADER, SECTION, VALUE = 150, 3000, 2000
#: `action_id`s of the buttons; what a click says is in `server.slack`.
APPROVE, EDIT, REJECT, RESPOND, OPEN = (
    "pitstop_approve",
    "pitstop_edit",
    "pitstop_reject",
    "pitstop_respond",
    "pitstop_open",
)


def plain(text: str) -> str:
    """Text that Slack shows as it is where it would read markup (mentions, links)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def blocks(message: Message) -> list[Block]:
    """The message's blocks: what failed, why, the proposal, the lines that prove it, and the buttons."""
    shown = message.shown
    if not shown:
        return [_section(message.text[:SECTION])]
    head = f"{shown['job']}: {shown['headline']}"
    found = [
        {"type": "header", "text": _text(head, HEADER)},
        _context(" ".join(part for part in (shown["sentence"], shown["said"]) if part)),
    ]
    if shown["cause"]:
        found.append(_section(shown["cause"]))
    found += _proposal(shown["proposal"])
    if shown["members"]:
        found.append(_section("\n".join(member_lines(shown))))
    found += [_preformatted(entry["where"], entry["text"]) for entry in shown["evidence"][:2]]
    scores = [f"{name}: {value}" for name, value in shown["scores"]]
    if shown["low_support"]:
        scores.append("weakly supported: treat it as a guess")
    if scores:
        found.append(_context(" · ".join(scores)))
    return [*found, *_buttons(message)]


def _proposal(proposal: dict[str, Any] | None) -> list[Block]:
    if not proposal:
        return []
    lines = [f"Proposed: {proposal['deed']}"]
    lines += [
        f"• {what}: {old} → {new}" if old is not None else f"• {what}: {new}"
        for what, old, new in proposal["diff"]
    ]
    lines += [f"{heading}: {sentence}" for heading, sentence in proposal["stakes"]]
    lines += [f"Mind: {risk}" for risk in proposal["risks"]]
    if proposal["reason"]:
        lines.append(f"Why: {proposal['reason']}")
    return [{"type": "divider"}, _section("\n".join(lines)), {"type": "divider"}]


def _buttons(message: Message) -> list[Block]:
    buttons: list[Block] = []
    if isinstance(message.ask, Ask):
        value = json.dumps({"a": message.ask.approval_id, "h": message.ask.payload_sha256})
        buttons = [
            _button("Approve", APPROVE, value, style="primary"),
            _button("Edit…", EDIT, value),
            _button("Reject…", REJECT, value, style="danger"),
            _button("Hint…", RESPOND, value),
        ]
    elif message.ask is not None:
        ask = message.ask
        value = json.dumps({"g": ask.group_id, "h": ask.sha256})
        buttons = [
            _button(f"Approve all {ask.pending}…", APPROVE, value, style="primary", confirm=_confirm(ask)),
            _button(f"Reject all {ask.pending}…", REJECT, value, style="danger"),
            _button("Hint…", RESPOND, value),
        ]
    if message.link:
        label = "Whole list" if isinstance(message.ask, AskGroup) else "Whole story"
        buttons.append(_button(label, OPEN, "", url=message.link))
    return [{"type": "actions", "elements": buttons}] if buttons else []


def _confirm(ask: AskGroup) -> Block:
    """What Slack asks once more before a click answers for more than the message shows."""
    differ = ask.pending - ask.alike
    all_alike = "All of them have the proposal that is shown."
    some = f"The proposal that is shown is that of {ask.alike}; {differ} differ from it: see the whole list."
    return {
        "title": _text(f"Approve all {ask.pending}?", 100),
        "text": _text(f"{some if differ else all_alike} One goes first, the others when it has held.", 300),
        "confirm": _text("Approve all", 30),
        "deny": _text("Not now", 30),
    }


def _button(label: str, action_id: str, value: str, **more: Any) -> Block:
    given = {"value": value} if value else {}
    return {"type": "button", "text": _text(label, 75), "action_id": action_id, **given, **more}


def _section(text: str) -> Block:
    return {"type": "section", "text": _text(text, SECTION)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_text(text, VALUE)]}


def _preformatted(where: str, text: str) -> Block:
    return {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": f"From {where}"}]},
            {
                "type": "rich_text_preformatted",
                "elements": [{"type": "text", "text": text[:SECTION] or " "}],
            },
        ],
    }


def _text(text: str, limit: int) -> Block:
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return {"type": "plain_text", "text": cut or " ", "emoji": False}
