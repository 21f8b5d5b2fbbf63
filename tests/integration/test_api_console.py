"""The console over HTTP: signing in, forms that only our pages can send, hostile text that stays text."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest

from server.sessions import COOKIE
from tests.incident_stories import a_proposal, a_run, ask, facts, tell
from tests.server_box import Box

SIGN_IN = "/console/sign-in"
EVIL = "</code><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}"


def csrf(page: httpx.Response) -> str:
    """The token of a page's forms."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


async def signed_in(box: Box, role: str = "approver", name: str = "anna@example.com") -> httpx.AsyncClient:
    """A browser with a session."""
    browser = box.client()
    page = await browser.get(SIGN_IN)
    token = await box.token(name, role)
    answer = await browser.post(SIGN_IN, data={"csrf": csrf(page), "token": token})
    assert answer.status_code == 303
    return browser


async def form_of(browser: httpx.AsyncClient, approval: Any, kind: str, **more: str) -> dict[str, str]:
    """A decision's form, filled in."""
    page = await browser.get(f"/console/incidents/{approval.incident_id}")
    return {"csrf": csrf(page), "kind": kind, "payload_sha256": approval.payload_sha256, **more}


def path(approval: Any) -> str:
    return f"/console/approvals/{approval.id}/decision"


async def test_nobody_sees_anything_before_signing_in(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    browser = box.client()
    for page in ("/console", f"/console/incidents/{incident_id}", f"/console/incidents/{incident_id}/live"):
        answer = await browser.get(page)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(SIGN_IN)
    part = await browser.get("/console", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Redirect"]) == (401, SIGN_IN)
    assert (await browser.post("/console/approvals/apr_1/decision")).status_code in (303, 403)


async def test_signing_in_with_a_token(box: Box) -> None:
    browser = box.client()
    page = await browser.get(SIGN_IN, params={"next": "/console?show=all"})
    token = await box.token("anna@example.com", "approver")
    answer = await browser.post(
        SIGN_IN, data={"csrf": csrf(page), "token": token, "next": "/console?show=all"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/console?show=all")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert token not in cookie
    listed = await browser.get("/console")
    assert listed.status_code == 200
    assert "anna@example.com" in listed.text


async def test_over_https_the_cookie_is_for_https_alone(box: Box) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(box.app), base_url="https://pitstop.test"
    ) as browser:
        page = await browser.get(SIGN_IN)
        cookie = page.headers["set-cookie"]
        assert cookie.startswith("__Host-") and "; Secure" in cookie and "Path=/;" in cookie
        assert "domain" not in cookie.lower()
        given = {"csrf": csrf(page), "token": await box.token("anna@example.com", "approver")}
        assert (await browser.post(SIGN_IN, data=given)).status_code == 303
        page = await browser.get("/console")
        assert "anna@example.com" in page.text
        session = browser.cookies[f"__Host-{COOKIE}"]
        for name, status in (
            (COOKIE, 303),
            (f"__Host-{COOKIE}", 200),
        ):  # a neighbour can plant only the first
            holder = httpx.AsyncClient(
                transport=httpx.ASGITransport(box.app), base_url="https://pitstop.test"
            )
            assert (
                await holder.get("/console", headers={"cookie": f"{name}={session}"})
            ).status_code == status
        assert (await browser.post("/console/sign-out", data={"csrf": csrf(page)})).status_code == 303
        assert (await browser.get("/console")).status_code == 303


async def test_signing_out_ends_the_session_for_good(box: Box) -> None:
    browser = await signed_in(box)
    cookie = browser.cookies[COOKIE]
    page = await browser.get("/console")
    await browser.post("/console/sign-out", data={"csrf": csrf(page)})
    stolen = box.client(cookies={COOKIE: cookie})
    assert (await stolen.get("/console")).status_code == 303


async def test_a_session_ends_with_the_token_that_opened_it(box: Box) -> None:
    secret, token = await box.runtime.tokens.create("anna@example.com", "approver")
    browser = box.client()
    page = await browser.get(SIGN_IN)
    await browser.post(SIGN_IN, data={"csrf": csrf(page), "token": secret})
    assert (await browser.get("/console")).status_code == 200
    await box.runtime.tokens.revoke(token.id)
    assert (await browser.get("/console")).status_code == 303


async def test_without_postgres_the_console_says_so(box: Box) -> None:
    browser = await signed_in(box)
    with box.postgres_away():
        answer = await browser.get("/console")
    assert answer.status_code == 503
    assert "The database does not answer" in answer.text
    assert (await browser.get("/console")).status_code == 200


async def test_a_link_signs_in_once_and_only_by_a_post(box: Box) -> None:
    link = await box.sign_in_link("anna@example.com", "approver")
    code = httpx.URL(link).params["code"]
    for _ in range(3):  # mail scanners look at it as often as they like
        scanner = box.client()
        assert (await scanner.get(link)).status_code == 200
        assert (await scanner.get("/console")).status_code == 303
    browser = box.client()
    page = await browser.get(link)
    assert (await browser.post(SIGN_IN, data={"csrf": csrf(page), "code": code})).status_code == 303
    assert "anna@example.com" in (await browser.get("/console")).text
    other = box.client()
    page = await other.get(link)
    again = await other.post(SIGN_IN, data={"csrf": csrf(page), "code": code})
    assert again.status_code == 401
    assert "used already" in again.text
    forged = await other.post(SIGN_IN, data={"csrf": csrf(page), "code": code[:-2] + "xx"})
    assert forged.status_code == 401


async def test_a_links_code_is_no_api_token_and_the_api_makes_links(box: Box) -> None:
    anna = await box.as_("approver", "anna@example.com")
    made = await anna.post("/api/v1/sign-in-links")
    assert made.status_code == 201
    code = httpx.URL(made.json()["url"]).params["code"]
    assert (await box.client(code).get("/api/v1/incidents")).status_code == 401
    browser = box.client()
    page = await browser.get(made.json()["url"])
    await browser.post(SIGN_IN, data={"csrf": csrf(page), "code": code})
    listed = await browser.get("/console")
    assert "anna@example.com" in listed.text
    assert "approver" in listed.text


async def test_guessing_tokens_is_held_back(box: Box) -> None:
    browser = box.client()
    page = await browser.get(SIGN_IN)
    answers = [await browser.post(SIGN_IN, data={"csrf": csrf(page), "token": f"pit_{n}"}) for n in range(12)]
    assert [a.status_code for a in answers] == [401] * 10 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) > 0
    right = await browser.post(SIGN_IN, data={"csrf": csrf(page), "token": await box.token()})
    assert right.status_code == 429


@pytest.mark.parametrize(
    "spoil",
    [
        {"data": {"csrf": ""}},
        {"data": {"csrf": "0" * 64}},
        {"headers": {"origin": "https://evil.example.com"}},
        {"headers": {"sec-fetch-site": "cross-site"}},
        {"headers": {"sec-fetch-site": "same-site"}},
    ],
)
async def test_a_form_from_elsewhere_decides_nothing(box: Box, spoil: dict[str, Any]) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    browser = await signed_in(box)
    form = {**await form_of(browser, approval, "approve"), **spoil.get("data", {})}
    answer = await browser.post(path(approval), data=form, headers=spoil.get("headers"))
    assert answer.status_code == 403
    assert (await box.runtime.store.approval(approval.id)).status == "pending"


async def test_another_sessions_form_decides_nothing(box: Box) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    anna, ben = await signed_in(box), await signed_in(box, name="ben@example.com")
    answer = await ben.post(path(approval), data=await form_of(anna, approval, "approve"))
    assert answer.status_code == 403
    assert (await box.runtime.store.approval(approval.id)).status == "pending"


@pytest.mark.parametrize(
    ("kind", "more", "status"),
    [
        ("approve", {"comment": "go"}, "approved"),
        ("edit", {"setting.0": "12g", "task_keys": "aggregate"}, "edited"),
        ("reject", {"then": "take_over", "comment": "mine"}, "rejected"),
        ("respond", {"comment": "look at the skew"}, "responded"),
    ],
)
async def test_the_four_forms(box: Box, kind: str, more: dict[str, str], status: str) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    browser = await signed_in(box)
    answer = await browser.post(path(approval), data=await form_of(browser, approval, kind, **more))
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/console/incidents/{approval.incident_id}",
    )
    decided = await box.runtime.store.approval(approval.id)
    assert (decided.status, decided.decided_by, decided.channel) == (status, "anna@example.com", "console")
    if kind == "edit":
        assert decided.proposal.params["settings"][0]["proposed"] == "12g"
    page = await browser.get(answer.headers["location"])
    assert f"<strong>{status}</strong>" in page.text
    assert 'name="kind"' not in page.text


async def test_who_comes_second_is_told_who_was_first(box: Box) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    anna, ben = await signed_in(box), await signed_in(box, name="ben@example.com")
    late = await form_of(ben, approval, "approve")
    await anna.post(path(approval), data=await form_of(anna, approval, "reject", comment="not at night"))
    answer = await ben.post(path(approval), data=late)
    assert answer.status_code == 409
    page = unescape(answer.text)
    assert 'role="alert"' in page
    assert "anna@example.com has rejected this already" in page
    assert "not at night" in page


async def test_what_does_not_fit_is_said_where_the_form_was(box: Box) -> None:
    settings = [{"path": "job_clusters[m].new_cluster.num_workers", "current": 2, "proposed": 4}]
    proposal = a_proposal(params={"settings": settings})
    approval = await ask(box.runtime.store, await tell(box.runtime.store), proposal)
    browser = await signed_in(box)
    form = await form_of(browser, approval, "edit", **{"setting.0": "many"})
    answer = await browser.post(path(approval), data=form)
    assert answer.status_code == 422
    assert "must be a number" in answer.text
    assert (await box.runtime.store.approval(approval.id)).status == "pending"


async def test_viewers_look_and_have_no_forms(box: Box) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    viewer = await signed_in(box, "viewer", "vera@example.com")
    page = await viewer.get(f"/console/incidents/{approval.incident_id}")
    assert page.status_code == 200
    assert 'name="kind"' not in page.text
    form = {"csrf": csrf(page), "kind": "approve", "payload_sha256": approval.payload_sha256}
    assert (await viewer.post(path(approval), data=form)).status_code == 403
    closed = await viewer.post(f"/console/incidents/{approval.incident_id}/close", data={"csrf": csrf(page)})
    assert closed.status_code == 403
    assert (await box.runtime.store.approval(approval.id)).status == "pending"


async def test_hostile_text_stays_text_everywhere(box: Box) -> None:
    store = box.runtime.store
    run = a_run(1, EVIL, run_page_url="javascript:alert(1)")
    known = facts(run)
    known["diagnosis"] |= {
        "root_cause": EVIL,
        "evidence": [{"source": EVIL, "line_start": 1, "line_end": 1, "text": EVIL}],
    }
    known["run"]["tasks"][2] |= {"task_key": EVIL, "run_page_url": "javascript:alert(1)"}
    known["similar"] = [
        {"id": EVIL, "kind": "incident", "title": EVIL, "text": EVIL, "score": 0.5, "action": EVIL}
    ]
    known["tried"] = [{"attempt": 1, "action": EVIL, "result": EVIL}]
    incident_id = await tell(store, run, **known)
    await store.put_artifact(incident_id, EVIL, EVIL, key="evil")
    await store.add_event(incident_id, EVIL, {EVIL: EVIL, "list": [EVIL]}, key="evil")
    await ask(
        store, incident_id, a_proposal(reason=EVIL, risks=[EVIL], params={"job_parameters": {EVIL: EVIL}})
    )
    browser = await signed_in(box)
    pages = [await browser.get(f"/console/incidents/{incident_id}"), await browser.get("/console?show=all")]
    pages.append(await browser.get(f"/console/incidents/{incident_id}/live"))
    (artifact,) = [a for a in (await box.runtime.queries.incident(incident_id)).artifacts if a.name == EVIL]
    kept = f"/console/incidents/{incident_id}/artifacts/{artifact.id}"
    pages += [await browser.get(kept), await browser.get(kept, params={"q": EVIL})]
    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "javascript:" not in page.text
        assert "49" not in re.findall(r"onerror=alert\(2\)&gt;(\S*)", page.text)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    text = await browser.get(f"{kept}/plain")
    assert text.headers["content-type"].startswith("text/plain")
    assert text.headers["x-content-type-options"] == "nosniff"


async def test_pages_have_no_inline_script_or_style(box: Box) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    browser = await signed_in(box)
    for page in ("/console", f"/console/incidents/{approval.incident_id}", SIGN_IN):
        text = (await browser.get(page)).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*src=)", text)
        assert not re.search(r'(?:src|href)="(?:https?:)?//(?!w\.example\.com)', text)


