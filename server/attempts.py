"""Holding back who guesses at the sign-in: by address, or by person where the browser is known.

A browser that was let in keeps a signed cookie that says so. Its tries are counted by the cookie and not by its
address, so somebody who guesses from behind the same address doesn't lock out those who work there.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.responses import Response
from itsdangerous import BadSignature, TimestampSigner

from server.console.visitors import over_https
from server.forwarded import client_network
from server.sessions import signing_key
from store.tries import Door
from wiring.runtime import Runtime

COOKIE = "pitstop_browser"
#: A browser is known for this long after somebody signed in with it, in seconds.
KNOWN_SECONDS = 90 * 24 * 3600


@contextlib.asynccontextmanager
async def counted(runtime: Runtime, request: Request, door: Door) -> AsyncIterator[None]:
    """A try to say who one is: it has failed unless the block ends well.

    Raises:
        TooManyTries: It is not to be looked at.
    """
    number = await runtime.tries.begin(door, _who(runtime, request))
    yield
    await runtime.tries.succeeded(number)


def remember(response: Response, runtime: Runtime, request: Request, name: str) -> None:
    """Have the browser keep that this person signed in with it.

    All browsers of one person are counted together: signing in anew must not buy tries at others' tokens.
    """
    person = hashlib.sha256(name.strip().casefold().encode(errors="replace")).hexdigest()[:32]
    response.set_cookie(
        COOKIE,
        _signer(runtime).sign(person).decode(),
        max_age=KNOWN_SECONDS,
        httponly=True,
        samesite="lax",
        secure=over_https(runtime.settings, request),
        path="/console",
    )


def _who(runtime: Runtime, request: Request) -> str:
    """Whose tries are counted together."""
    with contextlib.suppress(BadSignature, UnicodeDecodeError):
        known = _signer(runtime).unsign(request.cookies.get(COOKIE, ""), max_age=KNOWN_SECONDS)
        return f"browser of {known.decode()}"
    return client_network(request, runtime.settings)


def _signer(runtime: Runtime) -> TimestampSigner:
    return TimestampSigner(
        signing_key(runtime.settings), salt="pitstop browser", digest_method=hashlib.sha256
    )
