"""The link in a mail: shows, decides once by a person's own POST, and is worth nothing to anybody else."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.incident import Approval, Decision, DecisionKind, Reviewer
from sandbox.mailbox import Mailbox
from server import review_links
from server.postman import Postman
from tests.incident_stories import MEMORY, a_run, ask, tell
from tests.mailing import PUBLIC
from tests.server_box import Box

ANNA = Reviewer(name="anna@example.com", role="approver", channel="console")
APPROVE = Decision(kind=DecisionKind.APPROVE)


async def asked(box: Box, *people: str, run_id: int = 4711, **more: Any) -> Approval:
    """A question to these approvers, sent by mail."""
    store = box.runtime.store
    incident_id = await tell(store, a_run(run_id))
    approval = await ask(store, incident_id, **{"approvers": list(people), "notify": list(people), **more})
    await Postman(box.runtime).deliver()
    return approval


def link_to(mailbox: Mailbox, who: str, number: int = -1) -> str:
    """The path of the link in a mail to `who`."""
    texts = [m.get_body(("plain",)) for m in mailbox.messages if m["To"] == who]
    body = texts[number]
    assert body is not None
    found = re.search(rf"Look and decide: {PUBLIC}(/review/\S+)", body.get_content())
    assert found, body.get_content()
    return found[1]


def form_of(page: httpx.Response) -> str:
    """The one-time token of a page's forms."""
    assert page.status_code in (200, 422), page.text
    found = re.search(r'name="form" value="([^"]+)"', page.text)
    assert found
    return found[1]


async def post(box: Box, path: str, page: httpx.Response, **fields: str) -> httpx.Response:
    return await box.client().post(path, data={"form": form_of(page), **fields})


async def test_a_person_decides_by_mail(mailing: Box, mailbox: Mailbox) -> None:
    approval = await asked(mailing, "anna@example.com")
    path = link_to(mailbox, "anna@example.com")
    page = await mailing.client().get(path)
    for shown in ("nightly_orders", "Container killed by YARN", "8g", "16g", "executor_oom", "Approve"):
        assert shown in page.text
    for shown in ("<dt>Costs</dt>", "runs again", "<dt>If it is wrong</dt>", "settings are put back"):
        assert shown in page.text, shown
    assert "<script" not in page.text
    done = await post(mailing, path, page, kind="approve", comment="go", useful="yes")
    assert done.status_code == 200 and "approved" in done.text
    row = await mailing.runtime.store.approval(approval.id)
    assert (row.status, row.decided_by, row.channel, row.comment, row.useful) == (
        "approved",
        "anna@example.com",
        "email",
        "go",
        True,
    )
    assert mailing.jobs("advance") == [approval.incident_id]


async def test_looking_decides_nothing_and_uses_nothing_up(mailing: Box, mailbox: Mailbox) -> None:
    approval = await asked(mailing, "anna@example.com")
    path = link_to(mailbox, "anna@example.com")
    before = mailing.sql("SELECT * FROM review_links"), mailing.sql("SELECT * FROM approvals")
    for _ in range(3):
        for method in ("GET", "HEAD"):
            answer = await mailing.client().request(
                method, path, params={"kind": "approve", "decision": "approve"}
            )
            assert answer.status_code == 200
    assert (await mailing.client().options(path)).status_code == 405
    assert (mailing.sql("SELECT * FROM review_links"), mailing.sql("SELECT * FROM approvals")) == before
    assert (await mailing.runtime.store.approval(approval.id)).status == "pending"


async def test_the_page_runs_nothing_and_gives_its_address_to_nobody(mailing: Box, mailbox: Mailbox) -> None:
    await asked(mailing, "anna@example.com")
    for path in (link_to(mailbox, "anna@example.com"), "/review/forged"):
        headers = (await mailing.client().get(path)).headers
        policy = headers["content-security-policy"]
        assert "script" not in policy and policy.startswith("default-src 'none'")
        assert headers["referrer-policy"] == "no-referrer" and headers["cache-control"] == "no-store"
        assert "noindex" in headers["x-robots-tag"] and "set-cookie" not in headers


async def test_it_decides_once(mailing: Box, mailbox: Mailbox) -> None:
    await asked(mailing, "anna@example.com")
    path = link_to(mailbox, "anna@example.com")
    page = await mailing.client().get(path)
    answers = await asyncio.gather(
        *(post(mailing, path, page, kind="approve" if n % 2 else "reject") for n in range(8))
    )
    assert sorted(a.status_code for a in answers) == [200] + [409] * 7
    again = await mailing.client().get(path)
    assert again.status_code == 409 and "You used this link" in again.text
    assert mailing.sql("SELECT count(*) FROM events WHERE kind = 'decided'") == [(1,)]
    assert mailing.sql("SELECT count(*) FROM review_links WHERE used_at IS NOT NULL") == [(1,)]


