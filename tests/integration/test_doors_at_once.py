"""One approval, every door at the same moment: one wins, and the others are told who it was."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from core.settings import Settings
from sandbox.mailbox import Mailbox
from sandbox.process import SandboxProcess
from server.postman import Postman
from tests.fakes.slack import SECRET, TOKEN, FakeSlack, click, running_slack, signed
from tests.incident_stories import ask, tell
from tests.mailing import PUBLIC, by_mail
from tests.server_box import Box, opened
from tools.notify.slack_blocks import APPROVE


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with running_slack() as found:
        found.member("UCARL", "carl@example.com")
        yield found


@pytest.fixture
async def everywhere(
    box_settings: Settings, sandbox: SandboxProcess, mailbox: Mailbox, slack: FakeSlack
) -> AsyncIterator[Box]:
    """The service with e-mail and Slack."""
    given = {
        **by_mail(mailbox),
        "slack_bot_token": SecretStr(TOKEN),
        "slack_signing_secret": SecretStr(SECRET),
        "slack_api_url": slack.url,
    }
    async with opened(box_settings.model_copy(update=given), sandbox) as found:
        yield found


async def test_fifty_decisions_through_three_doors(
    everywhere: Box, mailbox: Mailbox, slack: FakeSlack
) -> None:
    box, store = everywhere, everywhere.runtime.store
    people = [f"{name}@example.com" for name in ("anna", "ben", "carl")]
    notify = ["anna@example.com", "slack:#data"]
    approval = await ask(store, await tell(store), approvers=people, notify=notify)
    await Postman(box.runtime).deliver()
    body = mailbox.messages[0].get_body(("plain",))
    assert body is not None
    found = re.search(rf"{PUBLIC}(/review/\S+)", body.get_content())
    assert found
    page = await box.client().get(found[1])
    form = re.search(r'name="form" value="([^"]+)"', page.text)
    assert form
    ben = await box.as_("approver", "ben@example.com")
    button = slack.buttons()[APPROVE]

    async def one(number: int) -> int:
        match number % 3:
            case 0:
                where = f"/api/v1/approvals/{approval.id}/decision"
                answer = await ben.post(where, json={"decision": "reject" if number % 2 else "approve"})
            case 1:
                answer = await box.client().post(found[1], data={"form": form[1], "kind": "reject"})
            case _:
                answer = await box.client().post("/webhooks/slack", **signed(click(button, "UCARL")))
        return answer.status_code

    statuses = await asyncio.gather(*(one(number) for number in range(50)))
    assert set(statuses) <= {200, 409}
    ((status, by, channel),) = box.sql("SELECT status, decided_by, channel FROM approvals")
    assert (by, channel) in (
        ("ben@example.com", "api"),
        ("anna@example.com", "email"),
        ("carl@example.com", "slack"),
    )
    decided = box.sql(
        "SELECT data->>'by', data->>'channel', data->>'status' FROM events WHERE kind = 'decided'"
    )
    assert decided == [(by, channel, status)]
    assert box.jobs("advance") == [approval.incident_id]
    told = slack.sent("chat.postEphemeral")
    if channel != "slack":
        assert told and all(by in message["text"] for message in told)
    late = await box.client().get(found[1])
    assert late.status_code == 409 and (channel == "email" or by in late.text)
