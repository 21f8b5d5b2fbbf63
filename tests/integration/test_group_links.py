"""The link in a mail about a group: shows who waits, decides once for exactly those shown, by a person's own POST."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx

from core.actions import Action, Proposal
from core.groups import GroupAnswer
from core.incident import Approval, Decision, DecisionKind, Reviewer
from sandbox.mailbox import Mailbox
from server.postman import Postman
from tests.incident_stories import a_run, ask, tell
from tests.integration.test_api_console import EVIL
from tests.integration.test_api_groups import LAKE, outage
from tests.mailing import PUBLIC, mailbox, mailing
from tests.server_box import Box, box_settings, sandbox

__all__ = ["box_settings", "mailbox", "mailing", "sandbox"]

ANNA, BEN = "anna@example.com", "ben@example.com"
APPROVE = Decision(kind=DecisionKind.APPROVE)
AT_THE_CONSOLE = Reviewer(name=BEN, role="approver", channel="console")


def by_mail(*people: str) -> dict[str, Any]:
    return {
        "approvers": list(people),
        "notify": list(people),
        "grouping": LAKE.model_copy(update={"settle_seconds": 0, "update_seconds": 0}),
    }


async def asked(box: Box, members: int = 3, *people: str) -> tuple[str, list[Approval]]:
    """A question about this many, sent by mail."""
    group_id, approvals = await outage(box, members, **by_mail(*people or (ANNA,)))
    await Postman(box.runtime).deliver()
    return group_id, approvals


async def joined(box: Box, run_id: int, **more: Any) -> Approval:
    """One more of the same cause."""
    run = a_run(run_id, f"late {run_id}", job_id=run_id)
    return await ask(box.runtime.store, await tell(box.runtime.store, run), **{**by_mail(ANNA), **more})


def link_to(mailbox: Mailbox, who: str, number: int = -1) -> str:
    """The path of the link to the group's question in a mail to `who`."""
    bodies = [m.get_body(("plain",)) for m in mailbox.messages if m["To"] == who]
    links = [
        re.search(rf"Look and decide: {PUBLIC}(/review/group/\S+)", b.get_content()) for b in bodies if b
    ]
    found = [link[1] for link in links if link]
    assert found, [b.get_content() for b in bodies if b]
    return found[number]


def form_of(page: httpx.Response) -> dict[str, str]:
    """What each form of the page sends along."""
    names = ("form", "seen")
    found = {name: re.search(rf'name="{name}" value="([^"]*)"', page.text) for name in names}
    return {name: match[1] for name, match in found.items() if match}


async def statuses(box: Box, *approvals: Approval) -> list[str]:
    return [(await box.runtime.store.approval(a.id)).status.value for a in approvals]


async def test_one_decides_for_all_by_mail(mailing: Box, mailbox: Mailbox) -> None:
    group_id, approvals = await asked(mailing)
    path = link_to(mailbox, ANNA)
    page = await mailing.client().get(path)
    assert page.status_code == 200
    for shown in ("One decision for 3", "job 0", "job 2", "Container killed by YARN", "16g", "goes first"):
        assert shown in page.text
    assert "<script" not in page.text and "Since the message was sent" not in page.text
    given = {**form_of(page), "kind": "approve", "comment": "go", "useful": "yes"}
    done = await mailing.client().post(path, data=given)
    assert done.status_code == 200 and "for 3 by anna@example.com through email" in done.text
    rows = [await mailing.runtime.store.approval(a.id) for a in approvals]
    assert {(r.status.value, r.decided_by, r.channel, r.comment, r.useful) for r in rows} == {
        ("approved", ANNA, "email", "go", True)
    }
    assert mailing.jobs("advance") == [approvals[0].incident_id], "one goes first"
    again = await mailing.client().get(path)
    assert again.status_code == 409 and "You used this link" in again.text
    told = (await mailing.runtime.groups.get(group_id)).decisions
    assert [(d.decided_by, d.channel) for d in told] == [(ANNA, "email")]


