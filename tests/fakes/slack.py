"""Slack's Web API on the wire: takes what the SDK sends, remembers it, answers as Slack does."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request

from tests.server_box import served

TOKEN, SECRET = "xoxb-test-token", "signing-secret-of-the-test"


class FakeSlack:
    """One workspace. `calls` has (method, arguments) in order; `refuse` maps methods to Slack's error codes."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.users: dict[str, dict[str, Any]] = {}
        self.refuse: dict[str, str] = {}
        #: `users.info` waits for this.
        self.open = asyncio.Event()
        self.open.set()
        self.url = ""
        self.app = FastAPI()
        self.app.api_route("/api/{method}", methods=["GET", "POST"])(self._answer)

    async def _answer(self, method: str, request: Request) -> dict[str, Any]:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return {"ok": False, "error": "invalid_auth"}
        is_json = "json" in request.headers.get("content-type", "")
        arguments = await request.json() if is_json else {**request.query_params, **await request.form()}
        self.calls.append((method, arguments))
        if method in self.refuse:
            return {"ok": False, "error": self.refuse[method]}
        if method == "users.info":
            await self.open.wait()
            user = self.users.get(str(arguments.get("user")))
            return {"ok": True, "user": user} if user else {"ok": False, "error": "user_not_found"}
        if method == "chat.postMessage":
            return {"ok": True, "channel": "C0DATA", "ts": f"1700000000.{len(self.calls):06d}"}
        return {"ok": True, "team": "Example"}

    def member(self, user_id: str, address: str, **marks: Any) -> None:
        """A member of the workspace with a confirmed address."""
        self.users[user_id] = {
            "id": user_id,
            "is_email_confirmed": True,
            "profile": {"email": address},
            **marks,
        }

    def sent(self, method: str) -> list[dict[str, Any]]:
        """The arguments of each call of a method."""
        return [arguments for name, arguments in self.calls if name == method]

    def buttons(self, number: int = -1) -> dict[str, dict[str, Any]]:
        """The buttons of a posted message by their action id."""
        found = self.sent("chat.postMessage")[number]["blocks"]
        actions = [block for block in found if block["type"] == "actions"]
        return {e["action_id"]: e for block in actions for e in block["elements"]}


@contextlib.asynccontextmanager
async def running_slack() -> AsyncIterator[FakeSlack]:
    """Slack on a port of its own."""
    slack = FakeSlack()
    async with served(slack.app) as address:
        slack.url = f"{address}/api"
        yield slack


def click(button: dict[str, Any], user: str) -> dict[str, Any]:
    """What Slack sends when `user` clicks a button."""
    return {
        "type": "block_actions",
        "user": {"id": user},
        "channel": {"id": "C0DATA"},
        "trigger_id": "13345224609.738474920.8088930838d88f008e0",
        "actions": [{"type": "button", **button}],
    }


def submission(view: dict[str, Any], user: str, **values: Any) -> dict[str, Any]:
    """What Slack sends when `user` submits a window with these values over its initial ones."""
    state: dict[str, Any] = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        element, name = block["element"], block["block_id"]
        given = values.get(name)
        kind = element["type"]
        if kind == "plain_text_input":
            action: dict[str, Any] = {"value": given if given is not None else element.get("initial_value")}
        elif kind == "radio_buttons":
            chosen = {"value": given} if given else element.get("initial_option")
            action = {"selected_option": chosen}
        else:
            action = {"selected_options": element.get("initial_options", []) if given is None else given}
        state[name] = {"v": {"type": kind, **action}}
    return {
        "type": "view_submission",
        "user": {"id": user},
        "view": {**view, "state": {"values": state}},
    }


def signed(payload: Any, *, secret: str = SECRET, age: float = 0) -> dict[str, Any]:
    """`content` and `headers` of a request as Slack signs it, `age` seconds ago."""
    body = urlencode({"payload": payload if isinstance(payload, str) else json.dumps(payload)})
    timestamp = str(int(time.time() - age))
    digest = hmac.new(secret.encode(), f"v0:{timestamp}:{body}".encode(), hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": timestamp,
        "x-slack-signature": f"v0={digest}",
    }
    return {"content": body, "headers": headers}
