"""Settings seen, not edited: is everything well, what the policy says of each job, whom messages reach."""

from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from core.errors import PitstopError
from server.console import settings_view
from server.console.pages import frame, render
from server.console.visitors import Form, Reader, SessionsDep, reviewer, text
from server.deps import RuntimeDep, at_least
from server.problems import Problem, ProblemError, from_exception
from server.routes.health import readyz
from server.sessions import Sessions, Visitor
from store.jobs import known_jobs
from wiring.runtime import Runtime

router = APIRouter(prefix="/console", include_in_schema=False)

#: Jobs without an incident for this long are not listed.
KNOWN = timedelta(days=180)


@router.get("/settings")
async def settings_page(
    request: Request, runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep
) -> Response:
    """The page."""
    return await _page(request, runtime, visitor, sessions)


@router.post("/settings/test")
async def try_channel(
    request: Request, runtime: RuntimeDep, visitor: Reader, sessions: SessionsDep, form: Form
) -> Response:
    """Send a test message to somebody whom the policy names, or to oneself."""
    try:
        caller = at_least("admin", reviewer(visitor))
        recipient = text(form, "recipient", 300)
        if recipient not in [*settings_view.recipients(runtime.policy), caller.name]:
            raise ProblemError(
                422, "Invalid input", "Test messages go only to people and channels that the policy names."
            )
        await runtime.outbox.test(recipient, caller.name)
    except (PitstopError, ProblemError) as error:
        problem, _ = from_exception(error)
        return await _page(request, runtime, visitor, sessions, problem)
    return RedirectResponse("/console/settings#channels-h", status_code=303)


async def _page(
    request: Request,
    runtime: Runtime,
    visitor: Visitor,
    sessions: Sessions,
    problem: Problem | None = None,
) -> Response:
    policy, settings = runtime.policy, runtime.settings
    asked = Response()
    ready = await readyz(request, asked)
    jobs = await known_jobs(runtime.db, runtime.clock.now() - KNOWN)
    caller = reviewer(visitor)
    return render(
        "settings.html",
        problem.status if problem else 200,
        **frame(visitor, sessions, "settings"),
        problem=problem,
        ready=ready,
        counts=await runtime.queries.counts(),
        policy_file=str(settings.policy) if settings.policy else "",
        defaults=settings_view.all_rules(policy.defaults),
        entries=settings_view.entries(policy),
        jobs=settings_view.job_rules(policy, jobs),
        channels=settings_view.channels(settings, policy),
        may_test=caller.role == "admin",
        tests=await runtime.outbox.tests(),
        values=settings_view.shown_settings(settings) if caller.role == "admin" else [],
    )
