"""A group's question in Slack: one message for all, decided by a click on exactly those whom it shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.groups import Cause, Grouping
from core.incident import Approval, Decision, DecisionKind
from server.postman import Postman
from tests.fakes.slack import FakeSlack, click, submission
from tests.incident_stories import a_proposal, a_run, ask, tell
from tests.integration.test_slack import BEN_ADMIN, chatting, send, slack
from tests.integration.test_slack_changes import standing
from tests.server_box import Box
from tools.notify.slack_blocks import APPROVE, EDIT, OPEN, REJECT, RESPOND

__all__ = ["chatting", "slack"]

CAUSE = Cause(kind="endpoint", value="store.example.com")


def grouping(**more: Any) -> Grouping:
    known = {"window_seconds": 900, "settle_seconds": 0, "update_seconds": 0, "per_minute": 60, "at_once": 5}
    return Grouping(cause=CAUSE, **{**known, **more})


async def joins(box: Box, number: int, **more: Any) -> Approval:
    """One more failure of the cause, asked about with the others."""
    given = {
        "approvers": ["anna@example.com"],
        "notify": ["slack:#data"],
        "grouping": grouping(update_seconds=900),
    }
    incident_id = await tell(box.runtime.store, a_run(number, f"job {number}", job_id=number))
    return await ask(box.runtime.store, incident_id, **{**given, **more})


async def outage(box: Box, members: int = 3, **more: Any) -> list[Approval]:
    """A group's question in the channel."""
    found = [await joins(box, number + 1, **more) for number in range(members)]
    await Postman(box.runtime).deliver()
    return found


async def states(box: Box, members: list[Approval]) -> list[tuple[str, str | None, str | None]]:
    rows = [await box.runtime.store.approval(one.id) for one in members]
    return [(row.status.value, row.decided_by, row.channel) for row in rows]


def shown_now(slack: FakeSlack) -> str:
    (shown,) = standing(slack).values()
    return shown


async def test_one_message_is_updated_with_its_count(chatting: Box, slack: FakeSlack) -> None:
    store = chatting.runtime.store
    members = [await joins(chatting, 1, grouping=grouping())]
    await Postman(chatting.runtime).deliver()
    for number in (2, 3):
        members.append(await joins(chatting, number, grouping=grouping()))
        await Postman(chatting.runtime).deliver()
        assert f"{number} failed runs" in shown_now(slack) and f"Approve all {number}" in shown_now(slack)
    assert "/console/groups/" in shown_now(slack)
    await store.decide(members[0].id, Decision(kind=DecisionKind.REJECT), BEN_ADMIN)
    await Postman(chatting.runtime).deliver()
    assert "2 failed runs" in shown_now(slack)
    for approval in members[1:]:
        await store.decide(approval.id, Decision(kind=DecisionKind.REJECT), BEN_ADMIN)
    await Postman(chatting.runtime).deliver()
    assert "3 were answered alone" in shown_now(slack) and APPROVE not in shown_now(slack)


async def test_the_message_speaks_of_who_waits(chatting: Box, slack: FakeSlack) -> None:
    members = await outage(chatting)
    told = ["2 failed runs", "Your approval is needed: ", "3 were answered alone"]
    for number in (0, 1, 2):
        decision = Decision(kind=DecisionKind.REJECT)
        await chatting.runtime.store.decide(members[number].id, decision, BEN_ADMIN)
        await Postman(chatting.runtime).deliver()
        shown = shown_now(slack)
        assert told[number] in shown or (number == 1 and members[2].id in shown), shown
        assert (members[number].id in shown) is False
    sent = "SELECT recipient FROM outbox WHERE kind = 'approval' AND status = 'sent'"
    assert chatting.sql(sent) == [("slack:#data",)]


async def test_one_click_approves_all_that_are_shown(chatting: Box, slack: FakeSlack) -> None:
    members = await outage(chatting)
    buttons = slack.buttons()
    assert set(buttons) == {APPROVE, REJECT, RESPOND, OPEN}
    assert buttons[APPROVE]["text"]["text"] == "Approve all 3…"
    assert "All of them have the proposal that is shown" in buttons[APPROVE]["confirm"]["text"]["text"]
    answer = await send(chatting, click(buttons[APPROVE], "UANNA"))
    assert answer.status_code == 200 and answer.content == b""
    assert await states(chatting, members) == [("approved", "anna@example.com", "slack")] * 3
    await Postman(chatting.runtime).deliver()
    assert "anna@example.com approved 3 failed runs through slack" in shown_now(slack)
    assert APPROVE not in shown_now(slack) and "/console/groups/" in shown_now(slack)
    again = await send(chatting, click(buttons[APPROVE], "UANNA"))
    assert again.status_code == 200 and slack.sent("chat.postEphemeral") == [], (
        "the same again is the first one"
    )