async def test_live_parts_come_only_when_something_changed(box: Box) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store))
    browser = await signed_in(box)
    page = await browser.get(f"/console/incidents/{approval.incident_id}")

    def live(text: str) -> str:
        found = re.search(r'hx-get="(\S+/live\?seen=\S+)"', text)
        assert found
        return found[1]

    assert (await browser.get(live(page.text))).status_code == 204
    await store.add_event(approval.incident_id, "hello", {}, key="hello")
    part = await browser.get(live(page.text))
    assert part.status_code == 200
    assert "hello" in part.text
    assert 'id="decision"' not in part.text  # a form that is being filled in stays
    await store.supersede(approval.id)
    part = await browser.get(live(part.text))
    assert 'id="decision"' in part.text
    assert "superseded" in part.text


async def test_care_of_an_incident(box: Box) -> None:
    incident_id = await tell(box.runtime.store)
    browser = await signed_in(box)
    page = await browser.get(f"/console/incidents/{incident_id}")
    base, form = f"/console/incidents/{incident_id}", {"csrf": csrf(page)}
    await browser.post(f"{base}/mute", data=form)
    assert (await box.runtime.store.incident(incident_id)).muted
    assert "Unmute" in (await browser.get(base)).text
    await browser.post(f"{base}/take-over", data=form)
    assert (await box.runtime.store.incident(incident_id)).taken_over_by == "anna@example.com"
    await browser.post(f"{base}/attachments", data=form, files={"file": ("a.log", b"a line")})
    assert await box.runtime.store.attachments(incident_id) == {"a.log": "a line"}
    refused = await browser.post(
        f"{base}/attachments", data=form, files={"file": ("a.png", b"\x89PNG\r\n\x1a\n")}
    )
    assert refused.status_code == 422
    assert "damaged" in refused.text
    await browser.post(f"{base}/close", data=form)
    assert (await box.runtime.store.incident(incident_id)).status == "closed"
    assert (await browser.post(f"{base}/close", data=form)).status_code == 409
    assert (await browser.post(f"{base}/explode", data=form)).status_code == 404


