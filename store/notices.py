"""Keeping messages true that were sent: queued with the row that says how a question ended, or what changed in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from core.incident import ApprovalStatus
from store.models import ApprovalModel, MemberModel, MessageModel

#: The kinds of message that ask for a decision: first, and again.
ASKS, REMINDS = "approval", "reminder"
#: The kinds that say of such a message (`asked`) how its question was decided, or that it reads otherwise now.
SETTLED, CHANGED = "settled", "changed"
#: How the key goes on of the word that nobody waits any more in the group that a message asks about.
_OVER = f"/{SETTLED}/group"


async def settle(session: AsyncSession, incident_id: str, closed: Collection[str], at: datetime) -> None:
    """Queue a word about every message that asked about one of the `closed` approvals, once each.

    So a channel that can changes that message. Where it can't, whoever was asked is told once: by the word with
    `tell`. Messages about a group are settled when none of its members waits any more; until then they change.
    """
    if not closed:
        return
    await session.flush()
    ids = list(closed)
    rows: list[Mapping[str, Any]] = []
    told: set[str] = set()
    groups = await _groups(session, ids)
    for message in await _about(session, incident_id, ids, groups):
        group_id, asked_about = message.payload.get("group_id"), message.payload.get("approval_id")
        if group_id in groups and not groups[group_id]:
            rows += _changed([message], at)
            continue
        tell = message.kind == ASKS and message.recipient not in told
        told |= {message.recipient} if tell else set()
        payload = {
            "approval_id": asked_about if asked_about in ids else ids[-1],
            "asked": message.id,
            "tell": tell,
            "over": group_id in groups,
        }
        key = message.key + (_OVER if group_id in groups else f"/{SETTLED}")
        rows.append(_row(message, SETTLED, key, payload, at))
    await _queue(session, rows)


async def change(session: AsyncSession, incident_id: str, approval_id: str, at: datetime) -> None:
    """Queue a word about every message that asks about this approval and reads otherwise from now on."""
    await session.flush()
    groups = await _groups(session, [approval_id])
    await _queue(session, _changed(await _about(session, incident_id, [approval_id], groups), at))


async def _about(
    session: AsyncSession, incident_id: str, ids: list[str], groups: Collection[str]
) -> list[MessageModel]:
    """The messages that asked about these approvals of an incident, or about these groups; the oldest first."""
    payload = MessageModel.payload
    about = and_(MessageModel.incident_id == incident_id, payload["approval_id"].astext.in_(ids))
    if groups:
        about = or_(about, payload["group_id"].astext.in_(groups))
    found = select(MessageModel).where(MessageModel.kind.in_((ASKS, REMINDS)), about, goes_on())
    return list(await session.scalars(found.order_by(MessageModel.id)))


def goes_on() -> ColumnElement[bool]:
    """The condition that a message about a group asks still: who joins after its end is another question."""
    word = aliased(MessageModel)
    return ~exists().where(word.key == MessageModel.key + _OVER)


def _changed(messages: Iterable[MessageModel], at: datetime) -> list[Mapping[str, Any]]:
    """What is queued for those that can be changed, or may be on their way; others say how it is when they go."""
    return [
        _row(message, CHANGED, f"{message.key}/{CHANGED}/{at.isoformat()}", {"asked": message.id}, at)
        for message in messages
        if message.receipt is not None or (message.status == "pending" and message.attempts)
    ]


def _row(
    message: MessageModel, kind: str, key: str, payload: dict[str, Any], at: datetime
) -> Mapping[str, Any]:
    return {
        "key": key,
        "kind": kind,
        "recipient": message.recipient,
        "incident_id": message.incident_id,
        "payload": payload,
        "status": "pending",
        "created_at": at,
        "next_at": at,
    }


async def _queue(session: AsyncSession, rows: Collection[Mapping[str, Any]]) -> None:
    if rows:
        statement = insert(MessageModel).values(list(rows))
        await session.execute(statement.on_conflict_do_nothing(index_elements=["key"]))


async def _groups(session: AsyncSession, ids: Collection[str]) -> dict[str, bool]:
    """The groups of these approvals, and whether nobody in them waits for a decision any more."""
    other = aliased(MemberModel)
    waits = exists().where(
        other.group_id == MemberModel.group_id,
        ApprovalModel.id == other.approval_id,
        ApprovalModel.status == ApprovalStatus.PENDING,
    )
    statement = select(MemberModel.group_id, ~waits).where(MemberModel.approval_id.in_(ids)).distinct()
    return {row[0]: row[1] for row in await session.execute(statement)}
