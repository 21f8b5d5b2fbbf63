"""The queue: what waits for a decision, the most pressing first, as the console and the terminal show it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core.incident import Category
from server.console.queue import Line, lines
from server.deps import RuntimeDep, Viewer
from server.problems import documented
from server.rights import Rights
from store.waiting import Waiting, WaitingRoom

router = APIRouter(prefix="/api/v1/queue", tags=["approvals"])


class Reason(BaseModel):
    """Why a question stands where it does."""

    kind: str = Field(description="`critical`, `running`, `many`, `downstream`, `soon` or `skipped`.")
    text: str


class Question(Waiting, Rights):
    """One open question; a group of one cause is one. Nothing decides here: see `approvals` and `groups`."""

    model_config = ConfigDict(frozen=True)

    reasons: list[Reason] = Field(description="What makes it pressing, the weightiest first.")


class Queue(BaseModel):
    """The questions, the most pressing first."""

    caller: str = Field(description="Whose token asked.")
    total: int = Field(description="How many there are, with those that `limit` left out.")
    items: list[Question]


@router.get("", responses=documented(401, 422, 503))
async def show(
    runtime: RuntimeDep,
    caller: Viewer,
    mine: Annotated[bool, Query(description="Only what the caller may decide.")] = False,
    category: Category | None = None,
    failure_class: Annotated[str, Query(max_length=100)] = "",
    q: Annotated[
        str, Query(max_length=200, description="Looked for in ids, job names, classes, causes.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> Queue:
    """Everything that waits for a decision, by how pressing it is: money burning, others waiting, then age.

    What the caller may not approve comes last: somebody else is waited for.
    """
    found = await WaitingRoom(runtime.db, runtime.clock).all(
        reviewer=caller if mine else None, category=category, failure_class=failure_class, text=q
    )
    ordered = lines(found.items, runtime.policy, runtime.clock.now(), caller)
    return Queue(caller=caller.name, total=found.total, items=[_question(line) for line in ordered[:limit]])


def _question(line: Line) -> Question:
    reasons = [Reason(kind=kind, text=text) for kind, text in line.reasons]
    return Question(**dict(line.waiting), **dict(line.rights), reasons=reasons)