async def test_lists(box: Box) -> None:
    store = box.runtime.store
    waiting = await ask(store, await tell(store, a_run(1, "waiting-job")))
    done = await tell(store, a_run(2, "done-job"))
    await store.finish(done, "resolved")
    browser = await signed_in(box)

    async def names(query: str) -> list[str]:
        return re.findall(r"(\w+-job)<", (await browser.get(f"/console?{query}")).text)

    assert await names("") == await names("show=waiting") == ["waiting-job"]
    assert await names("show=finished") == ["done-job"]
    assert await names("show=all") == ["done-job", "waiting-job"]
    assert await names("show=all&category=network") == []
    assert await names("show=all&q=WAIT") == ["waiting-job"]
    rows = await browser.get("/console", headers={"HX-Request": "true"})
    assert "<html" not in rows.text
    assert waiting.incident_id in rows.text
    missing = await browser.get("/console/incidents/inc_nothing")
    assert missing.status_code == 404
    assert "<h1>Not found</h1>" in missing.text


@pytest.mark.parametrize(
    ("role", "change", "status"),
    [("viewer", {}, 403), ("approver", {"csrf": ""}, 403), ("approver", {"csrf": "forged"}, 403)],
)
async def test_a_second_look_takes_an_approver_and_our_own_form(
    box: Box, role: str, change: dict[str, str], status: int
) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    browser = await signed_in(box, role)
    base = f"/console/incidents/{approval.incident_id}"
    form = {"csrf": csrf(await browser.get(base)), "hint": "x", **change}
    assert (await browser.post(f"{base}/investigate-again", data=form)).status_code == status
    assert (await browser.get(f"{base}/investigate-again")).status_code in (404, 405)
    assert (await box.runtime.store.approval(approval.id)).status == "pending"
    assert box.jobs("advance") == []
