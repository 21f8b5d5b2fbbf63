"""Attacks by what is sent: other incidents' ids, ids that are code, bodies too large or too deep, markup as names."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

from server.guards import MAX_BODY
from tests.integration.attacks.on_identity import basic
from tests.integration.attacks.target import ANNA, HOOK, SLACK_HOOK, Target, decision, form_decision
from tests.integration.test_api_console import csrf
from tests.server_box import HOOK as CREDENTIALS

JSON = {"content-type": "application/json"}
STRANGE = (
    "x",
    "'",
    "' OR '1'='1",
    "inc_1'; DROP TABLE incidents; --",
    "%",
    "_",
    "..",
    "../../etc/passwd",
    "..\\..\\windows",
    "\x00",
    "inc_\x00",
    "\r\nset-cookie: a=b",
    "{{7*7}}",
    "${7*7}",
    "<script>alert(1)</script>",
    "9" * 400,
    "x" * 7000,
    "\u202e\ufeff",
    "%00",
    "%2e%2e%2f",
)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"' onload=alert(3) {{7777*7777}}"


async def ids_of_others(target: Target) -> None:
    mine, other = await target.asked(), await target.asked("ben@example.com")
    anna = await target.as_("approver", ANNA)
    browser = await target.browser("approver", ANNA)
    token = csrf(await browser.get("/console"))
    row = target.eyes.execute(
        "SELECT id FROM artifacts WHERE incident_id = %s", (other.incident_id,)
    ).fetchone()
    assert row
    at = f"incidents/{mine.incident_id}/artifacts/{row[0]}"  # the other's text by way of mine
    await target.refused(anna, "GET", f"/api/v1/{at}", 404)
    await target.refused(browser, "GET", f"/console/{at}", 404)
    await target.refused(browser, "GET", f"/console/{at}/plain", 404)
    await target.refused(browser, "GET", f"/console/{at}?q=a", 404)
    await target.refused(anna, "POST", decision(other), 403, json={"decision": "approve"})
    form = {"csrf": token, "kind": "approve", "payload_sha256": mine.payload_sha256}
    await target.refused(browser, "POST", form_decision(other), 403, data=form)
    for wrong in (mine.incident_id, f"{mine.id}/../{other.id}", mine.id.upper(), mine.id + "%00"):
        path = f"/api/v1/approvals/{quote(wrong, safe='/%')}/decision"
        await target.refused(anna, "POST", path, 404, 403, 422, json={"decision": "approve"})
    await target.refused(anna, "GET", f"/api/v1/groups/{mine.id}", 404)


async def ids_that_are_code(target: Target) -> None:
    anna = await target.as_("approver", ANNA)
    browser = await target.browser("approver", ANNA)
    token = csrf(await browser.get("/console"))
    for strange in STRANGE:
        if strange == "..":
            continue  # a client makes another path of it before it sends it
        given = quote(strange, safe="")
        for path in (
            "incidents/{}",
            "incidents/{}/events",
            "approvals/{}",
            "groups/{}",
            "incidents/{}/artifacts/{}",
        ):
            await target.refused(anna, "GET", f"/api/v1/{path.replace('{}', given)}", 404, 422)
        body = {"decision": "approve"}
        await target.refused(anna, "POST", f"/api/v1/approvals/{given}/decision", 404, 422, json=body)
        await target.refused(browser, "GET", f"/console/incidents/{given}", 404, 405, 422)
        path = f"/console/approvals/{given}/decision"
        form = {"csrf": token, "kind": "approve"}
        answer = await target.refused(browser, "POST", path, 404, 405, 422, data=form)
        assert "<script>alert" not in answer.text and "a=b" not in answer.headers.get("set-cookie", "")
        for query in ({"q": strange}, {"cursor": strange}, {"job_id": strange}, {"status": strange}):
            answer = await anna.get("/api/v1/incidents", params=query)
            assert answer.status_code in (200, 422), (query, answer.text)


async def numbers_too_large(target: Target) -> None:
    approval = await target.asked()
    anna = await target.as_("approver", ANNA)
    events = f"/api/v1/incidents/{approval.incident_id}/events"
    for number in (2**63, 10**30, 10**400, -(2**63) - 1):
        for path, name in (
            ("/api/v1/incidents", "job_id"),
            ("/api/v1/incidents", "run_id"),
            (events, "after"),
        ):
            await target.refused(anna, "GET", path, 422, params={name: str(number)})
        for path in ("/api/v1/incidents", "/api/v1/approvals", "/api/v1/groups", events):
            await target.refused(anna, "GET", path, 422, params={"limit": str(number)})
        await target.refused(anna, "POST", "/api/v1/incidents", 422, json={"run_id": number})
    for place in ("9" * 400, "²", "-1", "1e9"):
        headers = {"last-event-id": place.encode(), "accept": "text/event-stream"}
        async with anna.stream("GET", events, headers=headers) as stream:
            target.check(stream, 200)


async def static_files_outside_their_folder(target: Target) -> None:
    for path in (
        "../pages.py",
        "../../settings.py",
        "..%2fpages.py",
        "%2e%2e/pages.py",
        "....//pages.py",
        "/etc/passwd",
        "..%5cpages.py",
        "%00",
        "pitstop.css%00.js",
        "templates/base.html",
    ):
        await target.refused(target.client(), "GET", f"/console/static/{path}", 404, 303, 405)


async def oversize_and_nested_bodies(target: Target) -> None:
    approval = await target.asked()
    anna = await target.as_("approver", ANNA)
    hook = {**JSON, "authorization": basic(*CREDENTIALS)}
    deep = "[" * 100_000 + "]" * 100_000
    objects = '{"a":' * 20_000 + "1" + "}" * 20_000

    async def undeclared() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY // 65_536 + 2):
            yield b"x" * 65_536

    for path, headers in (
        (decision(approval), JSON),
        (HOOK, hook),
        (SLACK_HOOK, JSON),
        ("/api/v1/incidents", JSON),
    ):
        who = anna if path.startswith("/api") else target.client()
        await target.refused(who, "POST", path, 413, content=b"x" * (MAX_BODY + 1), headers=headers)
        await target.refused(who, "POST", path, 413, content=undeclared(), headers=headers)
        for body in (
            deep,
            objects,
            deep[:5000],
            f'{{"decision": "edit", "params": {{"task_keys": {deep}}}}}',
        ):
            await target.refused(who, "POST", path, 400, 401, 422, content=body, headers=headers)
    for nested in (
        deep[:80_000],
        objects[:-1],
        '{"params": ' + "[" * 900 + "]" * 900 + ', "decision": "edit"}',
    ):
        await target.refused(anna, "POST", decision(approval), 400, 422, content=nested, headers=JSON)


async def bodies_that_are_not_what_they_say(target: Target) -> None:
    approval = await target.asked()
    anna = await target.as_("approver", ANNA)
    good = json.dumps({"decision": "approve"})
    for content_type in (
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ):
        await target.refused(
            anna, "POST", decision(approval), 422, content=good, headers={"content-type": content_type}
        )
    packed = {**JSON, "content-encoding": "gzip"}
    for body in (
        b"\xff\xfe",
        b"",
        b"null",
        b"[]",
        b'"approve"',
        b"\x00",
        b'{"decision":',
    ):
        await target.refused(anna, "POST", decision(approval), 400, 422, content=body, headers=JSON)
    await target.refused(
        anna, "POST", decision(approval), 400, 422, content=gzip.compress(good.encode()), headers=packed
    )
    for comment in ("\\ud800", "x" * 4001):
        body = f'{{"decision": "approve", "comment": "{comment}"}}'
        await target.refused(anna, "POST", decision(approval), 400, 422, content=body, headers=JSON)
    number = "9" * 5000
    for body in (
        f'{{"run_id": {number}}}',
        '{"run_id": -1}',
        '{"run_id": 1e400}',
        '{"run_id": true}',
        '{"job_id": "1;"}',
    ):
        await target.refused(anna, "POST", "/api/v1/incidents", 400, 422, content=body, headers=JSON)
        hook = {**JSON, "authorization": basic(*CREDENTIALS)}
        await target.refused(
            target.client(), "POST", HOOK, 422, content=body.replace("true", "[]"), headers=hook
        )


async def attachments_with_paths_and_other_kinds(target: Target) -> None:
    approval = await target.asked()
    anna = await target.as_("approver", ANNA)
    path = f"/api/v1/incidents/{approval.incident_id}/attachments"
    elf, html, svg = b"\x7fELF\x00\x00", b"<script>alert(1)</script>", b"<svg onload=alert(1)>"
    for name, body in (
        ("run.sh", b"#!/bin/sh"),
        ("page.html", html),
        ("image.svg", svg),
        ("image.png", elf),
        ("a.log", elf),
        ("a.log\x00.png", elf),
        ("a.log", b"PK\x03\x04zip"),
        ("nothing.log", b""),
        ("../../x.exe", b"MZ"),
    ):
        await target.refused(anna, "POST", path, 415, 422, files={"file": (name, body)})
    for body in ({"file": "text"}, {}):
        await target.refused(anna, "POST", path, 422, data=body)
    for name in ("../../../etc/passwd.log", "..\\..\\a.log", "/etc/cron.d/x.log", "<b>x</b>.log"):
        kept = await anna.post(path, files={"file": (name, html)})
        assert kept.status_code == 201, kept.text
        told = kept.json()
        assert "/" not in told["name"] and "\\" not in told["name"]
        shown = await anna.get(f"/api/v1/incidents/{approval.incident_id}/artifacts/{told['id']}")
        assert shown.headers["content-type"].startswith("text/plain")
        target.check(shown, 200)


async def markup_in_names(target: Target) -> None:
    approval, _ = await target.asked(run={"job_name": HOSTILE, "tags": {HOSTILE: HOSTILE}}), None
    anna = await target.as_("approver", ANNA)
    sent = {"to": HOSTILE, "comment": HOSTILE}
    await target.refused(anna, "POST", f"/api/v1/approvals/{approval.id}/delegate", 422, json=sent)
    browser = await target.browser("admin", f"{HOSTILE}@example.com")
    token = csrf(await browser.get("/console"))
    incident = f"/console/incidents/{approval.incident_id}"
    pages = [
        incident,
        f"{incident}/live",
        "/console",
        "/console?show=all",
        f"/console?q={quote(HOSTILE)}",
        "/console/groups",
    ]
    pages += [
        f"/console/sign-in?next={quote(HOSTILE)}",
        f"/console/sign-in?code={quote(HOSTILE)}",
        f"/console/{quote(HOSTILE)}",
    ]
    form = {"csrf": token, "kind": HOSTILE, "comment": HOSTILE, "then": HOSTILE}
    answers = [await browser.get(page) for page in pages]
    answers.append(await browser.post(form_decision(approval), data=form))
    answers.append(await browser.post(f"{incident}/{quote(HOSTILE, safe='')}", data={"csrf": token}))
    for answer in answers:
        assert answer.status_code < 500, answer.text
        assert "<script>alert" not in answer.text and "<img src=x" not in answer.text, answer.url
        assert "60481729" not in answer.text and "' onload" not in answer.text, answer.url
        assert "'unsafe" not in answer.headers["content-security-policy"]
        target.check(answer, 200, 303, 404, 422)


ATTACKS = {
    "ids and paths of other incidents": ids_of_others,
    "ids that are SQL, paths, NULs, templates, markup": ids_that_are_code,
    "numbers that no row can have": numbers_too_large,
    "static files outside their folder": static_files_outside_their_folder,
    "oversize and deeply nested bodies": oversize_and_nested_bodies,
    "bodies that are not what they say": bodies_that_are_not_what_they_say,
    "attachments with paths and of other kinds": attachments_with_paths_and_other_kinds,
    "markup in names, addresses and comments": markup_in_names,
}
