"""Signing in and out. A GET never signs anybody in: what opens links by itself must not use them up, or us."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from core.errors import PitstopError, TooManyTries, Unauthenticated
from server.attempts import counted, remember
from server.console.pages import render
from server.console.visitors import (
    SIGN_IN,
    AnyVisitor,
    Form,
    SessionsDep,
    safe_next,
    set_cookie,
    text,
)
from server.deps import RuntimeDep
from server.problems import Problem, from_exception
from server.sessions import Opened, Visitor

router = APIRouter(prefix="/console", include_in_schema=False)


@router.get("/sign-in")
async def sign_in_page(
    request: Request,
    runtime: RuntimeDep,
    visitor: AnyVisitor,
    sessions: SessionsDep,
    code: str = "",
    next: str = "/console",
) -> Response:
    """The form; with a link's code, a button that sends it."""
    response = _page(request, sessions.csrf(visitor.secret), code=code, next=next)
    set_cookie(response, sessions.cookie(visitor.secret), runtime.settings, request)
    return response


@router.post("/sign-in")
async def sign_in(
    request: Request, runtime: RuntimeDep, visitor: AnyVisitor, sessions: SessionsDep, form: Form
) -> Response:
    """Open a session for a token or for a link's code."""
    try:
        async with counted(runtime, request, "console"):
            opened = await _open(runtime, sessions, text(form, "token"), text(form, "code"))
    except (Unauthenticated, TooManyTries) as error:
        return refused(request, error, sessions.csrf(visitor.secret))
    await end_session(runtime, visitor)
    response = RedirectResponse(safe_next(text(form, "next")), status_code=303)
    set_cookie(response, sessions.cookie(opened.secret), runtime.settings, request)
    remember(response, runtime, request, opened.name)
    return response


async def _open(runtime: RuntimeDep, sessions: SessionsDep, token: str, code: str) -> Opened:
    """A new session. Raises: Unauthenticated."""
    if code:
        return await sessions.redeem(runtime, code)
    return await sessions.open(runtime, await runtime.tokens.verify(token.strip()))


@router.post("/sign-out")
async def sign_out(
    request: Request, runtime: RuntimeDep, visitor: AnyVisitor, sessions: SessionsDep, form: Form
) -> Response:
    """End the session, in the database too; with `everywhere`, all sessions of this person."""
    if visitor.reviewer is not None and text(form, "everywhere"):
        await sessions.end_all(runtime, visitor.reviewer.name)
    await end_session(runtime, visitor)
    response = RedirectResponse(SIGN_IN, status_code=303)
    set_cookie(response, "", runtime.settings, request)
    return response


async def end_session(runtime: RuntimeDep, visitor: Visitor) -> None:
    """End the session that the browser had, if any: nothing may be left of it that could be used later."""
    if visitor.token_id:
        await runtime.tokens.revoke(visitor.token_id)


def _page(
    request: Request, csrf: str, *, code: str = "", next: str = "/console", problem: Problem | None = None
) -> Response:
    return render(
        "sign_in.html",
        status=problem.status if problem else 200,
        csrf=csrf,
        code=code,
        next=safe_next(next),
        problem=problem,
        oidc=request.app.state.oidc is not None,
        caller=None,
        show="",
    )


def refused(request: Request, error: PitstopError, csrf: str) -> Response:
    """The form again, with the reason why nobody was signed in."""
    problem, headers = from_exception(error)
    response = _page(request, csrf, problem=problem)
    response.headers.update(headers)
    return response
