"""Lanes: messages that share their way out, so that a way which is blocked holds up its own messages alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, case, func, true

from core.recipients import EMAIL
from store.models import MessageModel

#: Channels that reach all of their addresses by one server.
SHARED = (EMAIL, "slack")


@dataclass(frozen=True)
class Lane:
    """The messages on the ways `names`, or, with `others`, those on any way but these.

    A way is `email`, `slack`, or else a whole recipient, such as `teams:night`.
    """

    names: Sequence[str]
    others: bool = False


def on(lane: Lane | None) -> ColumnElement[bool]:
    """Whether a message is on this lane; without one, each is."""
    if lane is None:
        return true()
    whole = func.lower(func.trim(MessageModel.recipient))
    channel = func.split_part(whole, ":", 1)
    way = case((channel.contains("@"), EMAIL), (channel.in_(SHARED), channel), else_=whole)
    return way.not_in(lane.names) if lane.others else way.in_(lane.names)
