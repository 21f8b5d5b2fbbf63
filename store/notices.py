"""Telling those who were asked how it ended: queued with the row that says so."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.models import MessageModel

#: The kind of message that asks for a decision, and the kind that says how it was decided.
ASKS, SETTLED = "approval", "settled"


async def settle(session: AsyncSession, incident_id: str, closed: Collection[str], at: datetime) -> None:
    """Queue a word to everyone who was asked about one of the `closed` approvals, once each.

    It names the message that asked (`asked`), so that a channel which can changes that one.
    """
    if not closed:
        return
    approval_id = MessageModel.payload["approval_id"].astext
    asked = await session.execute(
        select(MessageModel.id, MessageModel.key, MessageModel.recipient, approval_id).where(
            MessageModel.incident_id == incident_id,
            MessageModel.kind == ASKS,
            approval_id.in_(list(closed)),
        )
    )
    rows = [
        {
            "key": f"{key}/{SETTLED}",
            "kind": SETTLED,
            "recipient": recipient,
            "incident_id": incident_id,
            "payload": {"approval_id": about, "asked": message_id},
            "status": "pending",
            "created_at": at,
            "next_at": at,
        }
        for message_id, key, recipient, about in asked
    ]
    if rows:
        await session.execute(
            insert(MessageModel).values(rows).on_conflict_do_nothing(index_elements=["key"])
        )
