"""Chat rooms in a box: Slack's Web API, a Teams workflow and a pager's webhook, which keep what they are sent.

The Slack here also clicks: what a person presses is sent to the app's request address, signed as Slack signs it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

Json = dict[str, Any]

MAX_BODY = 1_000_000
TIMEOUT_SECONDS = 10


@dataclass
class Chat:
    """All three on one free port of 127.0.0.1.

    Args:
        token: The bot token that Slack accepts.
        secret: What Slack signs with.
        members: Slack's user ids, each with their address.
    """

    token: str
    secret: str
    members: dict[str, str]
    #: What was posted: the kind (`slack`, `teams`, `pager`) and the body, in order.
    posts: list[tuple[str, Json]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True, name="chat")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def posted(self, kind: str) -> list[Json]:
        """What was posted to one of them, oldest first."""
        with self._lock:
            return [body for where, body in self.posts if where == kind]

    def click(self, button: Json, user: str, request_url: str) -> None:
        """Press a button of a message as `user`. Raises: httpx.HTTPError: the app does not take it."""
        payload = {
            "type": "block_actions",
            "user": {"id": user},
            "channel": {"id": "C0DATA"},
            "trigger_id": "1.2.3",
            "actions": [{"type": "button", **button}],
        }
        body = urlencode({"payload": json.dumps(payload)})
        at = str(int(time.time()))
        digest = hmac.new(self.secret.encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": at,
            "x-slack-signature": f"v0={digest}",
        }
        httpx.post(
            request_url, content=body, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
        ).raise_for_status()

    def answer(self, path: str, authorization: str, body: Json) -> Json:
        """What a request to `path` is answered."""
        if path in ("/teams", "/pager"):
            self._keep(path[1:], body)
            return {}
        if authorization != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth"}
        method = path.removeprefix("/api/")
        if method == "users.info":
            return self._user(str(body.get("user")))
        if method in ("chat.postMessage", "chat.update"):
            self._keep("slack" if method == "chat.postMessage" else method, body)
            return {"ok": True, "channel": "C0DATA", "ts": body.get("ts") or f"{time.time():.6f}"}
        return {"ok": True, "team": "Example"}

    def _user(self, user: str) -> Json:
        address = self.members.get(user)
        if address is None:
            return {"ok": False, "error": "user_not_found"}
        return {"ok": True, "user": {"id": user, "is_email_confirmed": True, "profile": {"email": address}}}

    def _keep(self, kind: str, body: Json) -> None:
        with self._lock:
            self.posts.append((kind, body))


def _handler(chat: Chat) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Reads JSON and forms alike, as the three of them do."""

        def do_POST(self) -> None:
            size = min(int(self.headers.get("content-length") or 0), MAX_BODY)
            raw = self.rfile.read(size).decode("utf-8", errors="replace")
            is_json = "json" in self.headers.get("content-type", "")
            self._answer(json.loads(raw) if is_json else dict(parse_qsl(raw)))

        def do_GET(self) -> None:
            self._answer(dict(parse_qsl(urlsplit(self.path).query)))

        def _answer(self, body: Json) -> None:
            path = urlsplit(self.path).path.rstrip("/")
            said = json.dumps(chat.answer(path, self.headers.get("authorization", ""), body)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    return Handler