async def test_forged_and_cut_tokens(mailing: Box, mailbox: Mailbox) -> None:
    approval = await asked(mailing, "anna@example.com")
    path = link_to(mailbox, "anna@example.com")
    form = form_of(await mailing.client().get(path))
    # Not the last one: some of its bits say nothing.
    wrong = path[:-9] + ("A" if path[-9] != "A" else "B") + path[-8:]
    for bad in (
        wrong,
        path[:-10],
        "/review/x",
        "/review/" + "x" * 5000,
        "/review/%00",
        path + ".",
        "/review/..",
    ):
        for answer in (
            await mailing.client().get(bad),
            await mailing.client().post(bad, data={"form": form, "kind": "approve"}),
        ):
            assert answer.status_code in (403, 404, 405), (bad, answer.status_code)
    assert (await mailing.client().get(wrong)).status_code == 403
    assert (await mailing.runtime.store.approval(approval.id)).status == "pending"


async def test_an_expired_link(mailing: Box, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    await asked(mailing, "anna@example.com", ttl_seconds=30 * 86400.0)
    path = link_to(mailbox, "anna@example.com")
    page = await mailing.client().get(path)
    at = mailing.runtime.clock.now()
    for later, said in ((timedelta(hours=2), "open for too long"), (timedelta(days=8), "has expired")):
        monkeypatch.setattr(mailing.runtime.clock, "now", lambda later=later: at + later, raising=False)
        answer = await post(mailing, path, page, kind="approve")
        assert answer.status_code == 410 and said in answer.text
    assert (await mailing.client().get(path)).status_code == 410


async def test_links_and_forms_of_others(mailing: Box, mailbox: Mailbox) -> None:
    first = await asked(mailing, "anna@example.com", "ben@example.com")
    second = await asked(mailing, "anna@example.com", run_id=4712)
    one, other = link_to(mailbox, "anna@example.com", 0), link_to(mailbox, "anna@example.com", 1)
    assert one != other != link_to(mailbox, "ben@example.com")
    page = await mailing.client().get(other)
    answer = await post(mailing, one, page, kind="approve")  # a form of another approval
    assert answer.status_code == 403 and "another link" in answer.text
    bens = await mailing.client().get(link_to(mailbox, "ben@example.com"))
    answer = await post(mailing, one, bens, kind="approve")  # a form of another reviewer
    assert answer.status_code == 403
    runtime = mailing.runtime
    link_id = mailing.sql("SELECT id FROM review_links WHERE approval_id = %s LIMIT 1", first.id)[0][0]
    signer = review_links._signer(runtime, "link")
    ends = int((runtime.clock.now() + timedelta(days=1)).timestamp())
    reviewer = mailing.sql("SELECT reviewer FROM review_links WHERE id = %s", link_id)[0][0]
    for body, said in (
        ([link_id, second.id, reviewer, ends], "another proposal"),
        ([link_id, first.id, "root@example.com", ends], "another reviewer"),
        (["lnk_none", first.id, reviewer, ends], "no such link"),
    ):
        answer = await mailing.client().get(f"/review/{signer.dumps(body)}")
        assert answer.status_code == 404 and said in answer.text
    for approval in (first, second):
        assert (await runtime.store.approval(approval.id)).status == "pending"


async def test_a_superseded_proposal(mailing: Box, mailbox: Mailbox) -> None:
    approval = await asked(mailing, "anna@example.com")
    path = link_to(mailbox, "anna@example.com")
    page = await mailing.client().get(path)
    newer = await ask(mailing.runtime.store, approval.incident_id, revision=2)
    for answer in (await mailing.client().get(path), await post(mailing, path, page, kind="approve")):
        assert answer.status_code == 409 and "Superseded" in answer.text
    assert (await mailing.runtime.store.approval(newer.id)).status == "pending"


async def test_decided_by_another_and_too_late(mailing: Box, mailbox: Mailbox) -> None:
    approval = await asked(mailing, "anna@example.com", "ben@example.com")
    path = link_to(mailbox, "ben@example.com")
    page = await mailing.client().get(path)
    await mailing.runtime.store.decide(approval.id, APPROVE, ANNA)
    for answer in (await mailing.client().get(path), await post(mailing, path, page, kind="reject")):
        assert answer.status_code == 409
        assert "anna@example.com approved this through console" in answer.text
    await asked(mailing, "anna@example.com", run_id=4712, ttl_seconds=0.3)
    late = link_to(mailbox, "anna@example.com")
    await asyncio.sleep(0.4)
    answer = await mailing.client().get(late)
    assert answer.status_code == 410 and "Too late" in answer.text


async def test_a_link_is_worth_no_more_than_its_holders_rights_of_today(
    mailing: Box, mailbox: Mailbox
) -> None:
    tokens = mailing.runtime.tokens
    _, token = await tokens.create("carl@example.com", "approver")
    approval = await asked(mailing, notify=["carl@example.com", "owner@example.com"])
    body = next(m for m in mailbox.messages if m["To"] == "owner@example.com").get_body(("plain",))
    assert body and "/review/" not in body.get_content()  # whoever owns a job is no approver
    path = link_to(mailbox, "carl@example.com")
    page = await mailing.client().get(path)
    await tokens.revoke(token.id)
    for answer in (await mailing.client().get(path), await post(mailing, path, page, kind="approve")):
        assert answer.status_code == 403
    await tokens.create("carl@example.com", "viewer")
    assert (await mailing.client().get(path)).status_code == 403
    assert (await mailing.runtime.store.approval(approval.id)).status == "pending"


async def test_what_is_wrong_in_an_edit_is_shown_and_the_link_still_works(
    mailing: Box, mailbox: Mailbox
) -> None:
    approval = await asked(mailing, "anna@example.com")
    path = link_to(mailbox, "anna@example.com")
    page = await mailing.client().get(path)
    wrong = await post(mailing, path, page, kind="edit", task_keys="x" * 200)
    assert wrong.status_code == 422 and "do not fit" in wrong.text
    for fields in ({"kind": "explode"}, {}, {"kind": "respond"}):
        assert (await post(mailing, path, page, **fields)).status_code == 422
    good = await post(mailing, path, wrong, **{"kind": "edit", "setting.0": "12g", "task_keys": "aggregate"})
    assert good.status_code == 200
    row = await mailing.runtime.store.approval(approval.id)
    assert row.status == "edited"
    assert row.proposal.params["settings"] == [{"path": MEMORY, "current": "8g", "proposed": "12g"}]


async def test_forms_without_a_token_or_from_another_site(mailing: Box, mailbox: Mailbox) -> None:
    approval = await asked(mailing, "anna@example.com")
    path = link_to(mailbox, "anna@example.com")
    page = await mailing.client().get(path)
    bare = await mailing.client().post(path, data={"kind": "approve"})
    assert bare.status_code == 403
    foreign = await mailing.client().post(
        path, data={"form": form_of(page), "kind": "approve"}, headers={"sec-fetch-site": "cross-site"}
    )
    assert foreign.status_code == 403
    as_json = await mailing.client().post(path, json={"form": form_of(page), "kind": "approve"})
    assert as_json.status_code == 403
    assert (await mailing.runtime.store.approval(approval.id)).status == "pending"


async def test_hostile_log_text_is_text(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'{{7777*7777}}"
    diagnosis = {
        "category": "data",
        "failure_class": hostile,
        "root_cause": hostile,
        "confidence": 0.5,
        "evidence": [{"source": hostile, "line_start": 1, "line_end": 1, "text": hostile}],
    }
    incident_id = await tell(store, a_run(9, job_name=hostile), diagnosis=diagnosis)
    await ask(store, incident_id, approvers=["anna@example.com"], notify=["anna@example.com"])
    await Postman(mailing.runtime).deliver()
    page = await mailing.client().get(link_to(mailbox, "anna@example.com"))
    assert "<script" not in page.text and "<img src=x" not in page.text and "60481729" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


async def test_lines_quoted_in_parts_have_no_made_up_numbers(mailing: Box, mailbox: Mailbox) -> None:
    store = mailing.runtime.store
    quoted = [
        {"source": "whole", "line_start": 7, "line_end": 8, "text": "one\ntwo"},
        {"source": "parts", "line_start": 2, "line_end": 118, "text": "first\n[...]\nlast"},
    ]
    diagnosis = {"category": "data", "root_cause": "x", "confidence": 0.5, "evidence": quoted}
    incident_id = await tell(store, a_run(9), diagnosis=diagnosis)
    await ask(store, incident_id, approvers=["anna@example.com"], notify=["anna@example.com"])
    await Postman(mailing.runtime).deliver()
    page = await mailing.client().get(link_to(mailbox, "anna@example.com"))
    assert re.findall(r'class="ln">(\d+)<', page.text) == ["7", "8"]
    assert "line 2 to 118 · in parts" in page.text
    assert page.text.count('<tr class="proof">') == 5, "they wrap on a phone"


async def test_a_message_sent_again_carries_the_same_link(mailing: Box, mailbox: Mailbox) -> None:
    await asked(mailing, "anna@example.com")
    mailing.sql("UPDATE outbox SET status = 'pending', next_at = now() - interval '1 minute'")
    await Postman(mailing.runtime).deliver()
    assert len(mailbox.messages) == 2
    assert mailing.sql("SELECT count(*) FROM review_links") == [(1,)]


async def test_in_bad_weather_the_page_says_so(mailing: Box, mailbox: Mailbox) -> None:
    await asked(mailing, "anna@example.com")
    path = link_to(mailbox, "anna@example.com")
    with mailing.postgres_away():
        answer = await mailing.client().get(path)
        assert answer.status_code == 503 and "<h1>" in answer.text
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert (await mailing.client().get(path)).status_code == 200
