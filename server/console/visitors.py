"""Who is at the console: found by cookie, sent to sign in where needed, forms checked before anything else."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from core.errors import Forbidden
from core.incident import Reviewer
from core.settings import Settings
from server.deps import RuntimeDep
from server.forwarded import forwarded_person
from server.guards import check_origin
from server.sessions import COOKIE, HOST_COOKIE, SESSION_SECONDS, Sessions, Visitor

SIGN_IN = "/console/sign-in"
#: As many members of a group as can be left out, and the form around them.
MAX_FIELDS = 1100


class SignInFirst(Exception):
    """Nobody is signed in."""


def get_sessions(request: Request) -> Sessions:
    """The process's sessions."""
    return request.app.state.sessions


SessionsDep = Annotated[Sessions, Depends(get_sessions)]


async def get_visitor(request: Request, runtime: RuntimeDep, sessions: SessionsDep) -> Visitor:
    """Whoever sent this request, signed in or not; a session counts before what a proxy forwards."""
    name = HOST_COOKIE if over_https(runtime.settings, request) else COOKIE
    visitor = await sessions.visitor(runtime, request.cookies.get(name))
    if visitor.reviewer is None:
        forwarded = forwarded_person(request, runtime.settings, runtime.roster)
        if forwarded is not None:
            return sessions.forwarded(forwarded)
    return visitor


AnyVisitor = Annotated[Visitor, Depends(get_visitor)]


async def get_reader(visitor: AnyVisitor) -> Visitor:
    """A signed-in visitor.

    Raises:
        SignInFirst: Nobody is signed in.
    """
    if visitor.reviewer is None:
        raise SignInFirst
    return visitor


Reader = Annotated[Visitor, Depends(get_reader)]


async def get_form(request: Request, visitor: AnyVisitor, sessions: SessionsDep) -> FormData:
    """The form that was sent, if it was made for this visitor and sent from our own pages.

    Raises:
        Forbidden: It was not.
    """
    check_origin(request)
    form = await request.form(max_files=1, max_fields=MAX_FIELDS)
    given = form.get("csrf")
    sessions.check_csrf(visitor.secret, given if isinstance(given, str) else "")
    return form


Form = Annotated[FormData, Depends(get_form)]


def reviewer(visitor: Visitor) -> Reviewer:
    """The signed-in person. Raises: Forbidden."""
    if visitor.reviewer is None:
        raise Forbidden("Sign in first.")
    return visitor.reviewer


def over_https(settings: Settings, request: Request) -> bool:
    """Whether browsers reach us by https: by this request, or by the address that people are given."""
    return request.url.scheme == "https" or (settings.public_url or "").startswith("https://")


def set_cookie(response: Response, value: str, settings: Settings, request: Request) -> None:
    """Hand out the session's cookie, or take it back with an empty value: for this site alone, out of reach of scripts."""
    https = over_https(settings, request)
    response.set_cookie(
        HOST_COOKIE if https else COOKIE,
        value,
        max_age=int(SESSION_SECONDS) if value else 0,
        httponly=True,
        samesite="lax",
        secure=https,
        path="/" if https else "/console",  # a `__Host-` cookie's path is the root
    )


def safe_next(address: str) -> str:
    """Where to go after signing in: a page of the console, never another site."""
    ours = address == "/console" or address.startswith(("/console/", "/console?"))
    return address if ours and "\\" not in address and not address.startswith(SIGN_IN) else "/console"


def text(form: FormData, name: str, limit: int = 4000) -> str:
    """A field of a form as text; empty when it is missing or a file."""
    value = form.get(name)
    return value[:limit] if isinstance(value, str) else ""
