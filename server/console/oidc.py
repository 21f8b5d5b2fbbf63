"""Signing in through the OIDC provider: there, and back.

The way back is a GET, as the protocol has it; it signs in only the browser that set out (state, nonce and PKCE
verifier lie in its own signed cookie), and decides nothing.
"""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from core.errors import Forbidden, NotFound, TooManyTries, Unauthenticated
from server.attempts import counted, remember
from server.console.sign_in import end_session, refused
from server.console.visitors import SIGN_IN, AnyVisitor, SessionsDep, safe_next, set_cookie
from server.deps import RuntimeDep
from server.oidc import Provider

router = APIRouter(prefix="/console/oidc", include_in_schema=False)
_NEXT = "next"


@router.get("/start")
async def start(
    request: Request, visitor: AnyVisitor, sessions: SessionsDep, next: str = "/console"
) -> Response:
    """Off to the provider."""
    try:
        response = await _provider(request).begin(request)
    except Unauthenticated as error:
        return refused(request, error, sessions.csrf(visitor.secret))
    request.session[_NEXT] = safe_next(next)
    return response


@router.get("/callback")
async def callback(
    request: Request, runtime: RuntimeDep, visitor: AnyVisitor, sessions: SessionsDep
) -> Response:
    """Back from the provider: a session, or why not."""
    provider = _provider(request)
    try:
        async with counted(runtime, request, "oidc"):
            person = await provider.finish(request)
            opened = await sessions.open_for(runtime, person, request.query_params.get("state", ""))
    except (Unauthenticated, Forbidden, TooManyTries) as error:
        request.session.clear()
        response = refused(request, error, sessions.csrf(visitor.secret))
        set_cookie(response, sessions.cookie(visitor.secret), runtime.settings, request)
        return response
    address = safe_next(str(request.session.get(_NEXT, "")))
    request.session.clear()
    await end_session(runtime, visitor)
    response = RedirectResponse(address, status_code=303)
    set_cookie(response, sessions.cookie(opened.secret), runtime.settings, request)
    remember(response, runtime, request, opened.name)
    return response


def _provider(request: Request) -> Provider:
    """The provider. Raises: NotFound: none is configured."""
    provider: Provider | None = request.app.state.oidc
    if provider is None:
        raise NotFound("No OIDC provider is configured.", hint=f"Sign in at {SIGN_IN}.")
    return provider
