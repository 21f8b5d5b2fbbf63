"""What is attacked: the service on a real socket with every door open, and a count of what it refused."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from core.incident import Approval
from sandbox.mailbox import Mailbox
from server.postman import Postman
from server.sessions import COOKIE
from tests.fakes.slack import FakeSlack, signed
from tests.incident_stories import a_run, ask, tell
from tests.integration.test_api_console import SIGN_IN, csrf
from tests.server_box import Box

ANNA, BEN, VERA = "anna@example.com", "ben@example.com", "vera@example.com"
HOOK = "/webhooks/databricks"
SLACK_HOOK = "/webhooks/slack"
#: Rows that say what was decided, done, seen and sent. A refused request changes none of them.
STATE = (
    "approvals",
    "artifacts",
    "claims",
    "events",
    "group_decisions",
    "group_members",
    "incident_groups",
    "incidents",
    "outbox",
    "procrastinate_jobs",
    "review_links",
    "signals",
)
_TOKENS = "SELECT md5(string_agg((to_jsonb(t) - 'last_used_at')::text, '' ORDER BY id)) FROM api_tokens t"
_PRINT = " UNION ALL ".join(
    f"SELECT md5(string_agg(to_jsonb(t)::text, '' ORDER BY to_jsonb(t)::text)) FROM {name} t"
    for name in STATE
)


@dataclass
class Tally:
    """Tries of each attack; a try that is not refused fails the test on the spot."""

    refused: Counter[str] = field(default_factory=Counter)

    def table(self) -> str:
        """One line an attack."""
        rows = [f"  {name:<64}{count:>5} refused" for name, count in self.refused.items()]
        total = f"{len(self.refused)} kinds of attack, {self.refused.total()} tries refused."
        return "\n".join([*rows, f"  {total}"])


@dataclass
class Target:
    """The service under attack.

    Args:
        box: Its parts, in this process.
        address: Where it listens.
        eyes: A connection of the test's own to its database.
    """

    box: Box
    address: str
    mailbox: Mailbox
    slack: FakeSlack
    eyes: psycopg.Connection[Any]
    tally: Tally = field(default_factory=Tally)
    attack: str = ""
    _runs: int = 5000
    _clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, token: str | None = None, cookie: str | None = None) -> httpx.AsyncClient:
        """A client with a connection and cookies of its own; `cookie` is a session's, as the console names it."""
        # Kept-alive connections are closed by the server while others sign in, and a race with that is no attack.
        limits = httpx.Limits(max_keepalive_connections=0)
        made = httpx.AsyncClient(base_url=self.address, timeout=30, limits=limits)
        if token is not None:
            made.headers["authorization"] = f"Bearer {token}"
        if cookie is not None:
            made.headers["cookie"] = f"{COOKIE}={cookie}"
        self._clients.append(made)
        return made

    async def leave(self) -> None:
        """Hang up."""
        await asyncio.gather(*(client.aclose() for client in self._clients))
        self._clients.clear()

    async def as_(self, role: str, name: str) -> httpx.AsyncClient:
        """A client with an API token."""
        return self.client(await self.box.token(name, role))

    async def browser(self, role: str, name: str) -> httpx.AsyncClient:
        """A client that is signed in to the console."""
        found = self.client()
        page = await found.get(SIGN_IN)
        given = {"csrf": csrf(page), "token": await self.box.token(name, role)}
        assert (await found.post(SIGN_IN, data=given)).status_code == 303
        return found

    async def asked(self, *approvers: str, **more: Any) -> Approval:
        """A question on an incident of its own, to these people (Anna without), sent to whoever `notify` names."""
        self._runs += 1
        run = a_run(self._runs, **more.pop("run", {}))
        people = list(approvers or (ANNA,))
        approval = await ask(
            self.box.runtime.store, await tell(self.box.runtime.store, run), **{"approvers": people, **more}
        )
        await Postman(self.box.runtime).deliver()
        return approval

    async def asked_by_mail(self, *people: str) -> tuple[Approval, dict[str, str]]:
        """A question, and the path of the link that each of these approvers got."""
        approval = await self.asked(*people, notify=list(people))
        return approval, {who: self.link_to(who) for who in people}

    def link_to(self, who: str) -> str:
        """The path of the newest link that was mailed to `who`."""
        body = [m for m in self.mailbox.messages if m["To"] == who][-1].get_body(("plain",))
        found = re.search(r"Look and decide: https?://[^/]+(/review/\S+)", body.get_content() if body else "")
        assert found
        return found[1]

    async def standing(self, approval: Approval) -> Approval:
        """The approval as it is now."""
        return await self.box.runtime.store.approval(approval.id)

    def state(self) -> list[Any]:
        """A fingerprint of every row that matters."""
        return [row[0] for row in self.eyes.execute(f"{_PRINT} UNION ALL {_TOKENS}".encode())]

    async def refused(
        self, who: httpx.AsyncClient, method: str, path: str, *statuses: int, **request: Any
    ) -> httpx.Response:
        """Try it: it must be answered with one of `statuses`, as a refusal should be, and change nothing."""
        before = self.state()
        answer = await who.request(method, path, **request)
        self.check(answer, *statuses)
        assert self.state() == before, f"{method} {path} changed something: {answer.status_code}"
        return answer

    def check(self, answer: httpx.Response, *statuses: int) -> None:
        """Count a refusal, once it is seen to be one."""
        text = answer.text if answer.is_closed else ""  # a stream has no end
        said = f"{answer.request.method} {answer.request.url}: {answer.status_code} {text[:300]}"
        assert answer.status_code in statuses, said
        assert "Traceback" not in text, said
        assert answer.headers["x-content-type-options"] == "nosniff", said
        if answer.status_code >= 400 and answer.request.url.path.startswith(("/api/", "/webhooks/")):
            assert answer.headers["content-type"] == "application/problem+json", said
        self.tally.refused[self.attack] += 1

    async def slack_refuses(self, payload: Any, *, saying: str) -> None:
        """A signed interaction that must lead to nothing but a word to its user."""
        told, before = len(self.slack.sent("chat.postEphemeral")), self.state()
        answer = await self.refused(self.client(), "POST", SLACK_HOOK, 200, **signed(payload))
        for _ in range(200):  # a click is answered first, and worked on afterwards
            heard = [sent["text"] for sent in self.slack.sent("chat.postEphemeral")[told:]]
            if heard or answer.text:
                break
            await asyncio.sleep(0.05)
        assert saying in " ".join([*heard, answer.text]), (heard, answer.text)
        assert self.state() == before

    async def races(
        self, approval: Approval, tries: list[Callable[[], Awaitable[httpx.Response]]]
    ) -> tuple[Approval, list[httpx.Response]]:
        """Send all at once; the decision that stands then, which is one, and all answers."""
        answers = await asyncio.gather(*(send() for send in tries))
        decided = "SELECT count(*) FROM events WHERE kind = 'decided' AND incident_id = %s"
        assert self.eyes.execute(decided, (approval.incident_id,)).fetchone() == (1,)
        woken = "SELECT count(*) FROM procrastinate_jobs WHERE args->>'incident_id' = %s"
        assert self.eyes.execute(woken, (approval.incident_id,)).fetchone() == (1,)
        return await self.standing(approval), answers


Attack = Callable[[Target], Awaitable[None]]


def decision(approval: Approval) -> str:
    """Where the API takes decisions on this."""
    return f"/api/v1/approvals/{approval.id}/decision"


def form_decision(approval: Approval) -> str:
    """Where the console takes them."""
    return f"/console/approvals/{approval.id}/decision"


def token_of_form(page: httpx.Response) -> str:
    """The token of the forms on the page behind a link."""
    found = re.search(r'name="form" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def flipped(token: str) -> str:
    """The token with one character of its signature changed; not the last one, some of whose bits say nothing."""
    return f"{token[:-9]}{'A' if token[-9] != 'A' else 'B'}{token[-8:]}"
