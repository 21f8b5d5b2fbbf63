"""Tells people: one file for each channel, and the table that finds the right one.

A recipient is an e-mail address, or `CHANNEL:ADDRESS` for any other channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from core.errors import ConfigurationError
from core.settings import Settings
from tools.notify.email import EmailChannel
from tools.notify.message import Message, compose

__all__ = ["CHANNELS", "Channel", "Channels", "Message", "compose", "split"]


class Channel(Protocol):
    """One way to reach people."""

    async def send(self, recipient: str, message: Message) -> None:
        """Hand one message over.

        Raises:
            DeliveryFailed: Not now.
            DeliveryRefused: Not ever.
        """
        ...


#: Channel name -> how it is made. Making one raises ConfigurationError where it is not configured.
CHANNELS: dict[str, Callable[[Settings], Channel]] = {"email": EmailChannel}


class Channels:
    """All channels, each made when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, Channel] = {}

    async def send(self, recipient: str, message: Message) -> None:
        """Hand one message over to whatever channel the recipient is reached by.

        Raises:
            ConfigurationError: There is no such channel, or it is not configured; the message says what to set.
            DeliveryFailed, DeliveryRefused: As the channel's `send`.
        """
        name, address = split(recipient)
        if name not in CHANNELS:
            raise ConfigurationError(
                f"{recipient!r} names no channel: there is no {name!r}.",
                hint=f"Known are {', '.join(sorted(CHANNELS))}; a plain e-mail address needs no name.",
            )
        if name not in self._made:
            self._made[name] = CHANNELS[name](self._settings)
        await self._made[name].send(address, message)


def split(recipient: str) -> tuple[str, str]:
    """A recipient as channel and address: `ops@example.com` is ("email", "ops@example.com")."""
    name, colon, address = recipient.strip().partition(":")
    if colon and name.isalnum() and "@" not in name:
        return name.lower(), address.strip()
    return "email", recipient.strip()
