"""Approvals: what waits, and the one place where a decision is taken over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from core.errors import Conflict
from core.incident import Approval, ApprovalStatus, Decision, DecisionKind, Reviewer
from server import story
from server.deps import RuntimeDep, Viewer
from server.errands import ApproversErrandDep, ErrandDep
from server.problems import ProblemError, documented
from store.handing_over import MAX_EXTENSION
from store.idempotency import Keep, unkept
from wiring.runtime import Runtime

router = APIRouter(prefix="/api/v1/approvals", tags=["approvals"])

#: How what changes an open question may be answered.
CHANGES = documented(401, 403, 404, 409, 410, 422, 503)


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
    useful: bool | None = Field(default=None, description="Whether the analysis was of use.")


class DelegateIn(BaseModel):
    """Who is to be asked too."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, max_length=254, description="An approver's name, as the policy writes it.")
    comment: str = Field(default="", max_length=4000)


class ExtendIn(BaseModel):
    """How much more time."""

    model_config = ConfigDict(extra="forbid")

    seconds: float | None = Field(
        default=None,
        gt=0,
        le=MAX_EXTENSION.total_seconds(),
        description="So much more; without it, as long again as there was (a week at most).",
    )
    comment: str = Field(default="", max_length=4000)


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
    return story.ApprovalPage(
        items=[story.approval(i, caller) for i in page.items], next_cursor=page.next_cursor
    )


@router.get("/{approval_id}", responses=documented(401, 404, 503))
async def get_approval(approval_id: str, runtime: RuntimeDep, caller: Viewer) -> story.ApprovalOut:
    """One approval, with the proposal and its hash."""
    return story.approval(await runtime.queries.approval(approval_id), caller)


@router.post("/{approval_id}/decision", response_model=Approval, responses=CHANGES)
async def decide(approval_id: str, body: DecisionIn, errand: ErrandDep) -> BaseModel | Response:
    """Decide. The same decision again is the first one; a different one gets 409 with the first one's facts."""
    decision = Decision(
        kind=body.decision,
        comment=body.comment,
        params=body.params,
        payload_sha256=body.payload_sha256,
        then=body.then,
        useful=body.useful,
    )

    async def work(keep: Keep) -> Approval:
        return await record_decision(errand.runtime, approval_id, decision, errand.caller, keep=keep)

    return await errand.decision(body.decision.value, work)


@router.post("/{approval_id}/delegate", response_model=Approval, responses=CHANGES)
async def delegate(approval_id: str, body: DelegateIn, errand: ApproversErrandDep) -> BaseModel | Response:
    """Ask another approver too. The caller, who must be allowed to decide, keeps the right to."""
    runtime = errand.runtime

    async def work(keep: Keep) -> Approval:
        return await runtime.store.delegate(
            approval_id, body.to, errand.caller, comment=body.comment, named=runtime.approvers, keep=keep
        )

    return await errand.answer(work)


@router.post("/{approval_id}/extend", response_model=Approval, responses=CHANGES)
async def extend(
    approval_id: str, errand: ApproversErrandDep, body: ExtendIn | None = None
) -> BaseModel | Response:
    """Take more time to decide, once: a second extension gets 409."""
    given = body or ExtendIn()

    async def work(keep: Keep) -> Approval:
        return await errand.runtime.store.extend(
            approval_id, errand.caller, seconds=given.seconds, comment=given.comment, keep=keep
        )

    return await errand.answer(work)


async def record_decision(
    runtime: Runtime,
    approval_id: str,
    decision: Decision,
    reviewer: Reviewer,
    *,
    link: str | None = None,
    keep: Keep = unkept,
) -> Approval:
    """Decide through the store; a conflict says who decided first, and what. `link`, `keep`: as `Store.decide` says.

    Raises:
        ProblemError: 409, with the standing approval as a member.
        Forbidden, Gone, InvalidInput, NotFound: As the store says.
    """
    try:
        return await runtime.store.decide(approval_id, decision, reviewer, link=link, keep=keep)
    except Conflict as error:
        standing = await runtime.store.approval(approval_id)
        raise ProblemError(
            409,
            "Decided already" if standing.decided_by else "Conflict",
            error.message,
            hint=error.hint,
            approval=standing.model_dump(mode="json"),
        ) from error
