"""What was asked in Slack stays true: after a decision, more time or an edit, every message about it says so."""

from __future__ import annotations

import json
from typing import Any

from core.incident import Approval, Decision, DecisionKind, Reviewer
from server.corrections import Corrections
from server.postman import Postman
from store.reminders import HALF, Reminders
from tests.fakes.slack import FakeSlack, click
from tests.integration.test_slack import BEN, asked, chatting, send, slack
from tests.server_box import Box
from tools.notify import Channels
from tools.notify.slack_blocks import APPROVE

__all__ = ["chatting", "slack"]

ANNA = Reviewer(name="anna@example.com", role="approver", channel="email")


async def deliver(box: Box) -> None:
    while await Postman(box.runtime).deliver():
        pass


def standing(slack: FakeSlack) -> dict[str, str]:
    """What each posted message says by now, as JSON, by its `ts`; in the order of posting."""
    shown: dict[str, str] = {}
    for number, (method, arguments) in enumerate(slack.calls, 1):
        if method == "chat.postMessage":
            shown[f"1700000000.{number:06d}"] = json.dumps(arguments["blocks"], ensure_ascii=False)
        elif method == "chat.update":
            shown[arguments["ts"]] = json.dumps(arguments["blocks"], ensure_ascii=False)
    return shown


async def told_everywhere(box: Box, slack: FakeSlack) -> Approval:
    """A question, its reminder, whom it was delegated to, and who was asked next: each with a message of its own."""
    approval = await asked(box)
    await box.runtime.store.delegate(
        approval.id, "slack:UCARL", ANNA, comment="on a plane", named=["slack:UCARL"]
    )
    reminders = Reminders(box.runtime.db, box.runtime.clock)
    assert await reminders.remind(approval.id, HALF, ask_next=["slack:UDORA"])
    await deliver(box)
    assert len(standing(slack)) == 5, "the question, two more who were asked, and two reminders"
    return approval


async def test_every_message_loses_its_buttons_and_says_who_decided(chatting: Box, slack: FakeSlack) -> None:
    approval = await told_everywhere(chatting, slack)
    assert all(APPROVE in shown for shown in standing(slack).values())
    decision = Decision(kind=DecisionKind.REJECT, comment="not tonight")
    await chatting.runtime.store.decide(approval.id, decision, BEN)
    await deliver(chatting)
    for shown in standing(slack).values():
        assert "ben@example.com rejected this through console" in shown and "not tonight" in shown
        assert APPROVE not in shown
    assert len(slack.sent("chat.postMessage")) == 5, "nothing new is posted"


async def test_more_time_is_shown_everywhere(chatting: Box, slack: FakeSlack) -> None:
    approval = await told_everywhere(chatting, slack)
    later = await chatting.runtime.store.extend(approval.id, ANNA, seconds=7200)
    await deliver(chatting)
    end = (later.expires_at or "")[:16].replace("T", " ")
    for shown in standing(slack).values():
        assert f"{end} UTC" in shown and APPROVE in shown


async def test_an_edit_that_asks_somebody_else_is_shown_in_the_old_messages(
    chatting: Box, slack: FakeSlack
) -> None:
    approval = await asked(chatting, separate_duties=True)
    old = slack.buttons()[APPROVE]
    setting = {**approval.proposal.params["settings"][0], "proposed": "12g"}
    edit = Decision(kind=DecisionKind.EDIT, params={**approval.proposal.params, "settings": [setting]})
    await chatting.runtime.store.decide(approval.id, edit, BEN)
    await deliver(chatting)
    now = await chatting.runtime.store.approval(approval.id)
    messages = standing(slack)
    assert len(messages) == 2, "the old one, and the one that asks anew"
    for shown in messages.values():
        assert "8g → 12g" in shown and "8g → 16g" not in shown
        assert now.payload_sha256 in shown and approval.payload_sha256 not in shown
    await send(chatting, click(old, "UANNA"))
    assert "is not the one" in slack.sent("chat.postEphemeral")[-1]["text"]
    updated = json.loads(next(iter(messages.values())))[-1]["elements"][0]
    await send(chatting, click(updated, "UANNA"))
    assert (await chatting.runtime.store.approval(approval.id)).decided_by == "anna@example.com"
    await deliver(chatting)
    assert all("anna@example.com approved this through slack" in shown for shown in standing(slack).values())


async def test_who_draws_last_looks_again(chatting: Box, slack: FakeSlack) -> None:
    approval = await asked(chatting)
    runtime = chatting.runtime
    (message_id,) = chatting.sql("SELECT id FROM outbox WHERE kind = 'approval'")[0]

    class Slow(Channels):
        """Somebody decides, and another server draws that, while this one's drawing is on its way."""

        late = True

        async def update(self, recipient: str, message: Any, receipt: Any) -> bool:
            if self.late:
                self.late = False
                await runtime.store.decide(approval.id, Decision(kind=DecisionKind.REJECT), BEN)
                await deliver(chatting)
            return await super().update(recipient, message, receipt)

    assert await Corrections(runtime, Slow(runtime.settings)).correct(await runtime.outbox.get(message_id))
    (shown,) = standing(slack).values()
    assert "ben@example.com rejected this" in shown and APPROVE not in shown
    assert len(slack.sent("chat.update")) == 3, (
        "the newer one, the older one over it, and the newer one again"
    )


async def test_one_word_of_the_end_for_each_who_can_not_be_shown_it(chatting: Box) -> None:
    approval = await asked(chatting, notify=["anna@example.com", "slack:#data"])
    reminders = Reminders(chatting.runtime.db, chatting.runtime.clock)
    await reminders.remind(approval.id, HALF)
    chatting.sql("UPDATE outbox SET status = 'sent' WHERE recipient = 'anna@example.com' RETURNING id")
    await chatting.runtime.store.decide(approval.id, Decision(kind=DecisionKind.APPROVE), BEN)
    told = "SELECT kind, payload->>'tell' FROM outbox WHERE recipient = %s AND kind IN ('settled', 'changed') ORDER BY id"
    assert chatting.sql(told, "anna@example.com") == [("settled", "true"), ("settled", "false")]
