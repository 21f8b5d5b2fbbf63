"""Everything else that takes a message: PagerDuty, Mattermost, Discord, Telegram, ... by apprise's addresses."""

from __future__ import annotations

from collections.abc import Sequence

import apprise

from core.errors import ConfigurationError, DeliveryFailed
from core.settings import Settings
from tools.notify.message import Message

TIMEOUT_SECONDS = 30.0
#: Characters: of any message, and of the cause where there is little room.
LONGEST, BRIEF_CAUSE = 4000, 300
#: What apprise adds to a title that it puts before the text, in characters.
SPARE = 24


class AppriseChannel:
    """Sends to the services of the settings (`PITSTOP_APPRISE_URLS`), by their names.

    Raises:
        ConfigurationError: There are none.
    """

    def __init__(self, settings: Settings) -> None:
        if not settings.apprise_urls:
            raise ConfigurationError(
                "PITSTOP_APPRISE_URLS: no service is configured.",
                hint='Set it to {"pagerduty": "pagerduty://..."}, with addresses as apprise reads them.',
            )
        self._addresses = settings.apprise_urls

    async def send(self, recipient: str, message: Message) -> None:
        """Hand the message's text and link to the service of this name.

        Raises:
            ConfigurationError: There is no such service, or apprise can't read its address.
            DeliveryFailed: The service did not take it; apprise does not say whether it ever will.
        """
        if recipient not in self._addresses:
            raise ConfigurationError(f"PITSTOP_APPRISE_URLS names no {recipient!r}.")
        services = apprise.Apprise()
        if not services.add(self._addresses[recipient].get_secret_value()):
            raise ConfigurationError(
                f"PITSTOP_APPRISE_URLS: apprise can't read the address of {recipient!r}.",
                hint="Look its form up in apprise's documentation.",
            )
        title, body = fitting(message, list(services))
        sent = await services.async_notify(
            body=body, title=title, body_format=apprise.NotifyFormat.TEXT, timeout=TIMEOUT_SECONDS
        )
        if not sent:
            raise DeliveryFailed(f"The service {recipient!r} did not take the message.")


def fitting(message: Message, services: Sequence[apprise.NotifyBase]) -> tuple[str, str]:
    """Title and text that every one of these services takes whole; apprise itself cuts nothing.

    What doesn't fit goes from the end: the link stands first then, and the proposal before the evidence.
    """
    room = min(LONGEST, *(service.body_maxlen - SPARE for service in services))
    title = message.subject
    # Where a service has no titles, apprise puts them before the text.
    if any(service.title_maxlen <= 0 or service.overflow_amalgamate_title for service in services):
        title = title[: max(0, room - len(message.link or "") - 4)]
        room -= len(title)
    if len(message.text) <= room:
        return title, message.text
    body = _brief(message)
    return title, body if len(body) <= room else body[: room - 1] + "…"


def _brief(message: Message) -> str:
    """The message for a service with little room: the link, the cause, the proposal, and then the evidence."""
    shown = message.shown
    lines = [message.link or "", shown.get("said", ""), shown.get("cause", "")[:BRIEF_CAUSE]]
    if proposal := shown.get("proposal"):
        lines.append(f"Proposed: {proposal['deed']}")
        lines += [
            f"  {what}: {new}" if old is None else f"  {what}: {old} -> {new}"
            for what, old, new in proposal["diff"]
        ]
        lines += [f"  {heading}: {text}" for heading, text in proposal["stakes"]]
        lines += [f"  Mind: {risk}" for risk in proposal["risks"]]
    for entry in shown.get("evidence", []):
        lines += [f"From {entry['where']}:", entry["text"]]
    return "\n".join(line for line in lines if line)
