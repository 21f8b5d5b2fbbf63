"""Deciding: who may, on what, until when; once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from core import edits
from core.actions import Action, Params, Proposal, check_params, payload_sha256
from core.errors import Conflict, Forbidden, Gone, InvalidInput
from core.incident import Approval, ApprovalStatus, Decision, DecisionKind, Reviewer, Status
from store import duties, events, notices
from store.approvals import iso, view
from store.incidents import LOOK_AFTER
from store.models import ApprovalModel, IncidentModel
from store.people import listed

STATUS_AFTER: Mapping[DecisionKind, ApprovalStatus] = {
    DecisionKind.APPROVE: ApprovalStatus.APPROVED,
    DecisionKind.EDIT: ApprovalStatus.EDITED,
    DecisionKind.REJECT: ApprovalStatus.REJECTED,
    DecisionKind.RESPOND: ApprovalStatus.RESPONDED,
}
#: What the incident is doing once a decision is known; a rejection leads to its end.
INCIDENT_AFTER: Mapping[DecisionKind, Status] = {
    DecisionKind.APPROVE: Status.ACTING,
    DecisionKind.EDIT: Status.ACTING,
    DecisionKind.RESPOND: Status.INVESTIGATING,
}


@dataclass(frozen=True)
class Subject:
    """What an edit is checked against beside the approval: what the policy goes by, and the incident's facts."""

    job_name: str
    tags: dict[str, str]
    failure_class: str | None
    facts: dict[str, Any]


class CheckEdit(Protocol):
    """Holds edited parameters against the policy's ranges."""

    def __call__(self, approval: Approval, action: Action, params: Params, about: Subject) -> None:
        """Raises: InvalidInput: a value is out of its range; the message names it."""
        ...


@dataclass(frozen=True)
class Answer:
    """One decision by one reviewer, at one time."""

    decision: Decision
    reviewer: Reviewer
    at: datetime


def may_decide(approvers: Sequence[object], reviewer: Reviewer) -> bool:
    """Whether `reviewer` may decide where `approvers` may (all approvers, when the list is empty)."""
    if reviewer.role == "admin":
        return True
    return reviewer.role == "approver" and (not approvers or listed(reviewer.name, approvers))


def check_may_decide(row: ApprovalModel, reviewer: Reviewer) -> None:
    """Raises: Forbidden: `reviewer` may not decide on `row`."""
    if not may_decide(row.approvers, reviewer):
        raise Forbidden(
            f"{reviewer.name} may not decide on this.",
            hint="It takes an approver that the policy names for this job, or an admin.",
        )


async def decide(
    session: AsyncSession,
    incident: IncidentModel,
    row: ApprovalModel,
    answer: Answer,
    check_edit: CheckEdit,
) -> bool:
    """Decide on `row`, both rows locked; False when the very same decision stood already.

    Raises:
        Forbidden, Conflict, Gone, InvalidInput: As `nodes.rows.Store.decide` says.
    """
    decision, reviewer = answer.decision, answer.reviewer
    check_may_decide(row, reviewer)
    _whole(decision)
    if row.status != ApprovalStatus.PENDING:
        if _same(row, decision, reviewer):
            return False
        raise too_late(row)
    if row.expires_at is not None and row.expires_at <= answer.at:
        raise Gone(f"The time to decide ended at {iso(row.expires_at)}.")
    if _asked_already(row, decision, reviewer):
        return False
    if decision.payload_sha256 not in (None, row.payload_sha256):
        raise Conflict(
            "The proposal is not the one that this decision was made on.",
            hint=f"Look at it again: its hash is {row.payload_sha256} now.",
        )
    duties.check_may_approve(row, decision, reviewer)
    before = row.proposal
    if decision.kind is DecisionKind.EDIT:
        _edit(incident, row, answer, check_edit)
        if row.separate_duties:
            await duties.ask_another(session, row, before, reviewer, decision.comment, answer.at)
            return True
    row.status = STATUS_AFTER[decision.kind]
    row.decided_at, row.decided_by, row.channel = answer.at, reviewer.name, reviewer.channel
    row.comment, row.then_do, row.useful = decision.comment, decision.then, decision.useful
    _move(incident, decision, reviewer, answer.at)
    await events.append(
        session, incident.id, "decided", _facts(row, before, reviewer), key=f"decided/{row.id}", at=answer.at
    )
    await notices.settle(session, incident.id, [row.id], answer.at)
    return True


