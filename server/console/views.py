"""One incident's page, and the forms that decide on it or take care of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

import psycopg
import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData, UploadFile

from core.errors import PitstopError
from core.incident import Reviewer
from server import story
from server.attachments import keep_attachment
from server.console import incident_page, texts
from server.console.forms import read_decision, read_seconds
from server.console.pages import frame, render
from server.console.surroundings import PLACES
from server.console.visitors import SIGN_IN, Form, Reader, SessionsDep, reviewer, text
from server.deps import MetricsDep, RuntimeDep, at_least
from server.problems import Problem, ProblemError, from_exception
from server.routes.approvals import record_decision
from server.sessions import Sessions, Visitor
from store.texts import Texts
from wiring.position import Position, position
from wiring.runtime import Runtime

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/console", include_in_schema=False)
router.include_router(texts.router)


@dataclass(frozen=True)
class Desk:
    """A form that was sent from an incident's page, and who sent it."""

    runtime: Runtime
    visitor: Visitor
    sessions: Sessions
    form: FormData

    @property
    def reader(self) -> Reviewer:
        """Who sent it."""
        return reviewer(self.visitor)

    def approver(self) -> Reviewer:
        """Who sent it. Raises: Forbidden: they only look."""
        return at_least("approver", self.reader)

    async def answer(self, incident_id: str, work: Callable[[], Awaitable[None]]) -> Response:
        """Do what the form asks for, and go back to the page; what went wrong is shown on it."""
        try:
            await work()
        except (PitstopError, ProblemError) as error:
            problem, _ = from_exception(error)
            return await _incident_page(self.runtime, self.visitor, self.sessions, incident_id, problem)
        return RedirectResponse(f"/console/incidents/{incident_id}", status_code=303)


async def get_desk(runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep, form: Form) -> Desk:
    """What every form of the page comes with."""
    return Desk(runtime, visitor, sessions, form)


DeskDep = Annotated[Desk, Depends(get_desk)]


@router.get("/incidents/{incident_id}")
async def incident(incident_id: str, runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep) -> Response:
    """One incident."""
    return await _incident_page(runtime, visitor, sessions, incident_id)


@router.get("/incidents/{incident_id}/live")
async def incident_live(
    incident_id: str, runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep, seen: str = ""
) -> Response:
    """The parts that changed since the version that was seen; nothing when none did."""
    told = await story.of(runtime.queries, incident_id)
    if incident_page.version(told) == seen:
        return Response(status_code=204)
    view = await _view(runtime, visitor, told)
    return render("_live.html", **frame(visitor, sessions, news=incident_id), view=view, seen=seen.split("."))


@router.post("/approvals/{approval_id}/decision")
async def decide(approval_id: str, desk: DeskDep, metrics: MetricsDep) -> Response:
    """Take a decision from one of the four forms; what went wrong is shown where the form was."""
    runtime, form = desk.runtime, desk.form
    approval = await runtime.store.approval(approval_id)

    async def work() -> None:
        decision = read_decision(approval.proposal, {k: v for k, v in form.items() if isinstance(v, str)})
        await record_decision(runtime, approval_id, decision, desk.reader)
        metrics.decisions.labels(decision.kind.value, "console").inc()

    return await desk.answer(approval.incident_id, work)


@router.post("/approvals/{approval_id}/delegate")
async def delegate(approval_id: str, desk: DeskDep) -> Response:
    """Ask another approver too."""
    runtime = desk.runtime
    approval = await runtime.store.approval(approval_id)

    async def work() -> None:
        to, comment = text(desk.form, "to", 254), text(desk.form, "comment")
        named = runtime.approvers
        await runtime.store.delegate(approval_id, to, desk.approver(), comment=comment, named=named)

    return await desk.answer(approval.incident_id, work)


@router.post("/approvals/{approval_id}/extend")
async def extend(approval_id: str, desk: DeskDep) -> Response:
    """Take more time, once."""
    approval = await desk.runtime.store.approval(approval_id)

    async def work() -> None:
        seconds, comment = read_seconds(text(desk.form, "seconds", 10)), text(desk.form, "comment")
        await desk.runtime.store.extend(approval_id, desk.approver(), seconds=seconds, comment=comment)

    return await desk.answer(approval.incident_id, work)


