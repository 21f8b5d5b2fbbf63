"""The page behind a link in a message. Looking decides nothing; a person's own POST does, once."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from core.errors import Forbidden, PitstopError
from core.incident import Approval, ApprovalStatus
from core.stakes import stakes
from server import letters, review_links
from server.console import proposals
from server.console.forms import read_decision
from server.console.pages import render
from server.console.visitors import MAX_FIELDS, text
from server.deps import MetricsDep, RuntimeDep
from server.problems import Problem, ProblemError, from_exception
from server.review_links import Holder
from server.rights import rights
from server.routes.approvals import record_decision
from wiring.runtime import Runtime

router = APIRouter(prefix=review_links.PATH, include_in_schema=False)

#: No script at all, nothing that could carry the address elsewhere, nothing that an index or a cache may keep.
HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "Cache-Control": "no-store",
}
MAX_TOKEN = 1000
MAX_EVIDENCE = 3


async def get_form(request: Request) -> FormData:
    """The form. There is no cookie that another site's form could use; one that says it comes from there is refused.

    Raises:
        Forbidden: The browser says that another site sent it.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("This form was sent from another site.", hint="Open the link in the message again.")
    return await request.form(max_files=0, max_fields=MAX_FIELDS)


def check_length(token: str) -> None:
    """Raises: Forbidden: It is longer than any of ours."""
    if len(token) > MAX_TOKEN:
        raise Forbidden("This link was not made here.", hint="Copy it whole from the message.")


@router.api_route("/{token}", methods=["GET", "HEAD"])
async def show(token: str, runtime: RuntimeDep) -> Response:
    """The proposal, and a form to decide on it."""
    try:
        return await _page(runtime, await _open(runtime, token))
    except (PitstopError, ProblemError) as error:
        return sorry(error)


@router.post("/{token}")
async def decide(token: str, request: Request, runtime: RuntimeDep, metrics: MetricsDep) -> Response:
    """Take the decision, and use the link up with it; what is wrong with the form leaves the link as it was."""
    try:
        form = await get_form(request)
        holder = await _open(runtime, token)
        shown = review_links.read_form_token(runtime, holder.link_id, text(form, "form"))
        try:
            given = {name: value for name, value in form.items() if isinstance(value, str)}
            decision = read_decision(holder.approval.proposal, {**given, "payload_sha256": shown})
            decided = await record_decision(
                runtime, holder.approval.id, decision, holder.reviewer, link=holder.link_id
            )
        except (PitstopError, ProblemError) as error:
            problem, _ = from_exception(error)
            if problem.status != 422:
                raise
            return await _page(runtime, holder, problem)
    except (PitstopError, ProblemError) as error:
        return sorry(error)
    metrics.decisions.labels(decision.kind.value, "email").inc()
    return answer_page("review_done.html", 200, approval=decided, ending=letters.ending(decided))


async def _open(runtime: Runtime, token: str) -> Holder:
    """Who holds the link, if there still is something to decide.

    Raises:
        PitstopError: As `review_links.read`.
        ProblemError: It was decided, superseded (409), or its time is over (410).
    """
    check_length(token)
    holder = await review_links.read(runtime, token)
    status = holder.approval.status
    if status is not ApprovalStatus.PENDING or _is_over(runtime, holder.approval):
        titles = {ApprovalStatus.SUPERSEDED: "Superseded", ApprovalStatus.EXPIRED: "Too late"}
        late = status in (ApprovalStatus.EXPIRED, ApprovalStatus.PENDING)
        over = holder.approval.model_copy(update={"status": ApprovalStatus.EXPIRED})
        raise ProblemError(
            410 if late else 409,
            "Too late" if late else titles.get(status, "Decided already"),
            letters.ending(over if late else holder.approval),
            hint="The newest message, or the console, says how it goes on.",
        )
    return holder


def _is_over(runtime: Runtime, approval: Approval) -> bool:
    ends = approval.expires_at
    return ends is not None and ends <= runtime.clock.now().isoformat()


async def _page(runtime: Runtime, holder: Holder, problem: Problem | None = None) -> Response:
    detail = await runtime.queries.incident(holder.approval.incident_id)
    facts, proposal = detail.incident.facts, holder.approval.proposal
    diagnosis = facts.get("diagnosis") or {}
    return answer_page(
        "review.html",
        problem.status if problem else 200,
        problem=problem,
        incident=detail.incident,
        diagnosis=diagnosis,
        evidence=(diagnosis.get("evidence") or [])[:MAX_EVIDENCE],
        triad=facts.get("triad") or {},
        prediction=facts.get("prediction") or {},
        low_support=bool(facts.get("low_support")),
        approval=holder.approval,
        reviewer=holder.reviewer,
        rights=rights(holder.approval.approvers, holder.approval.barred, holder.reviewer),
        changes=proposals.changes(proposal, facts.get("run") or {}),
        patch=proposals.patch(proposal),
        stakes=stakes(proposal, facts.get("run") or {}),
        fields=proposals.fields(proposal),
        form=review_links.form_token(runtime, holder.link_id, holder.approval.payload_sha256),
    )


def sorry(error: Exception) -> Response:
    """The page that says why nothing can be decided here."""
    problem, _ = from_exception(error)
    return answer_page("review_problem.html", problem.status, problem=problem)


def answer_page(template: str, status: int, **context: Any) -> Response:
    """A page behind a link: it runs nothing, and gives its address to nobody."""
    response = render(template, status, **context)
    response.headers.update(HEADERS)
    return response
