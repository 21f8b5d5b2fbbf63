"""Approvals: what waits, and the one place where a decision is taken over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core.errors import Conflict
from core.incident import Approval, ApprovalStatus, Decision, DecisionKind, Reviewer
from server import story
from server.deps import MetricsDep, RuntimeDep, Viewer
from server.problems import ProblemError, documented
from wiring.runtime import Runtime

router = APIRouter(prefix="/api/v1/approvals", tags=["approvals"])


class DecisionIn(BaseModel):
    """A decision on one approval."""

    model_config = ConfigDict(extra="forbid")

    decision: DecisionKind
    params: dict[str, Any] | None = Field(
        default=None, description="With `edit`: the whole edited parameters."
    )
    comment: str = Field(default="", max_length=4000, description="With `respond`: the hint to look into.")
    payload_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="The hash of the proposal that was looked at; another one by now gives 409.",
    )
    then: Literal["nothing", "terminate", "take_over"] = Field(
        default="nothing", description="With `reject`: stop the run, or take the incident over by hand."
    )


@router.get("", responses=documented(401, 422, 503))
async def list_approvals(
    runtime: RuntimeDep,
    caller: Viewer,
    status: Annotated[
        list[ApprovalStatus] | None, Query(description="Only these; `pending` by default.")
    ] = None,
    mine: Annotated[bool, Query(description="Only those that the caller may decide.")] = False,
    each: Annotated[
        bool, Query(description="Also every pending member of a group, and not only its oldest.")
    ] = False,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> story.ApprovalPage:
    """Approvals, newest first."""
    page = await runtime.queries.approvals(
        status=status or [ApprovalStatus.PENDING],
        reviewer=caller if mine else None,
        once=not each,
        cursor=cursor,
        limit=limit,
    )
    return story.ApprovalPage(items=[story.approval(i) for i in page.items], next_cursor=page.next_cursor)


@router.get("/{approval_id}", responses=documented(401, 404, 503))
async def get_approval(approval_id: str, runtime: RuntimeDep, caller: Viewer) -> story.ApprovalOut:
    """One approval, with the proposal and its hash."""
    return story.approval(await runtime.queries.approval(approval_id))


@router.post("/{approval_id}/decision", responses=documented(401, 403, 404, 409, 410, 422, 503))
async def decide(
    approval_id: str, body: DecisionIn, runtime: RuntimeDep, caller: Viewer, metrics: MetricsDep
) -> Approval:
    """Decide. The same decision again is the first one; a different one gets 409 with the first one's facts."""
    decision = Decision(
        kind=body.decision,
        comment=body.comment,
        params=body.params,
        payload_sha256=body.payload_sha256,
        then=body.then,
    )
    decided = await record_decision(runtime, approval_id, decision, caller)
    metrics.decisions.labels(body.decision.value, caller.channel).inc()
    return decided


async def record_decision(
    runtime: Runtime, approval_id: str, decision: Decision, reviewer: Reviewer
) -> Approval:
    """Decide through the store; a conflict says who decided first, and what.

    Raises:
        ProblemError: 409, with the standing approval as a member.
        Forbidden, Gone, InvalidInput, NotFound: As the store says.
    """
    try:
        return await runtime.store.decide(approval_id, decision, reviewer)
    except Conflict as error:
        standing = await runtime.store.approval(approval_id)
        raise ProblemError(
            409,
            "Decided already" if standing.decided_by else "Conflict",
            error.message,
            hint=error.hint,
            approval=standing.model_dump(mode="json"),
        ) from error
