"""Microsoft Teams: an adaptive card, posted to a workflow's webhook.

The card has a link and no buttons that decide: whoever reads a room is not known by the webhook.
"""

from __future__ import annotations

from typing import Any

import httpx

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.settings import Settings
from tools.notify.group import member_lines
from tools.notify.message import Message

Block = dict[str, Any]

TIMEOUT_SECONDS = 20.0
DEFAULT = "default"
#: Teams drops cards over 28 kB; what is cut here, in characters and lines, stays far under that.
LONGEST, LINES = 1500, 12


class TeamsChannel:
    """Posts cards to the webhooks of the settings (`PITSTOP_TEAMS_WEBHOOKS`), by their names.

    Raises:
        ConfigurationError: There are none.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.teams_webhooks:
            raise ConfigurationError(
                "PITSTOP_TEAMS_WEBHOOKS: Teams is not configured.",
                hint='Set it to {"default": "https://..."}, a workflow\'s address, as docs/review.md says.',
            )
        self._webhooks = settings.teams_webhooks

    async def send(self, recipient: str, message: Message) -> None:
        """Post a card to the webhook of this name.

        Raises:
            ConfigurationError: There is no such webhook.
            DeliveryRefused: The workflow is gone, or refuses the card. DeliveryFailed: Not now.
        """
        name = recipient or DEFAULT
        if name not in self._webhooks:
            raise ConfigurationError(f"PITSTOP_TEAMS_WEBHOOKS names no {name!r}.")
        address = self._webhooks[name].get_secret_value()
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
                answer = await client.post(address, json=card(message))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # The error's own words may hold the address, which is a secret.
            raise DeliveryFailed(f"Teams ({name}) can't be reached: {type(error).__name__}.") from None
        if answer.is_success:
            return
        said = f"Teams ({name}) answered {answer.status_code}."
        if answer.status_code in (400, 401, 403, 404, 410, 413):
            raise DeliveryRefused(said, hint="Make the workflow's webhook anew and put it into the settings.")
        raise DeliveryFailed(said)


def card(message: Message) -> dict[str, Any]:
    """The message as an adaptive card in the envelope that a workflow's trigger expects."""
    shown = message.shown
    body = [_text(message.subject, size="Large", weight="Bolder")]
    if shown:
        said = " ".join(text for text in (shown["sentence"], shown["said"]) if text)
        body += [_text(said, isSubtle=True)] if said else []
        body += _lines(shown["cause"], weight="Bolder") if shown["cause"] else []
        for entry in shown["evidence"][:1]:
            body.append(_text(f"From {entry['where']}", isSubtle=True))
            body += _lines(entry["text"], fontType="Monospace", size="Small")
        body += [_fact(*fact, first=not n) for n, fact in enumerate(_facts(shown))]
        body += _lines("\n".join(member_lines(shown))) if shown["members"] else []
    else:
        body += _lines(message.text)
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": body,
    }
    if message.link:
        title = "Look and decide" if shown.get("asks") else "See the whole story"
        content["actions"] = [{"type": "Action.OpenUrl", "title": title, "url": message.link}]
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": content}]}


def _facts(shown: Any) -> list[tuple[str, str]]:
    facts = []
    proposal = shown["proposal"]
    if proposal:
        facts.append(("Proposed", proposal["deed"]))
        facts += [
            (what, new if old is None else f"{old} → {new}") for what, old, new in proposal["diff"][:10]
        ]
        facts += [*proposal["stakes"], *(("Mind", risk) for risk in proposal["risks"])]
    return [*facts, *shown["scores"]]


def _fact(name: str, value: str, *, first: bool) -> Block:
    block = _text(f"{name}:", weight="Bolder")
    block["inlines"].append({"type": "TextRun", "text": f" {_line(value)}"})
    return {**block, "spacing": "Default" if first else "Small"}


def _lines(text: str, **how: Any) -> list[Block]:
    """Lines under each other: within one text, a card's own line feeds are not kept."""
    rows = text[:LONGEST].strip("\n").split("\n")
    cut = [*rows[:LINES], "…"] if len(rows) > LINES or len(text) > LONGEST else rows
    return [{**_text(row, **how), "spacing": "None" if n else "Default"} for n, row in enumerate(cut)]


def _text(text: str, **how: Any) -> Block:
    """One line. A card reads Markdown (links, lists, headings) in a TextBlock and in facts, but in no TextRun."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": _line(text), **how}]}


def _line(text: str) -> str:
    """The text on one line that is not empty; the spaces that indent it stay."""
    bare = text.expandtabs(4).strip("\r\n")
    inner = bare.lstrip(" ")
    return "\u00a0" * (len(bare) - len(inner)) + " ".join(inner.split()) or "\u00a0"
