"""Telling those who were asked how it ended: queued with the row that says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from core.incident import ApprovalStatus
from store.models import ApprovalModel, MemberModel, MessageModel

#: The kind of message that asks for a decision, and the kind that says how it was decided.
ASKS, SETTLED = "approval", "settled"


async def settle(session: AsyncSession, incident_id: str, closed: Collection[str], at: datetime) -> None:
    """Queue a word to everyone who was asked about one of the `closed` approvals, once each.

    It names the message that asked (`asked`), so that a channel which can changes that one. Messages about a group
    are settled when none of its members waits any more.
    """
    if not closed:
        return
    await session.flush()
    ids = list(closed)
    approval_id, group_id = (
        MessageModel.payload["approval_id"].astext,
        MessageModel.payload["group_id"].astext,
    )
    mine = and_(MessageModel.incident_id == incident_id, approval_id.in_(ids))
    over = await _groups_over(session, ids)
    about = or_(mine, group_id.in_(over)) if over else mine
    asked = await session.execute(
        select(
            MessageModel.id, MessageModel.key, MessageModel.recipient, MessageModel.incident_id, approval_id
        ).where(MessageModel.kind == ASKS, about)
    )
    rows = [
        {
            "key": f"{key}/{SETTLED}" + ("" if asked_about in ids else "/group"),
            "kind": SETTLED,
            "recipient": recipient,
            "incident_id": told_in,
            "payload": {"approval_id": asked_about if asked_about in ids else ids[-1], "asked": message_id},
            "status": "pending",
            "created_at": at,
            "next_at": at,
        }
        for message_id, key, recipient, told_in, asked_about in asked
    ]
    if rows:
        await session.execute(
            insert(MessageModel).values(rows).on_conflict_do_nothing(index_elements=["key"])
        )


async def _groups_over(session: AsyncSession, closed: Sequence[str]) -> list[str]:
    """The groups of these approvals in which nobody waits for a decision any more."""
    other = aliased(MemberModel)
    waits = exists().where(
        other.group_id == MemberModel.group_id,
        ApprovalModel.id == other.approval_id,
        ApprovalModel.status == ApprovalStatus.PENDING,
    )
    found = await session.scalars(
        select(MemberModel.group_id).where(MemberModel.approval_id.in_(closed), ~waits).distinct()
    )
    return list(found)
