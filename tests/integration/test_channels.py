"""Teams, apprise and Azure e-mail on the wire: what they get, what they refuse, and what is never shown."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import apprise
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from core.errors import ConfigurationError, DeliveryFailed, DeliveryRefused
from core.recipients import person, split
from core.settings import Settings
from tests.integration.test_email import FACTS
from tests.server_box import served
from tools.notify import Ask, Channels, azure_mail, compose
from tools.notify.azure_mail import AzureMailChannel
from tools.notify.pager import fitting
from tools.notify.teams import card

LINK = "https://pitstop.example.com/console/incidents/inc_7"
ASKED = compose("approval", FACTS, link=LINK, key="approval/1", ask=Ask("apr_1", "0" * 64))


@dataclass
class Receiver:
    """Takes what is posted anywhere; `status` is what it answers. `/emails` is as Azure's service has it."""

    address: str = ""
    status: int = 200
    outcome: str = "Succeeded"
    posted: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    async def take(self, path: str, request: Request) -> Response:
        body = await request.body()
        headers = {**request.headers, **{f"query-{k}": v for k, v in request.query_params.items()}}
        self.posted.append((path, headers, json.loads(body or b"null")))
        if path == "emails:send" and self.status == 200:
            where = f"{self.address}/emails/operations/1?api-version=x"
            return JSONResponse(
                {"id": "1", "status": "Running"},
                202,
                headers={"operation-location": where, "retry-after": "0"},
            )
        error = {"error": {"code": "Denied", "message": "no"}}
        return JSONResponse(error if self.status >= 400 else {}, self.status)

    async def operation(self) -> dict[str, str]:
        return {"id": "1", "status": self.outcome}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found, app = Receiver(), FastAPI()
    app.post("/{path:path}")(found.take)
    app.get("/emails/operations/1")(found.operation)
    async with served(app) as address:
        found.address = address
        yield found


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[call-arg]


# Who a recipient is


@pytest.mark.parametrize(
    ("recipient", "channel", "address", "who"),
    [
        ("ann@example.com", "email", "ann@example.com", "ann@example.com"),
        ("email:ann@example.com", "email", "ann@example.com", "ann@example.com"),
        ("slack:#data-oncall", "slack", "#data-oncall", None),
        ("teams", "teams", "", None),
        ("Teams:night", "teams", "night", None),
        ("apprise:pagerduty", "apprise", "pagerduty", None),
    ],
)
def test_recipients(recipient: str, channel: str, address: str, who: str | None) -> None:
    assert split(recipient) == (channel, address) and person(recipient) == who


async def test_a_word_that_is_nobody() -> None:
    with pytest.raises(DeliveryRefused, match="nobody"):
        await Channels(settings()).send("nobody", ASKED)


