"""Azure Document Intelligence on the wire: `begin_analyze_document` with its polling, over HTTP.

The shapes are those of the service's REST API 2024-11-30: 202 with `Operation-Location`, then the operation until
its status is `succeeded` or `failed`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Service:
    """What it answers, and what it was sent."""

    key: str = "a-key"
    lines: list[str] = field(default_factory=list)
    #: An HTTP status to refuse with, and how often the operation is still running.
    refuse: int = 0
    polls: int = 1
    failed: bool = False
    #: It accepts a picture and then never finishes.
    never: bool = False
    url: str = ""
    pictures: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def result(self) -> dict[str, Any]:
        """The operation's answer."""
        lines = [
            {"content": line.strip(), "polygon": _polygon(number, line), "spans": []}
            for number, line in enumerate(self.lines)
        ]
        page = {"pageNumber": 1, "lines": lines, "words": [], "spans": []}
        content = "\n".join(line.strip() for line in self.lines)
        return {
            "apiVersion": "2024-11-30",
            "modelId": "prebuilt-read",
            "content": content,
            "pages": [page],
        }


def _polygon(number: int, line: str) -> list[float]:
    left, right = 8.0 * (len(line) - len(line.lstrip())), 8.0 * len(line)
    top, bottom = 20.0 * number, 20.0 * number + 16
    return [left, top, right, top, right, bottom, left, bottom]


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            service.paths.append(self.path)
            if self.headers.get("Ocp-Apim-Subscription-Key") != service.key:
                self._answer(401, {"error": {"code": "401", "message": f"Access denied for {self.headers}"}})
            elif service.refuse:
                self._answer(service.refuse, {"error": {"code": "x", "message": "no"}})
            else:
                service.pictures.append(base64.b64decode(body["base64Source"]))
                place = f"{service.url}/documentintelligence/operations/1?api-version=2024-11-30"
                self._answer(202, None, {"Operation-Location": place})

        def do_GET(self) -> None:
            service.paths.append(self.path)
            if service.polls > 0 or service.never:
                service.polls -= 1
                self._answer(200, {"status": "running"}, {"Retry-After": "0"})
            elif service.failed:
                self._answer(
                    200, {"status": "failed", "error": {"code": "InternalServerError", "message": "x"}}
                )
            else:
                self._answer(200, {"status": "succeeded", "analyzeResult": service.result()})

        def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
            raw = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextlib.contextmanager
def serving(service: Service) -> Iterator[Service]:
    """The service on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(service))
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
