"""Attacks through Slack on a group's question: stale, signed wrongly, another's group, smuggled kinds, who may not."""

from __future__ import annotations

import json
from typing import Any

from core.incident import Approval
from server.postman import Postman
from tests.fakes.slack import click, signed, submission
from tests.incident_stories import a_run, ask, tell
from tests.integration.attacks.on_decisions import LAKE
from tests.integration.attacks.target import ANNA, BEN, SLACK_HOOK, VERA, Target
from tools.notify.slack_blocks import APPROVE, EDIT, REJECT, RESPOND

Buttons = dict[str, dict[str, Any]]


async def _joins(target: Target, number: int, cause: str, people: list[str]) -> Approval:
    about = {"cause": LAKE.cause.model_copy(update={"value": cause}), "update_seconds": 900}
    run = a_run(7_000_000 + 1000 * sum(map(ord, cause)) + number, f"job {number}")
    given = {"grouping": LAKE.model_copy(update=about), "approvers": people, "notify": ["slack:#data"]}
    return await ask(target.box.runtime.store, await tell(target.box.runtime.store, run), **given)


async def _asked(target: Target, cause: str, *people: str) -> tuple[list[Approval], Buttons]:
    """Three failures of one cause, asked about together in Slack; the buttons."""
    members = [await _joins(target, number, cause, list(people)) for number in range(3)]
    await Postman(target.box.runtime).deliver()
    return members, target.slack.buttons()


def _of(button: dict[str, Any], **changed: str) -> dict[str, Any]:
    return {**button, "value": json.dumps({**json.loads(button["value"]), **changed})}


def _window(kind: str, button: dict[str, Any], user: str, **values: str) -> dict[str, Any]:
    view = {
        "callback_id": f"pitstop_{kind}",
        "private_metadata": json.dumps({**json.loads(button["value"]), "c": "C0DATA"}),
        "blocks": [],
    }
    found = submission(view, user)
    found["view"]["state"]["values"] = {name: {"v": {"value": value}} for name, value in values.items()}
    return found


async def _all_wait(target: Target, members: list[Approval]) -> None:
    assert {(await target.standing(one)).status.value for one in members} == {"pending"}


async def stale(target: Target) -> None:
    members, buttons = await _asked(target, "stale.example.com", ANNA)
    members.append(await _joins(target, 9, "stale.example.com", [ANNA]))
    for name in (APPROVE, REJECT, RESPOND):
        await target.slack_refuses(click(buttons[name], "UANNA"), saying="members joined, left or changed")
    for kind in ("approve", "reject", "respond"):
        if kind != "approve":  # no window approves
            window = _window(kind, buttons[REJECT], "UANNA", comment="no")
            await target.slack_refuses(window, saying="members joined, left or changed")
    shown = json.dumps(target.slack.sent("chat.update")[-1])
    assert "4 failed runs" in shown and "Approve all 4" in shown, "the message shows who waits now"
    await _all_wait(target, members)


async def signed_wrongly(target: Target) -> None:
    members, buttons = await _asked(target, "signed.example.com", ANNA)
    for payload in (
        click(buttons[APPROVE], "UANNA"),
        _window("reject", buttons[REJECT], "UANNA", comment="no"),
    ):
        good = signed(payload)
        for request in (
            signed(payload, secret="another"),
            signed(payload, age=400),
            {**good, "content": good["content"].replace("UANNA", "UBEN")},
            {**good, "headers": {k: v for k, v in good["headers"].items() if "slack" not in k}},
        ):
            await target.refused(target.client(), "POST", SLACK_HOOK, 401, **request)
    await _all_wait(target, members)


async def of_another(target: Target) -> None:
    mine, buttons = await _asked(target, "anna.example.com", ANNA)
    others, bens = await _asked(target, "ben.example.com", BEN)
    for name in (APPROVE, REJECT, RESPOND):
        await target.slack_refuses(click(bens[name], "UANNA"), saying=" not ")
    ids = json.loads(bens[APPROVE]["value"])
    mixed = _of(buttons[APPROVE], g=ids["g"])
    await target.slack_refuses(click(mixed, "UANNA"), saying=" not ")
    own = _of(buttons[APPROVE], h=ids["h"])
    await target.slack_refuses(click(own, "UANNA"), saying="members joined, left or changed")
    single = json.dumps({"a": mine[0].id, "h": json.loads(buttons[APPROVE]["value"])["h"]})
    await target.slack_refuses(click({**buttons[APPROVE], "value": single}, "UANNA"), saying="is not the one")
    crossed = _of(buttons[APPROVE], g=mine[0].id, h=mine[0].payload_sha256)
    await target.slack_refuses(click(crossed, "UANNA"), saying="There is no group")
    for kind in ("reject", "respond"):
        window = _window(kind, bens[REJECT], "UANNA", comment="no")
        await target.slack_refuses(window, saying=" not ")
    await _all_wait(target, [*mine, *others])


async def smuggled(target: Target) -> None:
    members, buttons = await _asked(target, "smuggled.example.com", ANNA)
    await target.slack_refuses(
        click({**buttons[APPROVE], "action_id": EDIT}, "UANNA"), saying="member by member"
    )
    edit = _window("edit", buttons[APPROVE], "UANNA", f0="999g", comment="no")
    await target.slack_refuses(edit, saying="no answer to a group")
    then = _window("reject", buttons[APPROVE], "UANNA", comment="no", then="delete")
    await target.slack_refuses(then, saying="no answer to a group")
    for sha256 in ("", "x", "0" * 63, "G" * 64):
        forged = _of(buttons[APPROVE], h=sha256)
        await target.slack_refuses(click(forged, "UANNA"), saying="no answer to a group")
    await _all_wait(target, members)


async def by_one_who_may_not(target: Target) -> None:
    members, buttons = await _asked(target, "strangers.example.com", ANNA, VERA)
    target.slack.member("UVERA", VERA)
    target.slack.member("UGUEST", ANNA, is_restricted=True)
    target.slack.member("UNSURE", ANNA, is_email_confirmed=False)
    await target.box.token(VERA, "viewer")
    for user in ("UVERA", "UGUEST", "UNSURE", "UNOBODY"):
        for name in (APPROVE, REJECT, RESPOND):
            await target.slack_refuses(click(buttons[name], user), saying=" not ")
        window = _window("reject", buttons[REJECT], user, comment="no")
        await target.slack_refuses(window, saying=" not ")
    await _all_wait(target, members)


ATTACKS = {
    "Slack, a group: stale message": stale,
    "Slack, a group: signature wrong, old or missing": signed_wrongly,
    "Slack, a group: another's, or mixed with one approval": of_another,
    "Slack, a group: other kinds, hashes and ends smuggled in": smuggled,
    "Slack, a group: by one who may not": by_one_who_may_not,
}
