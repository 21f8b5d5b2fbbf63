"""The console's pages of groups: those that wait, one with its members, and the form that decides on all of them."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from core.actions import Action, Proposal
from core.errors import InvalidInput, PitstopError
from core.groups import GroupAnswer
from core.incident import DecisionKind, Reviewer
from core.stakes import stakes
from server import group_links
from server.console import proposals
from server.console.forms import read_seconds, read_useful
from server.console.pages import frame, render
from server.console.visitors import Form, Reader, SessionsDep, reviewer, text
from server.deps import MetricsDep, RuntimeDep
from server.problems import Problem, ProblemError, from_exception
from server.rights import rights
from server.routes.groups import record_group_decision
from server.sessions import Sessions, Visitor
from store.group_views import Group, GroupMember
from store.people import listed
from wiring.runtime import Runtime

router = APIRouter(prefix="/console/groups", include_in_schema=False)


@router.get("")
async def list_page(
    runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep, cursor: str | None = None
) -> Response:
    """All groups, newest first."""
    page = await runtime.groups.listed(cursor=cursor)
    return render(
        "groups.html", **frame(visitor, sessions, "groups"), items=page.items, next=page.next_cursor
    )


@router.get("/{group_id}")
async def group_page(group_id: str, runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep) -> Response:
    """One group."""
    return await _page(runtime, visitor, sessions, group_id)


@router.get("/{group_id}/live")
async def live(
    request: Request,
    group_id: str,
    runtime: RuntimeDep,
    visitor: Reader,
    sessions: SessionsDep,
    seen: str = "",
) -> Response:
    """What changes by itself: the counts, and how each member stands. `seen` is the hash that the form holds."""
    group = await runtime.groups.get(group_id)
    return render("_group_live.html", **_context(runtime, visitor, sessions, group), seen=seen)


@router.post("/{group_id}/decision")
async def decide(
    group_id: str,
    runtime: RuntimeDep,
    visitor: Reader,
    sessions: SessionsDep,
    metrics: MetricsDep,
    form: Form,
) -> Response:
    """Take the decision; what went wrong is shown above the form, which then holds the group as it is now."""

    async def work() -> Group:
        answer = read_answer(form, text(form, "sha256"))
        decided = await record_group_decision(runtime, group_id, answer, reviewer(visitor))
        metrics.decisions.labels(answer.kind.value, "console").inc()
        return decided

    return await _changed(runtime, visitor, sessions, group_id, work)


@router.post("/{group_id}/delegate")
async def delegate(
    group_id: str, runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep, form: Form
) -> Response:
    """Ask another approver too about all that wait."""
    given = {"comment": text(form, "comment"), "named": runtime.approvers}

    async def work() -> Group:
        return await runtime.groups.delegate(group_id, text(form, "to", 254), reviewer(visitor), **given)

    return await _changed(runtime, visitor, sessions, group_id, work)


@router.post("/{group_id}/extend")
async def extend(
    group_id: str, runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep, form: Form
) -> Response:
    """Take more time for all that wait."""

    async def work() -> Group:
        seconds, comment = read_seconds(text(form, "seconds", 10)), text(form, "comment")
        return await runtime.groups.extend(group_id, reviewer(visitor), seconds=seconds, comment=comment)

    return await _changed(runtime, visitor, sessions, group_id, work)


async def _changed(
    runtime: Runtime,
    visitor: Visitor,
    sessions: Sessions,
    group_id: str,
    work: Callable[[], Awaitable[Group]],
) -> Response:
    """Do it and go back to the page, or show there what is wrong."""
    try:
        await work()
    except (PitstopError, ProblemError) as error:
        problem, _ = from_exception(error)
        return await _page(runtime, visitor, sessions, group_id, problem)
    return RedirectResponse(f"/console/groups/{group_id}", status_code=303)


def read_answer(form: FormData, sha256: str) -> GroupAnswer:
    """The answer in a form: `kind`, `comment`, `then`, `useful`, and `except` for each member left out.

    Args:
        sha256: The group's hash that the form showed.

    Raises:
        InvalidInput: The form was not one of ours.
    """
    kind = text(form, "kind")
    given = {
        "kind": kind,
        "sha256": sha256,
        "comment": text(form, "comment"),
        "then": text(form, "then") or "nothing" if kind == DecisionKind.REJECT else "nothing",
        "useful": read_useful(text(form, "useful")),
        "excepted": [str(value) for value in form.getlist("except")],
    }
    try:
        return GroupAnswer.model_validate(given)
    except ValidationError as error:
        wrong = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:5])
        raise InvalidInput(f"The form is not whole: {wrong}.") from error


async def _page(
    runtime: Runtime, visitor: Visitor, sessions: Sessions, group_id: str, problem: Problem | None = None
) -> Response:
    group = await runtime.groups.get(group_id)
    context = _context(runtime, visitor, sessions, group)
    status = problem.status if problem else 200
    return render("group.html", status, **context, seen=group.sha256 or "", problem=problem)


def _context(runtime: Runtime, visitor: Visitor, sessions: Sessions, group: Group) -> dict[str, Any]:
    going_on = any(decision.phase in ("canary", "released") for decision in group.decisions)
    return {
        **frame(visitor, sessions, "groups"),
        **told(group, reviewer(visitor)),
        "people": sorted(set(runtime.approvers)),
        "going_on": going_on or group.pending > 0,
    }


def told(group: Group, reader: Reviewer) -> dict[str, Any]:
    """What a page tells of a group's question, and what its reader may do with it."""
    waiting = group_links.waiting(group)
    alike, like_it = usual(waiting)
    return {
        "group": group,
        "rights": rights(group.approvers, [], reader),
        "barred": {item.approval_id for item in waiting if listed(reader.name, item.barred)},
        "waiting": waiting,
        "usual": alike,
        "like_it": like_it,
        "changes": proposals.changes(_proposal(group, alike), {}) if alike else [],
        "stakes": stakes(_proposal(group, alike), {}) if alike else [],
    }


def usual(waiting: Sequence[GroupMember]) -> tuple[GroupMember | None, int]:
    """A member whose parameters most of those that wait have, and how many these are."""
    if not waiting:
        return None, 0
    written = [json.dumps(item.params, sort_keys=True) for item in waiting]
    text, count = Counter(written).most_common(1)[0]
    return waiting[written.index(text)], count


def _proposal(group: Group, member: GroupMember) -> Proposal:
    return Proposal(action=Action(group.action), params=member.params, reason="", confidence=0.0)
