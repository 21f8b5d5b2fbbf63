"""Slack: asked there, decided there, the message changed whichever door decided; nobody else gets in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.incident import Approval, Decision, DecisionKind, Reviewer
from core.settings import Settings
from sandbox.process import SandboxProcess
from server.postman import Postman
from tests.fakes.slack import SECRET, TOKEN, FakeSlack, click, running_slack, signed, submission
from tests.incident_stories import MEMORY, a_run, ask, tell
from tests.integration.test_api_access import a_problem
from tests.server_box import Box, opened, served
from tools.notify.slack import SlackChannel
from tools.notify.slack_blocks import APPROVE, EDIT, REJECT, RESPOND

HOOK = "/webhooks/slack"
BEN_ADMIN = Reviewer(name="ben@example.com", role="admin", channel="api")
BEN = Reviewer(name="ben@example.com", role="approver", channel="console")


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with running_slack() as found:
        found.member("UANNA", "anna@example.com")
        yield found


@pytest.fixture
async def chatting(box_settings: Settings, sandbox: SandboxProcess, slack: FakeSlack) -> AsyncIterator[Box]:
    """The service with Slack."""
    given = {
        "slack_bot_token": SecretStr(TOKEN),
        "slack_signing_secret": SecretStr(SECRET),
        "slack_api_url": slack.url,
        "slack_users": {"UBEN": "ben@example.com"},
        "public_url": "https://pitstop.example.com",
    }
    async with opened(box_settings.model_copy(update=given), sandbox) as found:
        yield found


async def asked(box: Box, **more: Any) -> Approval:
    """A question in the channel, to Anna and Ben."""
    store = box.runtime.store
    known = {"approvers": ["anna@example.com", "ben@example.com"], "notify": ["slack:#data-oncall"]}
    approval = await ask(store, await tell(store), **{**known, **more})
    await Postman(box.runtime).deliver()
    return approval


async def send(box: Box, payload: Any, **how: Any) -> httpx.Response:
    return await box.client().post(HOOK, **signed(payload, **how))


async def test_the_message_says_what_there_is_to_know(chatting: Box, slack: FakeSlack) -> None:
    approval = await asked(chatting)
    (posted,) = slack.sent("chat.postMessage")
    assert posted["channel"] == "#data-oncall"
    text = json.dumps(posted, ensure_ascii=False)
    for shown in (
        "nightly_orders",
        "Container killed by YARN",
        "8g → 16g",
        "Proposed: Run again with changed settings",
        "If it is wrong: ",
        "91%",
        "83%",
        "It can be decided until",
    ):
        assert shown in text
    buttons = slack.buttons()
    assert set(buttons) >= {APPROVE, EDIT, REJECT, RESPOND}
    assert json.loads(buttons[APPROVE]["value"])["a"] == approval.id
    assert "/review/" not in text  # a room gets no link that decides
    assert chatting.sql("SELECT receipt->>'channel' FROM outbox") == [("C0DATA",)]


@pytest.mark.parametrize(("user", "name"), [("UANNA", "anna@example.com"), ("UBEN", "ben@example.com")])
async def test_a_click_decides_and_the_message_is_changed(
    chatting: Box, slack: FakeSlack, user: str, name: str
) -> None:
    approval = await asked(chatting)
    answer = await send(chatting, click(slack.buttons()[APPROVE], user))
    assert answer.status_code == 200 and answer.content == b""
    row = await chatting.runtime.store.approval(approval.id)
    assert (row.status, row.decided_by, row.channel) == ("approved", name, "slack")
    await Postman(chatting.runtime).deliver()
    (changed,) = slack.sent("chat.update")
    assert (changed["channel"], changed["ts"]) == ("C0DATA", "1700000000.000001")
    text = json.dumps(changed)
    assert f"{name} approved this through slack" in text and APPROVE not in text
    assert len(slack.sent("chat.postMessage")) == 1


async def test_the_message_is_changed_whichever_door_decided(chatting: Box, slack: FakeSlack) -> None:
    first = await asked(chatting)
    button = slack.buttons()[APPROVE]
    await chatting.runtime.store.decide(first.id, Decision(kind=DecisionKind.REJECT, comment="no"), BEN)
    await Postman(chatting.runtime).deliver()
    assert "ben@example.com rejected this through console" in json.dumps(slack.sent("chat.update"))
    await send(chatting, click(button, "UANNA"))
    (told,) = slack.sent("chat.postEphemeral")
    assert told["user"] == "UANNA" and "ben@example.com has rejected this already" in told["text"]


async def test_a_stale_message_decides_nothing(chatting: Box, slack: FakeSlack) -> None:
    old = await asked(chatting)
    button = slack.buttons()[APPROVE]
    newer = await ask(chatting.runtime.store, old.incident_id, revision=2, approvers=old.approvers)
    await send(chatting, click(button, "UANNA"))
    assert "superseded" in slack.sent("chat.postEphemeral")[0]["text"]
    forged = {**button, "value": json.dumps({"a": newer.id, "h": "0" * 64})}
    await send(chatting, click(forged, "UANNA"))
    assert "is not the one" in slack.sent("chat.postEphemeral")[1]["text"]
    assert (await chatting.runtime.store.approval(newer.id)).status == "pending"
    await Postman(chatting.runtime).deliver()
    assert "superseded" in json.dumps(slack.sent("chat.update"))


async def test_people_whom_nobody_knows(chatting: Box, slack: FakeSlack) -> None:
    slack.member("UVERA", "vera@example.com")
    slack.member("UFAKE", "anna@example.com", is_email_confirmed=False)
    slack.member("UGUEST", "anna@example.com", is_restricted=True)
    slack.member("USTRANGER", "anna@example.com", is_stranger=True)
    slack.member("UVIEW", "view@example.com")
    await chatting.runtime.tokens.create("view@example.com", "viewer")
    approval = await asked(chatting)
    for user in ("UVERA", "UFAKE", "UGUEST", "USTRANGER", "UNOBODY", "UVIEW"):
        for button in slack.buttons().values():
            assert (await send(chatting, click(button, user))).status_code == 200
    deciding = len([b for b in slack.buttons().values() if "value" in b])
    told = [t["text"] for t in slack.sent("chat.postEphemeral")]
    assert (deciding, len(told)) == (4, 6 * 4)
    assert all("does not know you" in text or "may not decide" in text for text in told)
    assert slack.sent("views.open") == []
    assert (await chatting.runtime.store.approval(approval.id)).status == "pending"


async def test_an_edit_in_a_window(chatting: Box, slack: FakeSlack) -> None:
    approval = await asked(chatting)
    await send(chatting, click(slack.buttons()[EDIT], "UANNA"))
    (opened_,) = slack.sent("views.open")
    view = opened_["view"]
    wrong = await send(chatting, submission(view, "UANNA", f1="x" * 200))
    assert wrong.json()["response_action"] == "errors"
    assert (await chatting.runtime.store.approval(approval.id)).status == "pending"
    good = await send(chatting, submission(view, "UANNA", f0="12g", comment="enough", useful="no"))
    assert good.json() == {"response_action": "clear"}
    row = await chatting.runtime.store.approval(approval.id)
    assert (row.status, row.comment, row.useful) == ("edited", "enough", False)
    assert row.proposal.params["settings"] == [{"path": MEMORY, "current": "8g", "proposed": "12g"}]
    late = await send(chatting, submission(view, "UBEN", f0="14g"))
    assert late.json()["response_action"] == "update" and "anna@example.com" in late.text


@pytest.mark.parametrize(
    ("button", "given", "expected"),
    [
        (REJECT, {"comment": "not at night", "then": "take_over"}, ("rejected", "not at night", "take_over")),
        (RESPOND, {"comment": "the table moved"}, ("responded", "the table moved", "nothing")),
    ],
)
async def test_the_other_windows(
    chatting: Box, slack: FakeSlack, button: str, given: dict[str, str], expected: tuple[str, str, str]
) -> None:
    approval = await asked(chatting)
    await send(chatting, click(slack.buttons()[button], "UANNA"))
    view = slack.sent("views.open")[0]["view"]
    await send(chatting, submission(view, "UANNA", **given))
    row = await chatting.runtime.store.approval(approval.id)
    assert (row.status, row.comment, row.then) == expected


async def test_signatures(chatting: Box, slack: FakeSlack) -> None:
    approval = await asked(chatting)
    payload = click(slack.buttons()[APPROVE], "UANNA")
    client = chatting.client()
    good = signed(payload)
    refused = [
        signed(payload, secret="another"),
        signed(payload, age=301),
        signed(payload, age=-400),
        {**good, "content": good["content"] + "+"},
        {"content": good["content"], "headers": {"content-type": good["headers"]["content-type"]}},
        {**good, "headers": {**good["headers"], "x-slack-request-timestamp": "soon"}},
        {**good, "headers": {**good["headers"], "x-slack-request-timestamp": "9" * 40}},
        {**good, "content": b"\xff\xfe"},
    ]
    for request in refused:
        a_problem(await client.post(HOOK, **request), 401)
    assert (await chatting.runtime.store.approval(approval.id)).status == "pending"
    assert len(slack.calls) == 1


@pytest.mark.parametrize(
    "payload",
    [
        "not json",
        "[]",
        "[" * 5000,
        {"type": "shortcut"},
        {"type": "view_submission", "view": {"callback_id": "other"}},
        {"type": "view_submission", "view": {"callback_id": "pitstop_edit", "private_metadata": "{}"}},
        {"type": "block_actions", "actions": [{"action_id": APPROVE, "value": "nothing"}]},
        {"type": "block_actions", "actions": [{"action_id": APPROVE, "value": "[1]"}]},
    ],
)
async def test_what_is_no_interaction(chatting: Box, payload: Any) -> None:
    a_problem(await send(chatting, payload), 422)


async def test_slack_is_answered_before_anybody_else(chatting: Box, slack: FakeSlack) -> None:
    approval = await asked(chatting)
    slack.open.clear()
    async with served(chatting.app) as address, httpx.AsyncClient(base_url=address, timeout=20) as client:
        answer = await client.post(HOOK, **signed(click(slack.buttons()[APPROVE], "UANNA")))
        assert answer.status_code == 200
        assert (await chatting.runtime.store.approval(approval.id)).status == "pending"
        view = {
            "callback_id": "pitstop_reject",
            "private_metadata": json.dumps({"a": approval.id, "h": approval.payload_sha256, "c": "C"}),
            "blocks": [],
        }
        answer = await client.post(HOOK, **signed(submission(view, "UANNA")))
        assert answer.status_code == 200 and answer.content == b""
        slack.open.set()
        for _ in range(200):
            if (await chatting.runtime.store.approval(approval.id)).decided_by:
                break
            await asyncio.sleep(0.05)
    assert (await chatting.runtime.store.approval(approval.id)).decided_by == "anna@example.com"


@pytest.mark.parametrize(
    ("error", "status"), [("is_archived", "failed"), ("invalid_auth", "pending"), ("ratelimited", "pending")]
)
async def test_what_slack_refuses(chatting: Box, slack: FakeSlack, error: str, status: str) -> None:
    slack.refuse["chat.postMessage"] = error
    await asked(chatting)
    ((found, said),) = chatting.sql("SELECT status, error FROM outbox")
    assert found == status and error in said and TOKEN not in said


async def test_hostile_names_are_no_markup(chatting: Box, slack: FakeSlack) -> None:
    store = chatting.runtime.store
    hostile = "<!channel> <https://evil.example|click> *b*"
    incident_id = await tell(store, a_run(5, job_name=hostile))
    await ask(store, incident_id, notify=["slack:#data"])
    await Postman(chatting.runtime).deliver()
    (posted,) = slack.sent("chat.postMessage")
    assert "<!channel>" not in posted["text"]
    assert '"mrkdwn"' not in json.dumps(posted["blocks"])


async def test_without_slack_there_is_no_door(box: Box) -> None:
    a_problem(await box.client().post(HOOK, **signed({"type": "block_actions"})), 404)
    with pytest.raises(ConfigurationError, match="PITSTOP_SLACK_BOT_TOKEN"):
        SlackChannel(box.runtime.settings)