async def test_some_are_left_out_and_go_on_waiting(mailing: Box, mailbox: Mailbox) -> None:
    _, approvals = await asked(mailing)
    path = link_to(mailbox, ANNA)
    page = await mailing.client().get(path)
    given = {**form_of(page), "kind": "reject", "then": "take_over", "except": [approvals[1].id]}
    done = await mailing.client().post(path, data=given)
    assert done.status_code == 200 and "1 goes on waiting" in done.text
    assert await statuses(mailing, *approvals) == ["rejected", "pending", "rejected"]
    assert (await mailing.client().get(path)).status_code == 409, "it decides once, for the others too"


async def test_hundreds_can_be_left_out(mailing: Box, mailbox: Mailbox) -> None:
    _, approvals = await asked(mailing, 2)
    path = link_to(mailbox, ANNA)
    given = {**form_of(await mailing.client().get(path)), "kind": "approve"}
    strangers = [f"apr_{n}" for n in range(400)]
    answer = await mailing.client().post(path, data={**given, "except": strangers})
    assert answer.status_code == 422 and "not among the members" in answer.text
    assert await statuses(mailing, *approvals) == ["pending", "pending"]


async def test_looking_decides_nothing(mailing: Box, mailbox: Mailbox) -> None:
    _, approvals = await asked(mailing)
    path = link_to(mailbox, ANNA)
    given = {**form_of(await mailing.client().get(path)), "kind": "approve"}
    for method in ("GET", "HEAD"):
        answer = await mailing.client().request(method, path, params=given)
        assert answer.status_code == 200
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "script" not in answer.headers["content-security-policy"]
    assert await statuses(mailing, *approvals) == ["pending"] * 3
    assert mailing.sql("SELECT count(*) FROM review_links WHERE used_at IS NOT NULL") == [(0,)]


async def test_what_changed_since_the_message_is_said_and_the_link_decides_on_what_is_shown(
    mailing: Box, mailbox: Mailbox
) -> None:
    _, approvals = await asked(mailing)
    path = link_to(mailbox, ANNA)
    await mailing.runtime.store.decide(approvals[0].id, APPROVE, Reviewer(name=ANNA, role="approver"))
    late = await joined(mailing, 6001)
    page = await mailing.client().get(path)
    assert "Since the message was sent:</strong> 1 joined, 1 approved alone" in page.text
    assert "late 6001" in page.text and "One decision for 3" in page.text and "· new" in page.text
    done = await mailing.client().post(path, data={**form_of(page), "kind": "approve"})
    assert done.status_code == 200
    assert await statuses(mailing, *approvals, late) == ["approved"] * 4


async def test_a_decision_on_what_was_not_shown_is_refused_and_the_link_stays_good(
    mailing: Box, mailbox: Mailbox
) -> None:
    _, approvals = await asked(mailing)
    path = link_to(mailbox, ANNA)
    page = await mailing.client().get(path)
    late = await joined(mailing, 6001)
    refused = await mailing.client().post(path, data={**form_of(page), "kind": "approve"})
    assert refused.status_code == 409
    assert "members joined, left or changed" in refused.text
    assert "Since you opened this page:</strong> 1 joined" in refused.text
    assert await statuses(mailing, *approvals, late) == ["pending"] * 4
    assert mailing.jobs("advance") == []
    newer = await mailing.runtime.store.propose(_other(approvals[1]))
    changed = await mailing.client().post(path, data={**form_of(refused), "kind": "approve"})
    assert changed.status_code == 409 and "1 joined, 1 superseded" in changed.text
    done = await mailing.client().post(path, data={**form_of(changed), "kind": "approve"})
    assert done.status_code == 200
    assert await statuses(mailing, *approvals, late, newer) == [
        "approved", "superseded", "approved", "approved", "approved"
    ]  # fmt: skip


def _other(approval: Approval) -> Any:
    """Another proposal for the same incident."""
    from tests.store_rows import proposed

    proposal = Proposal(
        action=Action.RETRY_WITH_NEW_PARAMS,
        params={**approval.proposal.params, "task_keys": ["aggregate", "publish"]},
    )
    return proposed(approval.incident_id, proposal, revision=2, **by_mail(ANNA))


