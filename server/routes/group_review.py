"""The page behind a link to a group's question. Looking decides nothing; a person's own POST does, once."""

from collections.abc import Collection

from fastapi import APIRouter, Request
from fastapi.responses import Response

from core.errors import PitstopError
from server import group_links, review_links
from server.console.groups import read_answer, told, usual
from server.console.visitors import text
from server.deps import MetricsDep, RuntimeDep
from server.group_links import Holder
from server.problems import Problem, ProblemError, from_exception
from server.routes.groups import record_group_decision
from server.routes.review import MAX_EVIDENCE, answer_page, check_length, get_form, sorry
from wiring.runtime import Runtime

router = APIRouter(prefix=group_links.PATH, include_in_schema=False)


@router.api_route("/{token}", methods=["GET", "HEAD"])
async def show(token: str, runtime: RuntimeDep) -> Response:
    """The group as it is now, what changed since the message was sent, and forms to decide on those who wait."""
    try:
        check_length(token)
        holder = await group_links.read(runtime, token)
        return await _page(runtime, holder, holder.link.members or [])
    except (PitstopError, ProblemError) as error:
        return sorry(error)


@router.post("/{token}")
async def decide(token: str, request: Request, runtime: RuntimeDep, metrics: MetricsDep) -> Response:
    """Take the decision, and use the link up with it.

    What is wrong with the form, or changed since it was shown, leaves the link as it was and shows the page anew.
    """
    try:
        form = await get_form(request)
        check_length(token)
        holder = await group_links.read(runtime, token)
        shown = review_links.read_form_token(runtime, holder.link.id, text(form, "form"))
        try:
            answer = read_answer(form, shown)
            decided = await record_group_decision(
                runtime, holder.group.id, answer, holder.reviewer, link=holder.link.id
            )
        except (PitstopError, ProblemError) as error:
            problem, _ = from_exception(error)
            if problem.status not in (409, 422):
                raise
            # Refused, too, where the link was used meanwhile, or nobody waits any more.
            holder = await group_links.read(runtime, token)
            return await _page(runtime, holder, text(form, "seen", 100_000).split(), problem)
    except (PitstopError, ProblemError) as error:
        return sorry(error)
    metrics.decisions.labels(answer.kind.value, "email").inc()
    return answer_page("review_group_done.html", 200, group=decided, made=decided.decisions[-1])


async def _page(
    runtime: Runtime, holder: Holder, seen: Collection[str], problem: Problem | None = None
) -> Response:
    """The page; `seen` are the approvals that its reader saw wait before."""
    group, waiting = holder.group, holder.waiting
    member, _ = usual(waiting)
    assert member is not None  # noqa: S101
    facts = (await runtime.queries.incident(member.incident_id)).incident.facts
    diagnosis = facts.get("diagnosis") or {}
    return answer_page(
        "review_group.html",
        problem.status if problem else 200,
        **told(group, holder.reviewer),
        problem=problem,
        reviewer=holder.reviewer,
        diagnosis=diagnosis,
        evidence=(diagnosis.get("evidence") or [])[:MAX_EVIDENCE],
        risks=(facts.get("proposal") or {}).get("risks") or [],
        news=group_links.changes(group, seen),
        new={item.approval_id for item in waiting} - set(seen),
        form=review_links.form_token(runtime, holder.link.id, group.sha256 or ""),
    )
