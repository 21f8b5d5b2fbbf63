"""What routes are given: the runtime, the news, the numbers, and who is calling."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from core.errors import Forbidden, StoreUnavailable, Unauthenticated
from core.incident import Reviewer
from core.roster import Person
from server.forwarded import client_network, forwarded_person
from server.guards import check_origin
from server.live import News
from server.metrics import Metrics
from store.views import Token
from wiring.runtime import Runtime

#: Each role may do what those before it may.
ROLES = ("viewer", "approver", "admin")

#: Our own command line says so with this header; whoever holds a token may, so it says only how they came.
DOOR = "x-pitstop-door"
TERMINAL = "terminal"

_bearer = HTTPBearer(
    auto_error=False, description="An API token: `pitstop tokens create NAME --role approver`."
)


def get_runtime(request: Request) -> Runtime:
    """The parts of this process.

    Raises:
        StoreUnavailable: They are not open (yet).
    """
    runtime: Runtime | None = getattr(request.app.state, "runtime", None)
    if runtime is None:
        raise StoreUnavailable("Pitstop is starting.", hint="Try again in a moment.")
    return runtime


def get_news(request: Request) -> News:
    """Who tells that something new happened."""
    return request.app.state.news


def get_metrics(request: Request) -> Metrics:
    """The process's counters."""
    return request.app.state.metrics


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]
NewsDep = Annotated[News, Depends(get_news)]
MetricsDep = Annotated[Metrics, Depends(get_metrics)]


async def get_caller(
    request: Request,
    runtime: RuntimeDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Reviewer:
    """Who holds the bearer token, or whom a trusted proxy vouches for.

    Raises:
        Unauthenticated: No token, or one that is not known (any more).
        TooManyTries: The same, and too many such came from there.
        Forbidden: The proxy vouches for somebody without a role, or the request comes from another site.
    """
    if credentials is None:
        forwarded = forwarded_person(request, runtime.settings, runtime.roster)
        if forwarded is not None:
            # The browser sends this identity by itself, so another site's page could use it.
            check_origin(request)
            request.state.opener = forwarded
            return Reviewer(name=forwarded.name, role=forwarded.role)
        raise Unauthenticated("This needs an API token.", hint="Send it as Authorization: Bearer TOKEN.")
    try:
        token = await runtime.tokens.verify(credentials.credentials)
    except Unauthenticated:
        # Counted only now: a good token is never held back by what others try from the same address.
        await runtime.tries.begin("api", client_network(request, runtime.settings))
        raise
    request.state.opener = token
    channel = TERMINAL if request.headers.get(DOOR) == TERMINAL else "api"
    return Reviewer(name=token.name, role=token.role, channel=channel)


def get_opener(request: Request, caller: Annotated[Reviewer, Depends(get_caller)]) -> Token | Person:
    """What the caller showed: their token, or the word of the proxy."""
    return request.state.opener


OpenerDep = Annotated[Token | Person, Depends(get_opener)]


def at_least(role: str, caller: Reviewer) -> Reviewer:
    """The caller, if its role reaches `role`.

    Raises:
        Forbidden: It does not.
    """
    if caller.role not in ROLES or ROLES.index(caller.role) < ROLES.index(role):
        raise Forbidden(f"{caller.name} is a {caller.role}; this takes the role {role}.")
    return caller


def _requires(role: str) -> Callable[..., Awaitable[Reviewer]]:
    async def caller(who: Annotated[Reviewer, Depends(get_caller)]) -> Reviewer:
        return at_least(role, who)

    return caller


Viewer = Annotated[Reviewer, Depends(_requires("viewer"))]
Approver = Annotated[Reviewer, Depends(_requires("approver"))]
