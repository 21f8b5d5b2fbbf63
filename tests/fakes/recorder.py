"""A server between Pitstop and its workspace that passes everything on and remembers what was answered."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.fakes.serving import serving

_DROPPED = {"content-length", "transfer-encoding", "content-encoding", "connection", "host"}


@dataclass
class Recorder:
    """Every answer's body that went to Pitstop."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def served(self) -> str:
        """All texts within the answers, with what came in base64 decoded."""
        found: list[str] = []
        for body in list(self.bodies):
            try:
                _collect(json.loads(body), found)
            except ValueError:
                found.append(body.decode("utf-8", "replace"))
        return "\n".join(found)


def _collect(value: Any, found: list[str]) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            found.append(str(key))
            if key in ("data", "content") and isinstance(item, str):
                with contextlib.suppress(binascii.Error, ValueError):
                    found.append(base64.b64decode(item, validate=True).decode("utf-8", "replace"))
            _collect(item, found)
    elif isinstance(value, list):
        for item in value:
            _collect(item, found)
    else:
        found.append(str(value))


@contextlib.contextmanager
def recording(target: str) -> Iterator[Recorder]:
    """The server in front of `target`, for the length of a block."""
    box = Recorder()
    client = httpx.AsyncClient(base_url=target, timeout=60)

    async def passed_on(request: Request) -> Response:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _DROPPED}
        answer = await client.request(
            request.method,
            f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
            headers={**headers, "accept-encoding": "identity"},
            content=await request.body(),
        )
        box.bodies.append(answer.content)
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in _DROPPED}
        return Response(answer.content, answer.status_code, kept)

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
    app = Starlette(routes=[Route("/{path:path}", passed_on, methods=methods)])
    with serving(app) as box.url:
        yield box
