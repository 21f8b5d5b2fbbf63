"""What a caller may do with a question, said before they try it. The store checks the same once more."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from core.incident import Reviewer
from store.decisions import may_decide
from store.duties import why_barred


class Right(BaseModel):
    """Whether the caller may, and if not, why."""

    allowed: bool
    why: str = Field(default="", description="Why not, in a sentence; empty where it is allowed.")


class Rights(BaseModel):
    """What the caller may do with an open question."""

    may_decide: Right = Field(description="Reject it, respond to it, edit it, hand it on, extend its time.")
    may_approve: Right = Field(
        description="Approve it: also not for whoever started the run by hand or edited the proposal, "
        "where the policy separates duties."
    )


def rights(approvers: Sequence[object], barred: Sequence[object], caller: Reviewer) -> Rights:
    """The rights of `caller` where `approvers` may decide (nobody named: all approvers) but not `barred` approve."""
    decide = Right(allowed=True)
    if not may_decide(approvers, caller):
        decide = Right(allowed=False, why=_why_not(approvers, caller))
    why = decide.why or why_barred(caller.name, barred)
    return Rights(may_decide=decide, may_approve=Right(allowed=not why, why=why))


def _why_not(approvers: Sequence[object], caller: Reviewer) -> str:
    if caller.role == "viewer":
        return f"{caller.name} is a viewer; deciding takes an approver."
    named = [str(name) for name in approvers]
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return f"This is for {', '.join(named[:3])}{more} to decide."
