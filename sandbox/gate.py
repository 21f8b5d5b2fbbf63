"""What every request passes before the routes: faults, the token, the workspace's time, the list of requests."""

from __future__ import annotations

import asyncio
import hmac
import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.box import Box
from sandbox.faults import MESSAGES, Fault
from sandbox.refusal import Refusal

CONTROL = "/_sandbox/"
#: Paths that need no token.
OPEN = {"/", "/_sandbox/health", "/.well-known/databricks-config"}


class Gate:
    """The outermost layer of the application: outside of the framework's own, or it could not drop connections."""

    def __init__(self, app: ASGIApp, box: Box) -> None:
        self.app = app
        self.box = box

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        control = path.startswith(CONTROL)
        fault = None if control else self.box.faults.strike(method, path)
        status = await self._serve(scope, receive, send, fault)
        if not control:
            query = scope["query_string"].decode("latin-1")
            kind = fault.kind if fault else None
            self.box.journal.request(self.box.workspace.clock.now(), method, path, query, status, kind)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, fault: Fault | None) -> int | None:
        """Answer the request; returns the status that was sent, None when the connection was dropped."""
        if fault and fault.kind == "drop_before":
            return await _drop(send)
        if fault and fault.kind == "garbage":
            return await _answer(send, fault.status, fault.body.encode())
        if fault and fault.kind in MESSAGES:
            code, message = MESSAGES[fault.kind]
            body = json.dumps({"error_code": code, "message": message}).encode()
            extra = {"retry-after": str(fault.retry_after)} if fault.retry_after is not None else {}
            return await _answer(send, int(fault.kind), body, extra)
        if fault and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if scope["path"] not in OPEN:
            try:
                self._check_token(scope)
            except Refusal as refusal:
                return await _answer(send, refusal.status, json.dumps(refusal.body()).encode())
        self.box.workspace.timeline.catch_up()
        sent: list[int] = []

        async def tap(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent.append(message["status"])
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-databricks-org-id", self.box.workspace.workspace_id.encode()),
                ]
            if not (fault and fault.kind == "drop_after"):
                await send(message)

        await self.app(scope, receive, tap)
        if fault and fault.kind == "drop_after":
            return await _drop(send)
        return sent[0] if sent else None

    def _check_token(self, scope: Scope) -> None:
        headers = {key.lower(): value for key, value in scope["headers"]}
        given = headers.get(b"authorization", b"").decode("latin-1")
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refusal(401, *MESSAGES["401"])
        if not hmac.compare_digest(token.strip().encode(), self.box.token.encode()):
            raise Refusal(403, "403", "Invalid access token.")


async def _answer(send: Send, status: int, body: bytes, extra: dict[str, str] | None = None) -> int:
    headers = {"content-type": "application/json", "content-length": str(len(body)), **(extra or {})}
    pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
    return status


async def _drop(send: Send) -> None:
    """Close the connection without a word.

    ASGI has no message for that, so this reaches for the transport of uvicorn's request cycle, whose method
    `send` is.
    """
    cycle: Any = getattr(send, "__self__", None)
    if cycle is None or not hasattr(cycle, "transport"):
        raise RuntimeError("Connections can only be dropped under uvicorn.")
    cycle.transport.abort()
    await asyncio.sleep(0.01)  # lets the loop tell the cycle, which would otherwise answer 500 for us
