"""How large a request's body may be. It is counted as it comes in, so what is too large is never held whole."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.guards import MAX_ATTACHMENT_BODY, MAX_BODY
from server.problems import ProblemError

#: Where files are sent to.
_FILES = "/attachments"


class BodyLimit:
    """Refuse to read on in a body that is too large, declared to be so or not, as plain ASGI.

    FastAPI's own limit answers outside of everything else: without the security headers, and with no problem document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = MAX_ATTACHMENT_BODY if scope["path"].endswith(_FILES) else MAX_BODY
        declared = Headers(scope=scope).get("content-length", "")
        held = int(declared) if declared.isdecimal() and len(declared) < 20 else 0
        read = 0

        async def counted() -> Message:
            nonlocal read
            if held > limit:
                raise _too_large(limit)
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise _too_large(limit)
            return message

        await self.app(scope, counted, send)


def _too_large(limit: int) -> ProblemError:
    return ProblemError(413, "Too large", f"The body may hold {limit // 1024} KiB here.")