@router.post("/incidents/{incident_id}/attachments")
async def attach(incident_id: str, desk: DeskDep) -> Response:
    """Attach a log or a screenshot, and where asked to have Pitstop look again."""
    file = desk.form.get("file")

    async def work() -> None:
        caller = desk.approver()
        if not isinstance(file, UploadFile):
            raise ProblemError(422, "Invalid input", "The form holds no file.")
        await keep_attachment(desk.runtime, incident_id, file.filename or "", await file.read(), caller)
        if text(desk.form, "then") == "investigate-again":
            await desk.runtime.store.look_again(incident_id, by=caller.name)

    return await desk.answer(incident_id, work)


@router.post("/incidents/{incident_id}/{verb}")
async def care(incident_id: str, verb: str, desk: DeskDep) -> Response:
    """Look again, mute (or not any more), take over, close, try again."""

    async def work() -> None:
        by = desk.approver().name
        await _care(desk.runtime, incident_id, verb, by, hint=text(desk.form, "hint", 2000))

    return await desk.answer(incident_id, work)


async def _care(runtime: Runtime, incident_id: str, verb: str, by: str, *, hint: str) -> None:
    store = runtime.store
    match verb:
        case "investigate-again":
            await store.look_again(incident_id, by=by, hint=hint)
        case "mute":
            await store.mute(incident_id, by=by)
        case "unmute":
            await store.mute(incident_id, by=by, on=False)
        case "take-over":
            await store.take_over(incident_id, by=by)
        case "close":
            await store.close(incident_id, by=by)
        case "retry":
            await store.retry_broken(incident_id, by=by)
        case _:
            raise ProblemError(404, "Not found", f"Nothing here is called {verb[:40]}.")


async def _view(runtime: Runtime, visitor: Visitor, told: story.Incident) -> incident_page.View:
    rules = runtime.policy.rules_for(told.job_name, told.tags, told.failure_class)
    return incident_page.build(
        told,
        reader=reviewer(visitor),
        triad_threshold=rules.triad_threshold,
        excerpts=await PLACES.of(Texts(runtime.db), told.evidence, [*told.attachments, *told.artifacts]),
        position=await _position(runtime, told.thread_id),
        people=runtime.approvers,
    )


async def _position(runtime: Runtime, thread_id: str | None) -> Position | None:
    """Where the thread stands; nothing when that can't be read, since all else can be shown without it."""
    if thread_id is None:
        return None
    try:
        return await position(runtime.checkpoints, thread_id)
    except psycopg.Error as error:
        log.warning("console.no_position", thread_id=thread_id, error=str(error))
        return None


async def _incident_page(
    runtime: Runtime, visitor: Visitor, sessions: Sessions, incident_id: str, problem: Problem | None = None
) -> Response:
    view = await _view(runtime, visitor, await story.of(runtime.queries, incident_id))
    status = problem.status if problem else 200
    return render(
        "incident.html", status, **frame(visitor, sessions, news=incident_id), view=view, problem=problem
    )


#: What helps where nothing more is known of a problem.
_HINTS = {
    403: "It takes somebody whom the policy names for this, or an admin; sign in as another person if you are one.",
    404: "It may have been mistyped. The list of all incidents can be searched by job, run and cause.",
    405: "Nothing here is done by opening an address: use the form on the incident's page.",
    409: "Somebody was faster, or it has changed. Look at it again as it is now.",
    410: "Its time is over. Look at the incident again: there may be a newer question.",
}


def explain(request: Request, problem: Problem) -> Response:
    """A problem as a page, with what can be done about it."""
    hint = problem.hint or _HINTS.get(problem.status, "")
    return render("message.html", problem.status, problem=problem, hint=hint, caller=None, show="", csrf="")


async def send_to_sign_in(request: Request, error: Exception) -> Response:
    """Nobody is signed in: a page goes there, a part of a page has the browser go there."""
    if "HX-Request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": SIGN_IN})
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': back})}", status_code=303)
