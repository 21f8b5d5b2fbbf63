"""Tells people: one file for each channel, and the table that finds the right one.

A recipient is an e-mail address, or `CHANNEL:ADDRESS` for any other channel (`core.recipients`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.recipients import split
from core.settings import Settings
from tools.notify.email import EmailChannel
from tools.notify.message import ASKING, MISSED, Ask, Message, compose

__all__ = [
    "ASKING",
    "CHANNELS",
    "MISSED",
    "Ask",
    "Channel",
    "Channels",
    "Message",
    "Receipt",
    "compose",
    "split",
]

#: What a channel gives back of a message that it can change later; JSON.
Receipt = Mapping[str, Any]
#: How long handing over one message may take, whatever its channel does meanwhile.
LONGEST_SECONDS = 60.0


class Channel(Protocol):
    """One way to reach people."""

    async def send(self, recipient: str, message: Message) -> Receipt | None:
        """Hand one message over; what `update` takes, where the channel has it.

        Raises:
            DeliveryFailed: Not now.
            DeliveryRefused: Not ever.
        """
        ...


@runtime_checkable
class Changing(Protocol):
    """A channel whose messages can be changed after they were sent."""

    async def update(self, message: Message, receipt: Receipt) -> None:
        """Put `message` in the place of the one that `receipt` is of. Raises: as `Channel.send`."""
        ...


def mail_channel(settings: Settings) -> Channel:
    """E-mail: through Azure Communication Services where that is set, else through a mail server."""
    if settings.acs_endpoint:
        from tools.notify.azure_mail import AzureMailChannel

        return AzureMailChannel(settings)
    return EmailChannel(settings)


# Their libraries take their time to load, and most need one of them at most.


def _slack(settings: Settings) -> Channel:
    from tools.notify.slack import SlackChannel

    return SlackChannel(settings)


def _teams(settings: Settings) -> Channel:
    from tools.notify.teams import TeamsChannel

    return TeamsChannel(settings)


def _apprise(settings: Settings) -> Channel:
    from tools.notify.pager import AppriseChannel

    return AppriseChannel(settings)


#: Channel name -> how it is made. Making one raises ConfigurationError where it is not configured.
CHANNELS: dict[str, Callable[[Settings], Channel]] = {
    "email": mail_channel,
    "slack": _slack,
    "teams": _teams,
    "apprise": _apprise,
}


@contextlib.asynccontextmanager
async def _in_time(recipient: str) -> AsyncIterator[None]:
    """Give up after a while: a server that goes on answering a little must not hold its sender for ever."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            yield
    except TimeoutError as error:
        channel, _ = split(recipient)
        raise DeliveryFailed(f"The channel {channel} took longer than {LONGEST_SECONDS:.0f} s.") from error


class Channels:
    """All channels, each made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, Channel] = {}

    async def send(self, recipient: str, message: Message) -> Receipt | None:
        """Hand one message over to whatever channel the recipient is reached by.

        Raises:
            ConfigurationError: There is no such channel, or it is not configured; the message says what to set.
            DeliveryFailed, DeliveryRefused: As the channel's `send`.
        """
        channel, address = self._channel(recipient)
        async with _in_time(recipient):
            return await channel.send(address, message)

    async def update(self, recipient: str, message: Message, receipt: Receipt) -> bool:
        """Change a message that was sent; False where the channel has no way to.

        Raises:
            ConfigurationError, DeliveryFailed, DeliveryRefused: As `send`.
        """
        channel, _ = self._channel(recipient)
        if not isinstance(channel, Changing):
            return False
        async with _in_time(recipient):
            await channel.update(message, receipt)
        return True

    def _channel(self, recipient: str) -> tuple[Channel, str]:
        name, address = split(recipient)
        if name not in CHANNELS:
            if ":" not in recipient:
                raise DeliveryRefused(f"{recipient[:100]!r} is neither an e-mail address nor a channel.")
            raise ConfigurationError(
                f"{recipient!r} names no channel: there is no {name!r}.",
                hint=f"Known are {', '.join(sorted(CHANNELS))}; a plain e-mail address needs no name.",
            )
        if name not in self._made:
            self._made[name] = CHANNELS[name](self._settings)
        return self._made[name], address