@pytest.mark.parametrize(
    ("recipient", "variable"),
    [
        ("teams", "PITSTOP_TEAMS_WEBHOOKS"),
        ("apprise:x", "PITSTOP_APPRISE_URLS"),
        ("slack:#x", "PITSTOP_SLACK_BOT_TOKEN"),
        ("ann@example.com", "PITSTOP_SMTP_HOST"),
    ],
)
async def test_channels_that_are_not_set_up_say_what_to_set(recipient: str, variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        await Channels(settings()).send(recipient, ASKED)


# Teams


async def test_a_card_for_teams(receiver: Receiver) -> None:
    hooks = {"default": f"{receiver.address}/secret-a", "night": f"{receiver.address}/secret-b"}
    channels = Channels(settings(teams_webhooks=hooks))
    assert await channels.send("teams", ASKED) is None
    await channels.send("teams:night", ASKED)
    assert [path for path, _, _ in receiver.posted] == ["secret-a", "secret-b"]
    body = receiver.posted[0][2]
    assert body["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    content = body["attachments"][0]["content"]
    assert content["actions"] == [{"type": "Action.OpenUrl", "title": "Look and decide", "url": LINK}]
    text = json.dumps(content, ensure_ascii=False)
    for shown in ("daily_sales", "OutOfMemoryError", "4g → 8g", "An executor ran out of memory.", "91%"):
        assert shown in text, shown
    for shown in ("Run again with changed settings", "Costs:", "1 task runs again", "If it is wrong:"):
        assert shown in text, shown
    assert len(json.dumps(body)) < 28_000


def test_a_card_reads_no_markup_and_stays_small() -> None:
    hostile = "[click](https://evil.example) **now** _x_\n# big\n- item\n\n    1. one\n" * 400
    facts = {
        "run": {"job_name": hostile},
        "diagnosis": {
            "root_cause": hostile,
            "evidence": [{"source": hostile, "line_start": 1, "text": hostile}],
        },
        "proposal": {
            "action": "RETRY",
            "params": {f"p{n}": hostile for n in range(50)},
            "risks": [hostile] * 9,
        },
    }
    made = card(compose("approval", facts, link=LINK))
    assert len(json.dumps(made)) < 28_000
    body = made["attachments"][0]["content"]["body"]
    # Every other element that holds text reads Markdown, and none keeps a line feed.
    assert {block["type"] for block in body} == {"RichTextBlock"}
    runs = [run for block in body for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    texts = [run["text"] for run in runs]
    assert not [text for text in texts if "\n" in text] and "\u00a0\u00a0\u00a0\u00a01. one" in texts


@pytest.mark.parametrize(("status", "final"), [(404, True), (400, True), (429, False), (502, False)])
async def test_what_teams_refuses(receiver: Receiver, status: int, final: bool) -> None:
    receiver.status = status
    channels = Channels(settings(teams_webhooks={"default": f"{receiver.address}/secret-a"}))
    with pytest.raises(DeliveryFailed) as caught:
        await channels.send("teams", ASKED)
    assert isinstance(caught.value, DeliveryRefused) is final and "secret-a" not in str(caught.value)


async def test_a_teams_webhook_that_is_away_is_not_shown() -> None:
    channels = Channels(settings(teams_webhooks={"default": "http://127.0.0.1:9/secret-a"}))
    with pytest.raises(DeliveryFailed) as caught:
        await channels.send("teams", ASKED)
    assert "secret-a" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="night"):
        await channels.send("teams:night", ASKED)


# apprise


async def test_anything_else_through_apprise(receiver: Receiver) -> None:
    url = receiver.address.replace("http://", "json://") + "/hook"
    channels = Channels(settings(apprise_urls={"pagerduty": url}))
    await channels.send("apprise:pagerduty", ASKED)
    ((path, _, body),) = receiver.posted
    assert path.strip("/") == "hook" and body["title"] == ASKED.subject
    assert LINK in body["message"] and "An executor ran out of memory." in body["message"]


LONG = compose(
    "approval",
    {
        **FACTS,
        "diagnosis": {
            **FACTS["diagnosis"],
            "root_cause": "why " * 250,
            "evidence": [{"source": "s", "text": "line\n" * 400}] * 3,
        },
    },
    link=LINK,
)


@pytest.mark.parametrize(
    ("address", "limit"),
    [
        ("discord://1234567890/abcdefghijklmnop", 2000),
        ("pagerduty://INTEGRATION@APIKEY", 1024),
        (f"pover://{'u' * 30}@{'t' * 30}", 1024),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", 4096),
        (f"twilio://AC{'a' * 32}:{'b' * 32}@15551234567/15557654321", 160),
    ],
)
def test_a_service_with_little_room_gets_link_and_proposal_first(address: str, limit: int) -> None:
    service = apprise.Apprise.instantiate(address)
    assert isinstance(service, apprise.NotifyBase)
    title, body = fitting(LONG, [service])
    (sent,) = service._apply_overflow(body, title=title)  # as apprise hands it to the service
    assert len(sent["body"]) <= limit and len(LONG.text) > limit
    assert LINK in sent["body"]
    if limit > 500:
        for shown in ("Proposed: Run again with changed settings", "a.b: 4g -> 8g", "If it is wrong: "):
            assert shown in sent["body"], shown


async def test_a_long_message_is_cut_on_the_wire_after_the_link(receiver: Receiver) -> None:
    url = receiver.address.replace("http://", "json://") + "/hook"
    await Channels(settings(apprise_urls={"x": url})).send("apprise:x", LONG)
    ((_, _, body),) = receiver.posted
    assert len(body["message"]) <= 4000 < len(LONG.text) and body["message"].startswith(LINK)


async def test_what_apprise_can_not_deliver(receiver: Receiver) -> None:
    receiver.status = 500
    url = receiver.address.replace("http://", "json://") + "/secret-a"
    channels = Channels(settings(apprise_urls={"a": url, "b": "nonsense-secret-b"}))
    with pytest.raises(DeliveryFailed) as caught:
        await channels.send("apprise:a", ASKED)
    assert "secret-a" not in str(caught.value)
    for name in ("b", "c"):
        with pytest.raises(ConfigurationError) as wrong:
            await channels.send(f"apprise:{name}", ASKED)
        assert "secret-b" not in str(wrong.value)


# Azure Communication Services

KEY = base64.b64encode(b"a secret of thirty-two bytes or so").decode()


def azure(receiver: Receiver, key: str = KEY) -> Settings:
    return settings(acs_endpoint=receiver.address, acs_key=SecretStr(key), acs_sender="pitstop@example.com")


async def test_a_mail_through_azure(receiver: Receiver) -> None:
    await Channels(azure(receiver)).send("ops@example.com", ASKED)
    await Channels(azure(receiver)).send("email:ops@example.com", ASKED)
    path, headers, body = receiver.posted[0]
    assert path == "emails:send" and body["senderAddress"] == "pitstop@example.com"
    assert body["recipients"] == {"to": [{"address": "ops@example.com"}]}
    assert body["content"]["subject"] == ASKED.subject and LINK in body["content"]["html"]
    assert headers["authorization"].startswith("HMAC-SHA256") and KEY not in str(headers)
    operations = {h["operation-id"] for _, h, _ in receiver.posted}
    assert len(operations) == 1  # a second try is the same operation


@pytest.mark.parametrize(("status", "final"), [(401, False), (400, True), (429, False), (503, False)])
async def test_what_azure_refuses(receiver: Receiver, status: int, final: bool) -> None:
    receiver.status = status
    with pytest.raises(DeliveryFailed) as caught:
        await AzureMailChannel(azure(receiver)).send("ops@example.com", ASKED)
    assert isinstance(caught.value, DeliveryRefused) is final and KEY not in str(caught.value)
    assert len(receiver.posted) == 1


async def test_what_azure_gives_up(receiver: Receiver) -> None:
    receiver.outcome = "Failed"
    with pytest.raises(DeliveryFailed):
        await AzureMailChannel(azure(receiver)).send("ops@example.com", ASKED)
    with pytest.raises(DeliveryRefused, match="not an e-mail address"):
        await AzureMailChannel(azure(receiver)).send("ops", ASKED)


async def test_a_mail_that_azure_never_ends_is_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azure_mail, "RESULT_SECONDS", 0.3)
    monkeypatch.setattr(azure_mail, "POLL_SECONDS", 0.05)
    receiver.outcome = "Running"
    async with asyncio.timeout(20):
        with pytest.raises(DeliveryFailed, match="did not say within") as caught:
            await AzureMailChannel(azure(receiver)).send("ops@example.com", ASKED)
    assert not isinstance(caught.value, DeliveryRefused)  # it is tried again, as the same operation


def test_azure_settings() -> None:
    with pytest.raises(ConfigurationError) as caught:
        AzureMailChannel(settings(acs_endpoint="https://x", acs_key="no base64!", acs_sender="a@example.com"))
    assert "no base64!" not in str(caught.value)
    with pytest.raises(ValueError, match="PITSTOP_ACS_SENDER"):
        settings(acs_endpoint="https://x", acs_key="eA==")
    with pytest.raises(ValueError, match="PITSTOP_SLACK_SIGNING_SECRET"):
        settings(slack_bot_token="xoxb-1")
