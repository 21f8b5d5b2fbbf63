"""Everything else that takes a message: PagerDuty, Mattermost, Discord, Telegram, ... by apprise's addresses."""

from __future__ import annotations

import apprise

from core.errors import ConfigurationError, DeliveryFailed
from core.settings import Settings
from tools.notify.message import Message

TIMEOUT_SECONDS = 30.0
LONGEST = 4000


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
        sent = await services.async_notify(
            body=message.text[:LONGEST],
            title=message.subject,
            body_format=apprise.NotifyFormat.TEXT,
            timeout=TIMEOUT_SECONDS,
        )
        if not sent:
            raise DeliveryFailed(f"The service {recipient!r} did not take the message.")
