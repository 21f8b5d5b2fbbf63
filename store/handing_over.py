"""What approvers may do to a question beside answering it: ask another one too, and take more time, once."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict, Gone, InvalidInput
from core.incident import ApprovalStatus, Reviewer
from store import events, outbox
from store.approvals import iso
from store.decisions import check_may_decide, too_late
from store.models import ApprovalModel, IncidentModel, new_id
from store.people import listed, role_of

MAX_EXTENSION = timedelta(days=7)


async def delegate(
    session: AsyncSession,
    row: ApprovalModel,
    to: str,
    by: Reviewer,
    *,
    comment: str,
    named: Collection[str],
    at: datetime,
) -> None:
    """Let `to` decide on `row` too, and ask them; both the row and its incident are locked.

    Whoever delegates keeps the right to decide: if the other one sleeps, the question is not lost. Where every
    approver may decide anyway the list stays empty, and `to` is only asked.

    Raises:
        Forbidden: `by` may not decide on this, so can't hand it on.
        Conflict, Gone: It is not open any more.
        InvalidInput: `to` is nobody who may be an approver.
    """
    to = to.strip()
    check_may_decide(row, by)
    _check_open(row, at)
    if await role_of(session, to, [*named, *row.approvers], at) not in ("approver", "admin"):
        raise InvalidInput(
            f"{to[:100]!r} can't be asked: this is no approver.",
            hint="Name somebody whom the policy names as an approver, or who holds an approver's token.",
        )
    if row.approvers and not listed(to, row.approvers):
        row.approvers = [*row.approvers, to]
    facts = {
        "approval_id": row.id,
        "by": by.name,
        "to": to,
        "channel": by.channel,
        "comment": comment,
        "payload_sha256": row.payload_sha256,
    }
    key = f"delegated/{row.id}/{new_id('evt')}"
    await events.append(session, row.incident_id, "delegated", facts, key=key, at=at)
    if "@" in to or ":" in to:
        await outbox.put(
            session,
            row.incident_id,
            "approval",
            [to],
            key=f"approval/{row.id}",
            payload={"approval_id": row.id, "delegated_by": by.name, "comment": comment},
            at=at,
        )


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
    check_may_decide(row, by)
    _check_open(row, at)
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


def _check_open(row: ApprovalModel, at: datetime) -> None:
    """Raises: Conflict, Gone: the row is not open for a decision."""
    if row.status != ApprovalStatus.PENDING:
        raise too_late(row)
    if row.expires_at is not None and row.expires_at <= at:
        raise Gone(f"The time to decide ended at {iso(row.expires_at)}.")
