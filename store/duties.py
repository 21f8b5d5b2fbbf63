"""Separation of duties: whoever started the run by hand, or edited the proposal, does not wave it through.

They may reject it, respond to it, and edit it; an edit under this rule is not an approval, but asks somebody else.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Forbidden
from core.incident import Decision, DecisionKind, Reviewer
from store import events, notices, outbox
from store.models import ApprovalModel, MemberModel, MessageModel
from store.notices import ASKS
from store.people import listed


def why_barred(name: str, barred: Collection[object]) -> str:
    """Why `name` may not approve where `barred` may not; empty for anybody else."""
    if not listed(name, barred):
        return ""
    return f"{name} started this run by hand or edited this proposal, so somebody else approves it."


def check_may_approve(row: ApprovalModel, decision: Decision, reviewer: Reviewer) -> None:
    """Raises: Forbidden: `reviewer` is barred from approving `row`."""
    why = why_barred(reviewer.name, row.barred) if decision.kind is DecisionKind.APPROVE else ""
    if why:
        raise Forbidden(
            why, hint="Delegate it, or ask another approver; rejecting and responding is open to you."
        )


async def ask_another(
    session: AsyncSession,
    row: ApprovalModel,
    before: dict[str, Any],
    by: Reviewer,
    comment: str,
    at: datetime,
) -> None:
    """Leave the edited `row` pending, under its new hash, for anybody but `by`; ask everyone else anew.

    "Everyone" are the named approvers and whoever was asked before, rooms too.

    The row stays the one that the thread waits on, so what was decided on the old hash is refused from now on.
    """
    if not listed(by.name, row.barred):
        row.barred = [*row.barred, by.name]
    facts = {
        "approval_id": row.id,
        "by": by.name,
        "role": by.role,
        "channel": by.channel,
        "comment": comment,
        "payload_sha256": row.payload_sha256,
        "params_before": before["params"],
        "params_after": row.proposal["params"],
    }
    step = f"{row.id}/{row.payload_sha256[:16]}/{at.isoformat()}"
    await events.append(session, row.incident_id, "edited", facts, key=f"edited/{step}", at=at)
    await notices.change(session, row.incident_id, row.id, at)
    named = [name for name in map(str, row.approvers) if "@" in name or ":" in name]
    others = [*named, *await asked(session, row)]
    await outbox.put(
        session,
        row.incident_id,
        "approval",
        [name for name in others if not listed(name, row.barred)],
        key=f"approval/{step}",
        payload={"approval_id": row.id, "edited_by": by.name, "comment": comment},
        at=at,
    )


async def asked(session: AsyncSession, row: ApprovalModel) -> list[str]:
    """Everyone whom a message asked about `row`, alone or with its group."""
    groups = select(MemberModel.group_id).where(MemberModel.approval_id == row.id)
    about = or_(
        MessageModel.payload["approval_id"].astext == row.id,
        MessageModel.payload["group_id"].astext.in_(groups),
    )
    found = await session.scalars(
        select(MessageModel.recipient).where(MessageModel.kind == ASKS, about).order_by(MessageModel.id)
    )
    return list(found)
