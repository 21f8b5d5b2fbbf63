"""One decision through each door, each in the way of whoever stands before it: a click, a form, a link, a command."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from html import unescape
from typing import Any, TypeVar

import httpx

from cli.stage import ROOT, SLACK_USER, Stage
from core.errors import PitstopError

Json = dict[str, Any]
T = TypeVar("T")

#: How each door is called, and the channel that the audit trail then names.
CHANNELS = {
    "HTTP API": "api",
    "console": "console",
    "e-mail link": "email",
    "Slack button": "slack",
    "terminal command": "terminal",
    "Teams card, by its link": "console",
    "pager's message, by its link": "console",
    "LangGraph server": "langgraph",
}
COMMENT = "from the demo's script"
PATIENCE_SECONDS = 30.0
#: LangGraph's server starts while the first scenarios play.
START_SECONDS = 120.0


class Doors:
    """Every way in, as the demo's reviewer uses it.

    Each door is called with an incident's id and its approval, and approves it.

    Raises (each of them):
        PitstopError: What should lead there did not come, or the door stayed shut.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._ways: dict[str, Callable[[str, Json], None]] = {
            "HTTP API": self._api,
            "console": self._console,
            "e-mail link": self._email,
            "Slack button": self._slack,
            "terminal command": self._command,
            "Teams card, by its link": self._teams,
            "pager's message, by its link": self._pager,
            "LangGraph server": self._langgraph,
        }

    def open(self) -> list[str]:
        """The doors that are there: all, but LangGraph's server where it isn't installed."""
        return [door for door in CHANNELS if door != "LangGraph server" or self._stage.langgraph]

    def approve(self, door: str, incident_id: str, approval: Json) -> None:
        """Approve by this door. Raises: PitstopError, httpx.HTTPError: it did not work."""
        self._ways[door](incident_id, approval)

    def _api(self, incident_id: str, approval: Json) -> None:
        headers = {"authorization": f"Bearer {self._stage.token}"}
        body = {
            "decision": "approve",
            "payload_sha256": approval["payload_sha256"],
            "comment": COMMENT,
            "useful": True,
        }
        with self._http(headers=headers) as http:
            http.post(f"/api/v1/approvals/{approval['id']}/decision", json=body).raise_for_status()

    def _console(self, incident_id: str, approval: Json) -> None:
        self._by_page(f"/console/incidents/{incident_id}", approval)

    def _email(self, incident_id: str, approval: Json) -> None:
        link = _wait("the e-mail", lambda: self._link_in_mail(incident_id))
        with self._http() as http:
            page = _good(http.get(link))
            form = {"form": _field(page, "form"), "kind": "approve", "comment": COMMENT}
            _good(http.post(link, data=form))

    def _link_in_mail(self, incident_id: str) -> str | None:
        for message in list(self._stage.mailbox.messages):
            body = message.get_body(("plain",))
            text = body.get_content() if body is not None else ""
            link = re.search(r"https?://\S+/review/\S+", text)
            if link and incident_id in text:
                return link[0]
        return None

    def _slack(self, incident_id: str, approval: Json) -> None:
        chat = self._stage.chat
        button = _wait("the Slack message", lambda: self._button(approval["id"]))
        chat.click(button, SLACK_USER, f"{self._stage.url}/webhooks/slack")

    def _button(self, approval_id: str) -> Json | None:
        for post in self._stage.chat.posted("slack"):
            for block in post["blocks"]:
                for element in block.get("elements", []):
                    value = json.loads(element.get("value") or "{}")
                    if element.get("action_id") == "pitstop_approve" and value.get("a") == approval_id:
                        return element
        return None

    def _command(self, incident_id: str, approval: Json) -> None:
        command = [sys.executable, "-m", "cli.main", "approve", incident_id, "-m", COMMENT]
        command += ["--sha256", approval["payload_sha256"]]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._stage.reviewer_environment(),
            capture_output=True,
            text=True,
            timeout=90,
        )
        if done.returncode:
            raise PitstopError(f"`pitstop approve` ended with {done.returncode}: {done.stderr.strip()}")

    def _teams(self, incident_id: str, approval: Json) -> None:
        self._by_page(_wait("the Teams card", lambda: self._link_in("teams", incident_id)), approval)

    def _pager(self, incident_id: str, approval: Json) -> None:
        self._by_page(_wait("the pager's message", lambda: self._link_in("pager", incident_id)), approval)

    def _langgraph(self, incident_id: str, approval: Json) -> None:
        """As Agent Inbox does: look for what is interrupted, and resume it with an answer."""
        from langgraph_sdk import get_sync_client

        client = get_sync_client(url=self._stage.langgraph, api_key=self._stage.token)

        def thread() -> str | None:
            with contextlib.suppress(httpx.TransportError):
                found = client.threads.search(metadata={"incident_id": incident_id}, status="interrupted")
                return found[0]["thread_id"] if found else None
            return None

        answer = {"type": "approve", "message": COMMENT}
        state = client.runs.wait(
            _wait("the thread in LangGraph's list", thread, seconds=START_SECONDS),
            "pitstop",
            command={"resume": {"decisions": [answer], "payload_sha256": approval["payload_sha256"]}},
        )
        if isinstance(state, dict) and state.get("review_error"):
            raise PitstopError(f"The answer was refused: {state['review_error']}")

    def _link_in(self, kind: str, incident_id: str) -> str | None:
        for post in self._stage.chat.posted(kind):
            link = re.search(rf"https?://[^\s\"\\]+/console/incidents/{incident_id}", json.dumps(post))
            if link:
                return link[0]
        return None

    def _by_page(self, address: str, approval: Json) -> None:
        """Sign in, open the incident's page, and send the form that stands on it."""
        headers = {"authorization": f"Bearer {self._stage.token}"}
        with self._http() as http:
            made = http.post("/api/v1/sign-in-links", headers=headers).raise_for_status().json()
            page = _good(http.get(made["url"]))
            signing_in = {name: _field(page, name) for name in ("csrf", "code")}
            _good(http.post("/console/sign-in", data=signing_in))
            page = _good(http.get(address))
            form = {
                "csrf": _field(page, "csrf"),
                "payload_sha256": approval["payload_sha256"],
                "kind": "approve",
                "comment": COMMENT,
            }
            _good(http.post(f"/console/approvals/{approval['id']}/decision", data=form))

    def _http(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self._stage.url, timeout=60, follow_redirects=True, **options)


def _good(answer: httpx.Response) -> httpx.Response:
    """The page. Raises: PitstopError: the door is shut."""
    if not answer.is_success:
        raise PitstopError(f"{answer.request.method} {answer.request.url.path} gave {answer.status_code}.")
    return answer


def _field(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page.text)
    if found is None:
        raise PitstopError(f"The page {page.request.url.path} has no form with {name}.")
    return unescape(found[1])


def _wait(what: str, look: Callable[[], T | None], *, seconds: float = PATIENCE_SECONDS) -> T:
    """Look until it is there. Raises: PitstopError: it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.2)
    raise PitstopError(f"{what} did not come within {seconds:.0f} s.")
