"""Messages leave by lanes: a channel that hangs, or a message that can't be made, holds up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

import tools.notify
from core.errors import DeliveryFailed, StoreUnavailable
from core.settings import Settings
from sandbox.mailbox import Mailbox
from sandbox.process import SandboxProcess
from server.postman import Postman
from tests.fakes.slack import SECRET, TOKEN, FakeSlack, running_slack
from tests.incident_stories import a_run, ask, tell
from tests.mailing import by_mail
from tests.server_box import Box, opened
from tools.notify import Channels, Message

HELLO = Message(subject="Hello", text="plain", html="<p>html</p>", key="k1")


@pytest.fixture
async def deaf_server() -> AsyncIterator[int]:
    """The port of a mail server that takes every connection and never says a word."""
    ends = asyncio.Event()

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ends.wait()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    ends.set()
    server.close()


def by_deaf_mail(port: int) -> dict[str, Any]:
    return {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with running_slack() as found:
        yield found


async def test_a_mail_server_that_hangs_holds_up_no_slack(
    box_settings: Settings, sandbox: SandboxProcess, slack: FakeSlack, deaf_server: int
) -> None:
    given = {
        **by_deaf_mail(deaf_server),
        "slack_bot_token": SecretStr(TOKEN),
        "slack_signing_secret": SecretStr(SECRET),
        "slack_api_url": slack.url,
    }
    async with opened(box_settings.model_copy(update=given), sandbox) as box:
        store = box.runtime.store
        many = await tell(store)
        # More mails than a round of every lane could take, all of them older than the word to Slack.
        await store.notify(many, "escalation", [f"p{n}@example.com" for n in range(100)], key="e")
        await ask(store, await tell(store, a_run(5)), notify=["slack:#data"])
        postman = Postman(box.runtime)
        rounds = [asyncio.create_task(postman.deliver(lane)) for lane in postman.lanes()]
        async with asyncio.timeout(15):
            while not slack.sent("chat.postMessage"):
                await asyncio.sleep(0.05)
        assert box.sql("SELECT count(*) FROM outbox WHERE recipient LIKE 'p%%' AND status <> 'sent'") == [
            (100,)
        ]
        for task in rounds:
            task.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)


async def test_a_channel_that_does_not_end_is_given_up(
    deaf_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.notify, "LONGEST_SECONDS", 0.2)
    channels = Channels(Settings(_env_file=None, **by_deaf_mail(deaf_server)))  # type: ignore[call-arg]
    with pytest.raises(DeliveryFailed, match="The channel email took longer than"):
        await channels.send("anna@example.com", HELLO)


async def test_every_message_is_on_one_lane(box_settings: Settings, sandbox: SandboxProcess) -> None:
    given = {
        "teams_webhooks": {
            "default": SecretStr("http://127.0.0.1:9"),
            "Night": SecretStr("http://127.0.0.1:9"),
        },
        "apprise_urls": {"pager": SecretStr("json://127.0.0.1:9")},
    }
    everybody = (
        "anna@example.com",
        "email:Ben@example.com",
        "slack:#a",
        "Slack:U1",
        "teams",
        "teams:default",
        "teams:Night",
        "teams:gone",
        "apprise:pager",
        "APPRISE:gone",
        "langsmith",
        "not an address",
        "fax:1",
    )
    async with opened(box_settings.model_copy(update=given), sandbox) as box:
        incident_id = await tell(box.runtime.store)
        await box.runtime.store.notify(incident_id, "escalation", everybody, key="e")
        taken = {}
        for lane in Postman(box.runtime).lanes():
            found = await box.runtime.outbox.take(100, lane=lane)
            taken["others" if lane.others else lane.names[0]] = [one.recipient for one in found]
        assert sorted(name for names in taken.values() for name in names) == sorted(everybody)
        assert taken["email"] == list(everybody[:2]) and taken["slack"] == list(everybody[2:4])
        assert taken["teams"] == ["teams"] and taken["teams:night"] == ["teams:Night"]
        assert taken["apprise:pager"] == ["apprise:pager"]
        assert set(taken["others"]) == {"teams:gone", "APPRISE:gone", "langsmith", "not an address", "fax:1"}


async def test_a_message_that_can_not_be_made_ends_no_round(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    incident_id = await tell(store)
    for kind in ("approval", "escalation"):
        await store.notify(incident_id, kind, ["anna@example.com"], key=kind)
    gone = """UPDATE outbox SET payload = '{"approval_id": "apr_gone"}' WHERE kind = 'approval'"""
    mailing.sql(gone)
    # As a bug would have it: nothing that the code expects to find here.
    await store.notify(incident_id, "settled", ["anna@example.com"], key="s")
    mailing.sql("""UPDATE outbox SET payload = '{"asked": "x"}' WHERE kind = 'settled'""")
    assert await Postman(mailing.runtime).deliver() == 3
    assert [str(m["Subject"]).split(":")[0] for m in mailbox.messages] == ["[Pitstop] Escalated"]
    rows = mailing.sql("SELECT kind, status, error IS NULL, next_at > now() FROM outbox ORDER BY kind")
    assert rows == [
        ("approval", "pending", False, True),
        ("escalation", "sent", True, True),
        ("settled", "pending", False, True),
    ]


async def test_when_postgres_is_away_the_round_says_so(mailing: Box, mailbox: Mailbox) -> None:
    await mailing.runtime.store.notify(
        await tell(mailing.runtime.store), "escalation", ["a@example.com"], key="e"
    )
    with mailing.postgres_away(), pytest.raises(StoreUnavailable):
        await Postman(mailing.runtime).deliver()
    assert await Postman(mailing.runtime).deliver() == 1 and len(mailbox.messages) == 1


async def test_who_was_not_asked_in_time_is_told_that(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    approval = await ask(
        store, await tell(store), approvers=["anna@example.com"], notify=["anna@example.com"]
    )
    mailing.sql("UPDATE approvals SET expires_at = now() - interval '1 minute'")
    await store.expire(approval.id, datetime.now(UTC))
    await Postman(mailing.runtime).deliver()
    (mail,) = mailbox.messages
    assert str(mail["Subject"]).startswith("[Pitstop] Nobody could be asked in time: nightly_orders")
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "could not be sent before its time was over" in text and "Nobody decided before" in text
    assert "/review/" not in text
    ((error,),) = mailing.sql("SELECT error FROM outbox WHERE kind = 'approval'")
    assert error.startswith("Too late to ask. Nobody decided before")
    mailing.sql("UPDATE outbox SET next_at = created_at WHERE status = 'pending'")
    await Postman(mailing.runtime).deliver()
    assert len(mailbox.messages) == 1


async def test_where_nobody_said_how_people_get_here_a_mail_says_that(
    box_settings: Settings, sandbox: SandboxProcess, mailbox: Mailbox
) -> None:
    everywhere = {**by_mail(mailbox), "public_url": None, "host": "0.0.0.0"}
    async with opened(box_settings.model_copy(update=everywhere), sandbox) as box:
        store = box.runtime.store
        await ask(store, await tell(store), approvers=["anna@example.com"], notify=["anna@example.com"])
        await Postman(box.runtime).deliver()
    (mail,) = mailbox.messages
    for kind in ("plain", "html"):
        text = mail.get_body((kind,)).get_content()  # type: ignore[union-attr]
        assert "0.0.0.0" not in text and "Look and decide" not in text and "/review/" not in text
        assert "PITSTOP_PUBLIC_URL is not set" in text and "incident inc_" in text
