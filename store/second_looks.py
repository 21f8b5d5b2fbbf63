"""Whether a second look may begin, and its mark in the incident's row, which the graph goes by."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.errors import Conflict
from core.incident import FINISHED, ApprovalStatus, Status
from core.second_look import SecondLook
from store.models import ApprovalModel, IncidentModel

#: The kind of event; its key counts up, so that the first one can be asked for by name.
ASKED = "second_look"
_WHY_NOT = {
    Status.NEW: "Pitstop has not looked yet: what is attached now will be read.",
    Status.INVESTIGATING: "Pitstop is looking into it right now. Ask when its proposal is there.",
    Status.ACTING: "Pitstop is acting on it: an action that was approved is under way.",
    Status.VERIFYING: "Pitstop waits for the run that was started: how it ends is not known yet.",
    Status.MUTED: "It is muted. Unmute it first.",
    Status.BROKEN: "It is broken. Mend what the note says, then try again.",
}


async def check(session: AsyncSession, row: IncidentModel) -> None:
    """Whether `row`, locked, waits for a person: for a decision, or left to people.

    Raises:
        Conflict: It does not; the message says what it does.
    """
    if row.status in FINISHED:
        raise Conflict(f"Incident {row.id} is {row.status} already.", hint="Have the run investigated anew.")
    if row.taken_over_by is not None:
        raise Conflict(f"{row.taken_over_by} has taken incident {row.id} over and mends it by hand.")
    if row.status in _WHY_NOT:
        raise Conflict(_WHY_NOT[Status(row.status)])
    if row.status == Status.AWAITING_APPROVAL and not await _waits(session, row):
        raise Conflict("It was decided on just now. Look at what becomes of it first.")


async def begin(session: AsyncSession, row: IncidentModel, *, by: str, hint: str) -> SecondLook:
    """Mark `row`, which `check` let pass, as being looked into again; its graph, where it ended, is open again."""
    newest = await session.execute(
        select(ApprovalModel.attempt, ApprovalModel.revision)
        .where(ApprovalModel.incident_id == row.id)
        .order_by(ApprovalModel.attempt.desc(), ApprovalModel.revision.desc())
        .limit(1)
    )
    attempt, revision = newest.one_or_none() or (row.attempt, 0)
    times = row.facts.get("second_look", {}).get("times", 0) + 1
    look = SecondLook(by=by, attempt=attempt, revision=revision + 1, hint=hint, times=times)
    row.facts = {**row.facts, "second_look": look.model_dump(mode="json")}
    row.status, row.outcome, row.note = Status.INVESTIGATING, None, ""
    return look


async def _waits(session: AsyncSession, row: IncidentModel) -> bool:
    """Whether one of its approvals is open."""
    pending = exists().where(
        ApprovalModel.incident_id == row.id, ApprovalModel.status == ApprovalStatus.PENDING
    )
    return bool(await session.scalar(select(pending)))