async def test_it_decides_once(mailing: Box, mailbox: Mailbox) -> None:
    group_id, _ = await asked(mailing)
    path = link_to(mailbox, ANNA)
    given = form_of(await mailing.client().get(path))
    tries = [
        mailing.client().post(path, data={**given, "kind": "approve" if n % 2 else "reject"})
        for n in range(8)
    ]
    answers = await asyncio.gather(*tries)
    assert sorted(a.status_code for a in answers) == [200] + [409] * 7
    assert len((await mailing.runtime.groups.get(group_id)).decisions) == 1
    assert mailing.sql("SELECT count(*) FROM review_links WHERE used_at IS NOT NULL") == [(1,)]


async def test_when_nobody_waits_any_more_it_says_how_it_ended(mailing: Box, mailbox: Mailbox) -> None:
    group_id, _ = await asked(mailing, 2, ANNA, BEN)
    path = link_to(mailbox, ANNA)
    page = await mailing.client().get(path)
    group = await mailing.runtime.groups.get(group_id)
    answer = GroupAnswer(kind=DecisionKind.REJECT, sha256=group.sha256 or "")
    await mailing.runtime.groups.decide(group_id, answer, AT_THE_CONSOLE)
    for found in (
        await mailing.client().get(path),
        await mailing.client().post(path, data={**form_of(page), "kind": "approve"}),
    ):
        assert found.status_code == 409
        assert "2 rejected. ben@example.com decided last, through console." in found.text


async def test_too_late_for_all_of_them(mailing: Box, mailbox: Mailbox) -> None:
    await outage(mailing, 2, **{**by_mail(ANNA), "ttl_seconds": 1.5})
    await Postman(mailing.runtime).deliver()
    path = link_to(mailbox, ANNA)
    await asyncio.sleep(1.6)
    late = await mailing.client().get(path)
    assert late.status_code == 410 and "nobody decided in time" in late.text


async def test_who_may_not_decide_gets_a_link_to_the_console(mailing: Box, mailbox: Mailbox) -> None:
    given = {**by_mail(ANNA), "notify": [ANNA, "owner@example.com"]}
    group_id, _ = await outage(mailing, 2, **given)
    await Postman(mailing.runtime).deliver()
    body = next(m for m in mailbox.messages if m["To"] == "owner@example.com").get_body(("plain",))
    assert body and "/review/" not in body.get_content()
    assert f"/console/groups/{group_id}" in body.get_content()
    path = link_to(mailbox, ANNA)
    await mailing.runtime.tokens.create(ANNA, "viewer")
    refused = await mailing.client().get(path)
    assert refused.status_code == 403 and "may not decide on this any more" in refused.text


async def test_who_started_a_run_by_hand_leaves_it_to_others(mailing: Box, mailbox: Mailbox) -> None:
    _, approvals = await asked(mailing)
    own = await joined(mailing, 6001, barred=[ANNA], separate_duties=True)
    path = link_to(mailbox, ANNA)
    page = await mailing.client().get(path)
    assert re.search(rf'value="{own.id}" checked', page.text) and "started by you" in page.text
    refused = await mailing.client().post(path, data={**form_of(page), "kind": "approve"})
    assert refused.status_code == 403 and "somebody else approves it" in refused.text
    given = {**form_of(page), "kind": "approve", "except": [own.id]}
    assert (await mailing.client().post(path, data=given)).status_code == 200
    assert await statuses(mailing, *approvals, own) == ["approved"] * 3 + ["pending"]


async def test_hostile_names_and_causes_are_text(mailing: Box, mailbox: Mailbox) -> None:
    for n in range(2):
        diagnosis = {"category": "network", "failure_class": "x", "root_cause": EVIL, "fingerprint": "aa"}
        incident_id = await tell(mailing.runtime.store, a_run(6000 + n, EVIL), diagnosis=diagnosis)
        await ask(mailing.runtime.store, incident_id, **by_mail(ANNA))
    await Postman(mailing.runtime).deliver()
    page = await mailing.client().get(link_to(mailbox, ANNA))
    assert "<script" not in page.text and "<img src=x" not in page.text and "{{ 7*7 }}" in page.text