def _whole(decision: Decision) -> None:
    """Raises: InvalidInput: a part is missing, or does not belong to this kind of decision."""
    if decision.then != "nothing" and decision.kind is not DecisionKind.REJECT:
        raise InvalidInput("Only a rejection can stop the run or take the incident over.")
    if decision.kind is DecisionKind.RESPOND and not decision.comment.strip():
        raise InvalidInput("A response needs a comment: it is the hint that is looked into.")
    if decision.kind is DecisionKind.EDIT and decision.params is None:
        raise InvalidInput("An edit needs the edited parameters.")


def _same(row: ApprovalModel, decision: Decision, reviewer: Reviewer) -> bool:
    """Whether `row` holds exactly this decision of this person, sent again."""
    if row.status != STATUS_AFTER[decision.kind] or row.decided_by != reviewer.name:
        return False
    if decision.payload_sha256 not in (None, row.original_sha256, row.payload_sha256):
        return False
    if decision.kind is DecisionKind.EDIT:
        try:
            _, sha = _edited(row, decision)
        except InvalidInput:
            return False
        return sha == row.payload_sha256
    if decision.kind is DecisionKind.RESPOND:
        return decision.comment == row.comment
    return decision.then == row.then_do


def _asked_already(row: ApprovalModel, decision: Decision, reviewer: Reviewer) -> bool:
    """Whether `row` waits for somebody else with exactly this edit of this person, sent again."""
    if (
        decision.kind is not DecisionKind.EDIT
        or not row.separate_duties
        or not listed(reviewer.name, row.barred)
    ):
        return False
    return row.payload_sha256 != row.original_sha256 and _edited(row, decision)[1] == row.payload_sha256


def too_late(row: ApprovalModel) -> Conflict | Gone:
    """Why a row that is not pending can't be decided."""
    if row.status == ApprovalStatus.EXPIRED:
        return Gone(f"The time to decide ended at {iso(row.expires_at)}.")
    if row.status == ApprovalStatus.SUPERSEDED:
        return Conflict(
            "This proposal was superseded: there is a newer one, or the incident needs none any more.",
            hint="Look at the incident again.",
        )
    return Conflict(
        f"{row.decided_by} has {row.status} this already, at {iso(row.decided_at)} through {row.channel}.",
        hint=f"Their comment: {row.comment}" if row.comment else "",
    )


def _edit(incident: IncidentModel, row: ApprovalModel, answer: Answer, check_edit: CheckEdit) -> None:
    """Put the edited parameters, what they changed, and their hash into the row."""
    params, sha = _edited(row, answer.decision)
    about = Subject(
        job_name=incident.job_name,
        tags=incident.tags,
        failure_class=incident.failure_class,
        facts=incident.facts,
    )
    check_edit(view(row, claimed=False), Action(row.action), params, about)
    proposal = edits.edited(Proposal.model_validate(row.original), params, answer.reviewer.name)
    row.proposal, row.payload_sha256 = proposal.model_dump(mode="json"), sha


def _edited(row: ApprovalModel, decision: Decision) -> tuple[Params, str]:
    """The edited parameters and their hash. The action is the row's: another would pass as what was asked for.

    Raises:
        Conflict: The edit names another action.
        InvalidInput: The parameters don't fit the action.
    """
    action = Action(row.action)
    if decision.action is not None and decision.action != action:
        raise Conflict(
            f"An edit may not turn {action.value} into {decision.action}.",
            hint="Reject it, or respond with a hint.",
        )
    try:
        json.dumps(decision.params, allow_nan=False).encode()
    except ValueError as error:
        raise InvalidInput("The parameters hold a number that is not finite.") from error
    if "\\u0000" in json.dumps(decision.params):
        raise InvalidInput("The parameters hold a NUL character.")
    params = check_params(action, decision.params)
    return params, payload_sha256(row.incident_id, row.attempt, action, params)


def _move(incident: IncidentModel, decision: Decision, reviewer: Reviewer, at: datetime) -> None:
    """What a decision means for the incident itself."""
    if decision.then == "take_over":
        incident.taken_over_by, incident.status = reviewer.name, Status.TAKEN_OVER
    elif decision.kind in INCIDENT_AFTER:
        incident.status = INCIDENT_AFTER[decision.kind]
    incident.wake_at, incident.updated_at = at + LOOK_AFTER, at


def _facts(row: ApprovalModel, before: dict[str, Any], reviewer: Reviewer) -> dict[str, Any]:
    """What the audit trail keeps of a decision."""
    facts: dict[str, Any] = {
        "approval_id": row.id,
        "action": row.action,
        "status": row.status,
        "by": reviewer.name,
        "role": reviewer.role,
        "channel": reviewer.channel,
        "comment": row.comment,
        "then": row.then_do,
        "payload_sha256": row.payload_sha256,
        "useful": row.useful,
    }
    if row.status == ApprovalStatus.EDITED:
        facts["params_before"], facts["params_after"] = before["params"], row.proposal["params"]
    return facts
