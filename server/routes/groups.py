"""Groups: many failures of one cause, decided on together."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from core.errors import Conflict
from core.groups import GroupAnswer
from core.incident import DecisionKind, Reviewer
from server.deps import RuntimeDep, Viewer
from server.errands import ApproversErrandDep, ErrandDep
from server.problems import ProblemError, documented
from server.routes.approvals import CHANGES, DelegateIn, ExtendIn
from store.group_views import Group, GroupSummary
from store.idempotency import Keep, unkept
from store.views import Page
from wiring.runtime import Runtime

router = APIRouter(prefix="/api/v1/groups", tags=["groups"])


class GroupDecisionIn(BaseModel):
    """A decision on every member of a group that waits for one."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "reject", "respond"] = Field(
        description="Parameters are edited member by member, by each one's own approval."
    )
    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="The group's hash that was looked at; members who joined, left or changed since give 409.",
    )
    excepted: list[str] = Field(
        default_factory=list,
        max_length=1000,
        alias="except",
        description="Members (by the incident's or the approval's id) that this is not about; they go on waiting.",
    )
    comment: str = Field(default="", max_length=4000, description="With `respond`: the hint to look into.")
    then: Literal["nothing", "terminate", "take_over"] = Field(
        default="nothing", description="With `reject`: stop the runs, or take the incidents over by hand."
    )
    useful: bool | None = Field(default=None, description="Whether the analysis was of use.")

    def answer(self) -> GroupAnswer:
        """The same as the store takes it."""
        return GroupAnswer.model_validate(
            {
                "kind": DecisionKind(self.decision),
                "sha256": self.sha256,
                "comment": self.comment,
                "then": self.then,
                "excepted": self.excepted,
                "useful": self.useful,
            }
        )


@router.get("", responses=documented(401, 422, 503))
async def list_groups(
    runtime: RuntimeDep,
    caller: Viewer,
    status: Annotated[
        Literal["pending", "all"], Query(description="`pending`: only those that wait for a decision.")
    ] = "pending",
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[GroupSummary]:
    """Groups, newest first."""
    return await runtime.groups.listed(waiting=status == "pending", cursor=cursor, limit=limit)


@router.get("/{group_id}", responses=documented(401, 404, 503))
async def get_group(group_id: str, runtime: RuntimeDep, caller: Viewer) -> Group:
    """One group: its members and how each stands, the decisions on it, who goes first."""
    return await runtime.groups.get(group_id)


@router.post("/{group_id}/decision", response_model=Group, responses=CHANGES)
async def decide(group_id: str, body: GroupDecisionIn, errand: ErrandDep) -> BaseModel | Response:
    """Decide on all members that wait, or on none. The same decision again is the first one."""

    async def work(keep: Keep) -> Group:
        return await record_group_decision(errand.runtime, group_id, body.answer(), errand.caller, keep=keep)

    return await errand.decision(body.decision, work)


@router.post("/{group_id}/delegate", response_model=Group, responses=CHANGES)
async def delegate(group_id: str, body: DelegateIn, errand: ApproversErrandDep) -> BaseModel | Response:
    """Ask another approver too about all that wait, in one message; they may answer for who joins later as well.

    The caller, who must be allowed to decide on all of them, keeps the right to.
    """
    runtime = errand.runtime

    async def work(keep: Keep) -> Group:
        return await runtime.groups.delegate(
            group_id, body.to, errand.caller, comment=body.comment, named=runtime.approvers, keep=keep
        )

    return await errand.answer(work)


@router.post("/{group_id}/extend", response_model=Group, responses=CHANGES)
async def extend(
    group_id: str, errand: ApproversErrandDep, body: ExtendIn | None = None
) -> BaseModel | Response:
    """Take more time for all that wait, each once: when none is left that was not extended, it is 409."""
    given = body or ExtendIn()

    async def work(keep: Keep) -> Group:
        return await errand.runtime.groups.extend(
            group_id, errand.caller, seconds=given.seconds, comment=given.comment, keep=keep
        )

    return await errand.answer(work)


async def record_group_decision(
    runtime: Runtime,
    group_id: str,
    answer: GroupAnswer,
    reviewer: Reviewer,
    *,
    link: str | None = None,
    keep: Keep = unkept,
) -> Group:
    """Decide through the store; a conflict says how the group stands now. `link`, `keep`: as `GroupDesk.decide` says.

    Raises:
        ProblemError: 409, with the group as a member (its `items` left out).
        Forbidden, Gone, InvalidInput, NotFound: As the store says.
    """
    try:
        return await runtime.groups.decide(group_id, answer, reviewer, link=link, keep=keep)
    except Conflict as error:
        standing = await runtime.groups.get(group_id)
        raise ProblemError(
            409,
            "Conflict",
            error.message,
            hint=error.hint,
            group=standing.model_dump(mode="json", exclude={"items"}),
        ) from error
