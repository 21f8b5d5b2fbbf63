"""Signing in and out. A GET never signs anybody in: what opens links by itself must not use them up, or us."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from core.errors import Unauthenticated
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
from server.problems import Problem, from_error
from server.sessions import Attempts, Visitor

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
    attempts: Attempts = request.app.state.attempts
    address = request.client.host if request.client else ""
    if wait := attempts.wait(address):
        problem = Problem(
            title="Too many tries",
            status=429,
            detail="Too many tries from here.",
            hint=f"Wait {wait / 60:.0f} min.",
        )
        return refused(request, problem, sessions.csrf(visitor.secret), {"Retry-After": str(int(wait) + 1)})
    try:
        secret = await _open(runtime, sessions, text(form, "token"), text(form, "code"))
    except Unauthenticated as error:
        attempts.failed(address)
        return refused(request, from_error(error), sessions.csrf(visitor.secret))
    response = RedirectResponse(safe_next(text(form, "next")), status_code=303)
    set_cookie(response, sessions.cookie(secret), runtime.settings, request)
    return response


async def _open(runtime: RuntimeDep, sessions: SessionsDep, token: str, code: str) -> str:
    """The secret of a new session. Raises: Unauthenticated."""
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
    await _end(runtime, visitor)
    response = RedirectResponse(SIGN_IN, status_code=303)
    set_cookie(response, "", runtime.settings, request)
    return response


async def _end(runtime: RuntimeDep, visitor: Visitor) -> None:
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


def refused(request: Request, problem: Problem, csrf: str, headers: dict[str, str] | None = None) -> Response:
    """The form again, with the reason why nobody was signed in."""
    response = _page(request, csrf, problem=problem)
    response.headers.update(headers or {})
    return response
