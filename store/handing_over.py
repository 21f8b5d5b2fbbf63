"""What approvers may do to a question beside answering it: ask another one too, and take more time, once."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict, Gone, InvalidInput
from core.groups import group_sha256
from core.incident import ApprovalStatus, Reviewer
from store import events, notices, outbox
from store.approvals import iso
from store.decisions import check_may_decide, too_late
from store.models import ApprovalModel, GroupModel, IncidentModel, new_id
from store.people import listed, role_of

MAX_EXTENSION = timedelta(days=7)


@dataclass(frozen=True)
class HandOn:
    """Who is to be asked too, by whom, and what they are told."""

    to: str
    by: Reviewer
    comment: str


async def delegate(
    session: AsyncSession, row: ApprovalModel, handed: HandOn, named: Collection[str], at: datetime
) -> None:
    """Let one more decide on `row`, and ask them; both the row and its incident are locked.

    Whoever delegates keeps the right to decide: if the other one sleeps, the question is not lost. Where every
    approver may decide anyway the list stays empty, and the other one is only asked.

    Args:
        named: Everyone whom the policy or the settings name as an approver.

    Raises:
        Forbidden: Whoever hands it on may not decide on this.
        Conflict, Gone: It is not open any more.
        InvalidInput: It is handed to nobody who may be an approver.
    """
    _check_open(row, handed.by, at)
    await _check_approver(session, handed, [*named, *row.approvers], at)
    await _hand_on(session, row, handed, at)
    await _ask(session, row, handed, row.id, {}, at)


async def delegate_group(
    session: AsyncSession,
    group: GroupModel,
    rows: Sequence[ApprovalModel],
    handed: HandOn,
    named: Collection[str],
    at: datetime,
) -> None:
    """The same for all (locked) members of a group that wait, and for who joins them; asked in one message.

    Raises: as `delegate`.
    """
    for row in rows:
        _check_open(row, handed.by, at)
    await _check_approver(session, handed, [*named, *rows[0].approvers], at)
    for row in rows:
        await _hand_on(session, row, handed, at, group_id=group.id)
    if not listed(handed.to, group.asked_too):
        group.asked_too = [*group.asked_too, handed.to]
    sha256 = group_sha256(group.id, [(row.id, row.payload_sha256) for row in rows])
    await _ask(session, rows[0], handed, f"{group.id}/{sha256[:16]}", {"group_id": group.id}, at)


async def _hand_on(
    session: AsyncSession, row: ApprovalModel, handed: HandOn, at: datetime, **about: str
) -> None:
    """Name the other one in the row, and write it down."""
    if row.approvers and not listed(handed.to, row.approvers):
        row.approvers = [*row.approvers, handed.to]
    facts = {
        "approval_id": row.id,
        "by": handed.by.name,
        "to": handed.to,
        "channel": handed.by.channel,
        "comment": handed.comment,
        "payload_sha256": row.payload_sha256,
        **about,
    }
    key = f"delegated/{row.id}/{new_id('evt')}"
    await events.append(session, row.incident_id, "delegated", facts, key=key, at=at)


async def _check_approver(
    session: AsyncSession, handed: HandOn, named: Collection[object], at: datetime
) -> None:
    """Raises: InvalidInput: It is handed to nobody who may be an approver, or to whoever hands it on."""
    name = handed.to
    if listed(name, [handed.by.name]):
        raise InvalidInput("That is you: you are asked already.", hint="Name another approver.")
    if await role_of(session, name, named, at) not in ("approver", "admin"):
        raise InvalidInput(
            f"{name[:100]!r} can't be asked: this is no approver.",
            hint="Name somebody whom the policy names as an approver, or who holds an approver's token.",
        )


async def _ask(
    session: AsyncSession,
    row: ApprovalModel,
    handed: HandOn,
    question: str,
    about: Mapping[str, str],
    at: datetime,
) -> None:
    """Queue the question for the one it is handed to, if that is an address: also where they were asked before.

    The same handed on again, by the same person with the same words, is said once.
    """
    said = hashlib.sha256(f"{handed.by.name.casefold()}/{handed.comment}".encode()).hexdigest()[:12]
    key = f"approval/{question}/handed/{said}"
    if "@" in handed.to or ":" in handed.to:
        payload = {
            "approval_id": row.id,
            "delegated_by": handed.by.name,
            "comment": handed.comment,
            **about,
        }
        await outbox.put(session, row.incident_id, "approval", [handed.to], key=key, payload=payload, at=at)


async def extend(
    session: AsyncSession,
    incident: IncidentModel,
    row: ApprovalModel,
    by: Reviewer,
    *,
    seconds: float | None,
    comment: str,
    at: datetime,
) -> None:
    """Give `row` more time, once: `seconds` more, or as long again as it had; both rows are locked.

    Raises:
        Forbidden: `by` may not decide on this.
        Conflict: It was extended before, or is decided; Gone: too late.
        InvalidInput: It would be longer than a week.
    """
    _check_open(row, by, at)
    if row.extended_at is not None:
        raise Conflict(
            f"The time was extended already, at {iso(row.extended_at)}; it ends at {iso(row.expires_at)}.",
            hint="Decide, or delegate it to somebody else.",
        )
    if row.expires_at is None:
        raise Conflict("This approval has no end that could be moved.")
    more = timedelta(seconds=seconds) if seconds is not None else row.expires_at - row.created_at
    more = min(more, MAX_EXTENSION) if seconds is None else more
    if not timedelta() < more <= MAX_EXTENSION:
        raise InvalidInput("An extension is longer than nothing and at most 7 days.")
    before = row.expires_at
    row.expires_at, row.extended_at, row.reminders = before + more, at, 0
    incident.wake_at = row.expires_at
    facts = {
        "approval_id": row.id,
        "by": by.name,
        "channel": by.channel,
        "comment": comment,
        "expired_at": iso(before),
        "expires_at": iso(row.expires_at),
    }
    await events.append(session, row.incident_id, "extended", facts, key=f"extended/{row.id}", at=at)
    await notices.change(session, row.incident_id, row.id, at)


def _check_open(row: ApprovalModel, by: Reviewer, at: datetime) -> None:
    """Raises: Forbidden: `by` may not decide on the row. Conflict, Gone: it is not open for a decision."""
    check_may_decide(row, by)
    if row.status != ApprovalStatus.PENDING:
        raise too_late(row)
    if row.expires_at is not None and row.expires_at <= at:
        raise Gone(f"The time to decide ended at {iso(row.expires_at)}.")
