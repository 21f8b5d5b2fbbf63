"""Attacks on the links in messages: forged, old, used, somebody else's, opened by machines."""

from __future__ import annotations

from typing import Any

from itsdangerous import URLSafeSerializer

from core.roster import Role
from server import review_links
from tests.integration.attacks.target import (
    ANNA,
    BEN,
    Target,
    decision,
    flipped,
    form_decision,
    token_of_form,
)
from tests.integration.test_api_console import SIGN_IN, csrf

OLD = 1_700_000_000
ROOT = "root@example.com"


async def _both(target: Target, path: str, *statuses: int, **fields: str) -> None:
    """Look and decide, with nothing but the link."""
    await target.refused(target.client(), "GET", path, *statuses)
    await target.refused(target.client(), "POST", path, *statuses, data={"kind": "approve", **fields})


async def forged_link(target: Target) -> None:
    approval, links = await target.asked_by_mail(ANNA)
    path = links[ANNA]
    page = await target.client().get(path)
    form = token_of_form(page)
    link_id = target.eyes.execute(
        "SELECT id FROM review_links WHERE approval_id = %s", (approval.id,)
    ).fetchone()
    assert link_id
    body = [link_id[0], approval.id, ANNA, 4_000_000_000]
    other_key = URLSafeSerializer("another key", salt="pitstop review link").dumps(body)
    other_salt = review_links._signer(target.box.runtime, "form").dumps(body)
    no_signature = path.rpartition(".")[0]
    forged = (
        flipped(path),
        path[:-8],
        no_signature,
        f"/review/{other_key}",
        f"/review/{other_salt}",
        f"/review/{form}",
        "/review/x",
        "/review/%00",
        "/review/" + "x" * 5000,
        "/review/eyJhbGciOiJub25lIn0.e30.",
        "/review/lnk_1'%20OR%20'1'='1",
    )
    for bad in forged:
        await _both(target, bad, 403, form=form)
    code = (await target.box.sign_in_link(ROOT, "admin", target.address)).partition("code=")[2]
    await _both(target, f"/review/{code}", 403, form=form)


async def forged_form_of_a_good_link(target: Target) -> None:
    approval, links = await target.asked_by_mail(ANNA)
    signer = review_links._signer(target.box.runtime, "form")
    other = URLSafeSerializer("another key", salt="pitstop review form")
    token = links[ANNA].removeprefix("/review/")
    row = target.eyes.execute("SELECT id FROM review_links WHERE approval_id = %s", (approval.id,)).fetchone()
    assert row
    good = [row[0], approval.payload_sha256, 4_000_000_000, "n"]
    for form in ("", "x", token, other.dumps(good), signer.dumps(["lnk_other", *good[1:]])):
        given = {"form": form, "kind": "approve"}
        await target.refused(target.client(), "POST", links[ANNA], 403, data=given)
    wrong_hash = signer.dumps([row[0], "0" * 64, *good[2:]])
    await target.refused(
        target.client(), "POST", links[ANNA], 409, data={"form": wrong_hash, "kind": "approve"}
    )


async def expired_link_or_form(target: Target) -> None:
    approval, links = await target.asked_by_mail(ANNA)
    row = target.eyes.execute("SELECT id FROM review_links WHERE approval_id = %s", (approval.id,)).fetchone()
    assert row
    runtime = target.box.runtime
    old = review_links._signer(runtime, "link").dumps([row[0], approval.id, ANNA, OLD])
    form = token_of_form(await target.client().get(links[ANNA]))
    await _both(target, f"/review/{old}", 410, form=form)
    old_form = review_links._signer(runtime, "form").dumps([row[0], approval.payload_sha256, OLD, "n"])
    given = {"form": old_form, "kind": "approve"}
    await target.refused(target.client(), "POST", links[ANNA], 410, data=given)


async def replayed_link(target: Target) -> None:
    approval, links = await target.asked_by_mail(ANNA)
    path = links[ANNA]
    given = {"form": token_of_form(await target.client().get(path)), "kind": "reject"}
    assert (await target.client().post(path, data=given)).status_code == 200
    await target.refused(target.client(), "GET", path, 409)
    for kind in ("reject", "approve", "edit", "respond"):
        answer = await target.refused(target.client(), "POST", path, 409, data={**given, "kind": kind})
        assert "You used this link" in answer.text
    assert (await target.standing(approval)).status == "rejected"


