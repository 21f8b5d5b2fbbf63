"""Whom a message goes to, as the policy writes it: an e-mail address, or `CHANNEL:ADDRESS`."""

from __future__ import annotations

EMAIL = "email"


def split(recipient: str) -> tuple[str, str]:
    """A recipient as channel and address.

    `ops@example.com` is ("email", "ops@example.com"), `slack:#data` is ("slack", "#data"), and a channel that
    has one address of its own, `teams`, is ("teams", "").
    """
    text = recipient.strip()
    name, colon, address = text.partition(":")
    if colon and name.isalnum() and "@" not in name:
        return name.lower(), address.strip()
    if text.isalnum():
        return text.lower(), ""
    return EMAIL, text


def person(recipient: str) -> str | None:
    """The person whom a recipient is, by name; None for a room, a pager, or anything else that many read."""
    channel, address = split(recipient)
    return address or None if channel == EMAIL else None