async def test_those_who_differ_are_counted(chatting: Box, slack: FakeSlack) -> None:
    await joins(chatting, 1)
    await joins(chatting, 2)
    other = a_proposal(params={**a_proposal().params, "task_keys": ["clean"]})
    incident_id = await tell(chatting.runtime.store, a_run(3))
    await ask(
        chatting.runtime.store,
        incident_id,
        other,
        approvers=["anna@example.com"],
        notify=["slack:#data"],
        grouping=grouping(update_seconds=900),
    )
    await Postman(chatting.runtime).deliver()
    assert "that of 2; 1 differ" in slack.buttons()[APPROVE]["confirm"]["text"]["text"]


@pytest.mark.parametrize(
    ("button", "given", "status"),
    [
        (REJECT, {"comment": "the store is down", "then": "take_over", "useful": "yes"}, "rejected"),
        (RESPOND, {"comment": "the table moved", "useful": "no"}, "responded"),
    ],
)
async def test_a_window_answers_for_all(
    chatting: Box, slack: FakeSlack, button: str, given: dict[str, str], status: str
) -> None:
    members = await outage(chatting)
    await send(chatting, click(slack.buttons()[button], "UANNA"))
    view = slack.sent("views.open")[0]["view"]
    assert (await send(chatting, submission(view, "UANNA", **given))).json() == {"response_action": "clear"}
    assert await states(chatting, members) == [(status, "anna@example.com", "slack")] * 3
    row = await chatting.runtime.store.approval(members[2].id)
    assert (row.comment, row.then, row.useful) == (
        given["comment"],
        given.get("then", "nothing"),
        given["useful"] == "yes",
    )
    await Postman(chatting.runtime).deliver()
    assert given["comment"] in shown_now(slack)


async def test_who_joined_since_is_shown_before_anybody_decides(chatting: Box, slack: FakeSlack) -> None:
    members = await outage(chatting)
    stale = slack.buttons()
    await send(chatting, click(stale[REJECT], "UANNA"))
    window = slack.sent("views.open")[0]["view"]
    members.append(await joins(chatting, 4))
    await send(chatting, click(stale[APPROVE], "UANNA"))
    assert "members joined, left or changed" in slack.sent("chat.postEphemeral")[-1]["text"]
    assert "4 failed runs" in shown_now(slack) and "Approve all 4" in shown_now(slack)
    await send(chatting, click(stale[RESPOND], "UANNA"))
    assert "members joined, left or changed" in slack.sent("chat.postEphemeral")[-1]["text"]
    assert len(slack.sent("views.open")) == 1, "nobody writes a reason in vain"
    late = await send(chatting, submission(window, "UANNA", comment="no"))
    assert "members joined" in late.text + slack.sent("chat.postEphemeral")[-1]["text"]
    assert await states(chatting, members) == [("pending", None, None)] * 4
    fresh = {e["action_id"]: e for e in json.loads(shown_now(slack))[-1]["elements"]}
    await send(chatting, click(fresh[APPROVE], "UANNA"))
    assert await states(chatting, members) == [("approved", "anna@example.com", "slack")] * 4


async def test_a_new_question_is_a_new_message(chatting: Box, slack: FakeSlack) -> None:
    await outage(chatting)
    await send(chatting, click(slack.buttons()[APPROVE], "UANNA"))
    await Postman(chatting.runtime).deliver()
    await joins(chatting, 7)
    await joins(chatting, 8)
    for _ in range(3):
        await Postman(chatting.runtime).deliver()
    old, new = standing(slack).values()
    assert "approved 3 failed runs" in old and APPROVE not in old
    assert "2 failed runs" in new and "Approve all 2" in new


async def test_nobody_else_decides_on_a_group(chatting: Box, slack: FakeSlack) -> None:
    members = await outage(chatting)
    slack.member("UVERA", "vera@example.com")
    for user in ("UVERA", "UBEN", "UNOBODY"):
        for name in (APPROVE, REJECT, RESPOND):
            await send(chatting, click(slack.buttons()[name], user))
    told = [sent["text"] for sent in slack.sent("chat.postEphemeral")]
    assert len(told) == 9 and all("does not know you" in text or "may not decide" in text for text in told)
    edit = {**slack.buttons()[APPROVE], "action_id": EDIT}
    await send(chatting, click(edit, "UANNA"))
    assert "member by member" in slack.sent("chat.postEphemeral")[-1]["text"]
    assert slack.sent("views.open") == []
    assert await states(chatting, members) == [("pending", None, None)] * 3


async def test_slack_takes_a_large_group(chatting: Box, slack: FakeSlack) -> None:
    long = [f"job {'x' * 200} {number}" for number in range(40)]
    for number, name in enumerate(long):
        incident_id = await tell(chatting.runtime.store, a_run(number + 1, name, job_id=number))
        await ask(
            chatting.runtime.store,
            incident_id,
            approvers=["anna@example.com"],
            notify=["slack:#data"],
            grouping=grouping(update_seconds=900),
        )
    await Postman(chatting.runtime).deliver()
    (posted,) = slack.sent("chat.postMessage")
    assert len(posted["blocks"]) <= 50
    assert all(len(block["text"]["text"]) <= 3000 for block in posted["blocks"] if "text" in block)
    assert all(len(button.get("value", "")) <= 2000 for button in slack.buttons().values())