async def link_of_another_approval_or_reviewer(target: Target) -> None:
    first, links = await target.asked_by_mail(ANNA, BEN)
    second, others = await target.asked_by_mail(ANNA)
    forms = {
        "other approval": token_of_form(await target.client().get(others[ANNA])),
        "other reviewer": token_of_form(await target.client().get(links[BEN])),
    }
    for form in forms.values():
        given = {"form": form, "kind": "approve"}
        await target.refused(target.client(), "POST", links[ANNA], 403, data=given)
    signer = review_links._signer(target.box.runtime, "link")
    rows = target.eyes.execute("SELECT id, reviewer FROM review_links WHERE approval_id = %s", (first.id,))
    mine = {reviewer: link_id for link_id, reviewer in rows.fetchall()}
    bodies: list[list[Any]] = [
        [mine[ANNA], second.id, ANNA, 4_000_000_000],
        [mine[ANNA], first.id, BEN, 4_000_000_000],
        [mine[ANNA], first.id, "root@example.com", 4_000_000_000],
        ["lnk_none", first.id, ANNA, 4_000_000_000],
    ]
    for body in bodies:
        await _both(target, f"/review/{signer.dumps(body)}", 404, form=forms["other approval"])


async def prefetch_by_get_and_head(target: Target) -> None:
    approval, links = await target.asked_by_mail(ANNA)
    scanner = {"user-agent": "Mozilla/5.0 (compatible; SafeLinks)", "purpose": "prefetch"}
    tempting = {"kind": "approve", "decision": "approve", "confirm": "1", "_method": "POST"}
    for path in links.values():
        form = token_of_form(await target.client().get(path))
        for method in ("GET", "HEAD"):
            for query in ({}, tempting, {**tempting, "form": form}):
                await target.refused(target.client(), method, path, 200, params=query, headers=scanner)
        await target.refused(target.client(), "OPTIONS", path, 405)
    code = await target.box.sign_in_link(ROOT, "admin", target.address)
    path = code.removeprefix(target.address)
    approver = await target.as_("approver", ANNA)
    for method in ("GET", "HEAD"):
        await target.refused(target.client(), method, path, 200, 405)
        await target.refused(approver, method, decision(approval), 405, params=tempting)
        await target.refused(approver, method, form_decision(approval), 405, params=tempting)
        await target.refused(approver, method, "/api/v1/groups/grp_1/decision", 405, params=tempting)
    assert (await target.standing(approval)).status == "pending"


async def sign_in_link_forged_or_used(target: Target) -> None:
    link = await target.box.sign_in_link(ANNA, "approver", target.address)
    code = link.partition("code=")[2]
    browser = target.client()
    form = {"csrf": csrf(await browser.get(SIGN_IN))}
    for bad in (flipped(code), code.replace(".", "", 1), "x", "\x00", "a.b.c"):
        await target.refused(browser, "POST", SIGN_IN, 401, data={**form, "code": bad})
    assert (await browser.post(SIGN_IN, data={**form, "code": code})).status_code == 303
    again = target.client()
    form = {"csrf": csrf(await again.get(SIGN_IN)), "code": code}
    await target.refused(again, "POST", SIGN_IN, 401, data=form)


async def sign_in_link_outlives_its_token(target: Target) -> None:
    """Who was shown out, or made a viewer, has a link in a drawer."""
    tokens = target.box.runtime.tokens
    holders: tuple[tuple[str, Role, str], ...] = (
        ("dora@example.com", "approver", "revoked_at = now()"),
        ("emil@example.com", "admin", "role = 'viewer'"),
        ("fred@example.com", "admin", "expires_at = now()"),
    )
    for name, role, change in holders:
        secret, token = await tokens.create(name, role)
        links = [(await target.client(secret).post("/api/v1/sign-in-links")).json()["url"] for _ in range(2)]
        codes = [link.partition("code=")[2] for link in links]
        browser = target.client()
        form = {"csrf": csrf(await browser.get(SIGN_IN)), "code": codes[0]}
        assert (await browser.post(SIGN_IN, data=form)).status_code == 303
        assert name in (await browser.get("/console")).text
        if change.startswith("revoked"):
            await tokens.revoke(token.id)
        else:
            target.eyes.execute(f"UPDATE api_tokens SET {change} WHERE id = %s".encode(), (token.id,))
        await target.refused(browser, "GET", "/console", 303)
        late = target.client()
        form = {"csrf": csrf(await late.get(SIGN_IN)), "code": codes[1]}
        answer = await target.refused(late, "POST", SIGN_IN, 401, data=form)
        assert "has ended" in answer.text
        await target.refused(late, "GET", "/console", 303)


ATTACKS = {
    "forged review link": forged_link,
    "forged form of a good link": forged_form_of_a_good_link,
    "expired link or form": expired_link_or_form,
    "replayed link": replayed_link,
    "link or form of another approval or reviewer": link_of_another_approval_or_reviewer,
    "prefetch by GET, HEAD and OPTIONS": prefetch_by_get_and_head,
    "sign-in link forged or used before": sign_in_link_forged_or_used,
    "sign-in link whose token was revoked, demoted or is over": sign_in_link_outlives_its_token,
}
