"""Microsoft Teams: an adaptive card, posted to a workflow's webhook.

The card has a link and no buttons that decide: whoever reads a room is not known by the webhook.
"""

from __future__ import annotations

from typing import Any

import httpx

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.settings import Settings
from tools.notify.message import Message

TIMEOUT_SECONDS = 20.0
DEFAULT = "default"
#: Teams drops cards over 28 kB; what is cut here stays far under that.
LINES = 1500


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
    body: list[dict[str, Any]] = [_block(message.subject, size="Large", weight="Bolder")]
    if shown:
        body += [_block(text, isSubtle=True) for text in (shown["sentence"], shown["said"]) if text]
        body += [_block(shown["cause"], weight="Bolder")] if shown["cause"] else []
        body += [
            _block(f"{entry['where']}\n\n{entry['text'][:LINES]}", fontType="Monospace", size="Small")
            for entry in shown["evidence"][:1]
        ]
        body += _facts(shown)
    else:
        body.append(_block(message.text[:LINES]))
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


def _facts(shown: Any) -> list[dict[str, Any]]:
    facts = []
    proposal = shown["proposal"]
    if proposal:
        facts.append(("Proposed", proposal["action"]))
        facts += [
            (what, new if old is None else f"{old} → {new}") for what, old, new in proposal["diff"][:10]
        ]
        facts += [("Mind", risk) for risk in proposal["risks"]]
    facts += shown["scores"]
    rows = [{"title": _literal(name), "value": _literal(value)} for name, value in facts]
    return [{"type": "FactSet", "facts": rows}] if rows else []


def _block(text: str, **how: Any) -> dict[str, Any]:
    return {"type": "TextBlock", "text": _literal(text), "wrap": True, **how}


def _literal(text: str) -> str:
    """Text in which a card finds no link and no emphasis: it reads a part of Markdown."""
    for mark in "\\[]*_":
        text = text.replace(mark, f"\\{mark}")
    return text
