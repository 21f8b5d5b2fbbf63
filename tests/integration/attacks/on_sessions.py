"""Attacks on the console's sessions and forms: from other sites, with planted cookies, with forged ones."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re

from fastapi import APIRouter
from fastapi.routing import APIRoute

from server import console
from server.sessions import COOKIE
from tests.integration.attacks.target import ANNA, BEN, Target, flipped, form_decision
from tests.integration.test_api_console import SIGN_IN, csrf


def every_form(approval_id: str, incident_id: str) -> list[str]:
    """Every address of the console that takes a POST."""
    known = {"approval_id": approval_id, "incident_id": incident_id, "verb": "take-over"}
    modules = [
        importlib.import_module(m.name) for m in pkgutil.iter_modules(console.__path__, "server.console.")
    ]
    found = [
        re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], "x"), route.path)
        for module in modules
        for route in getattr(module, "router", APIRouter()).routes
        if isinstance(route, APIRoute) and "POST" in (route.methods or ())
    ]
    assert len(found) >= 5
    return found


async def forms_from_another_site(target: Target) -> None:
    approval = await target.asked()
    browser = await target.browser("approver", ANNA)
    other = await target.browser("approver", BEN)
    mine = csrf(await browser.get("/console"))
    theirs, nobodys = csrf(await other.get("/console")), csrf(await target.client().get(SIGN_IN))
    for path in every_form(approval.id, approval.incident_id):
        fields = {"kind": "approve", "code": "x"}
        for token in ("", "x", "0" * 64, "\u00e9" * 64, "\x00", theirs, nobodys):
            await target.refused(browser, "POST", path, 403, data={**fields, "csrf": token})
        whole = {**fields, "csrf": mine}
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ):
            await target.refused(browser, "POST", path, 403, data=whole, headers=headers)
        await target.refused(browser, "POST", path, 403, json=whole)
        await target.refused(browser, "POST", path, 403, params=whole)
        headers = {"content-type": "text/plain"}
        await target.refused(browser, "POST", path, 403, content=f"csrf={mine}&kind=approve", headers=headers)


async def session_fixation(target: Target) -> None:
    attacker = target.client()
    await attacker.get(SIGN_IN)
    planted = attacker.cookies[COOKIE]
    victim = target.client()
    victim.cookies.set(COOKIE, planted, domain="127.0.0.1", path="/console")
    given = {"csrf": csrf(await victim.get(SIGN_IN)), "token": await target.box.token(ANNA, "approver")}
    assert (await victim.post(SIGN_IN, data=given)).status_code == 303
    assert ANNA in (await victim.get("/console")).text
    kept = target.client(cookie=planted)
    await target.refused(kept, "GET", "/console", 303)
    answer = await target.refused(kept, "GET", "/console", 401, headers={"HX-Request": "true"})
    assert ANNA not in answer.text


async def forged_and_ended_cookies(target: Target) -> None:
    browser = await target.browser("approver", ANNA)
    page = await browser.get("/console")
    good = browser.cookies[COOKIE]
    secret, _, signature = good.rpartition(".")
    visitor = target.client()
    await visitor.get(SIGN_IN)
    other = visitor.cookies[COOKIE].rpartition(".")[2]
    forged = [
        secret,
        f"{secret}.",
        f"{secret}x.{signature}",
        f"{secret}.{other}",
        flipped(good),
    ]
    forged += ["fwd_root@example.com", f"fwd_root@example.com.{signature}", "ses_.", "", "a" * 4000]
    await browser.post("/console/sign-out", data={"csrf": csrf(page)})
    for cookie in (*forged, good):
        holder = target.client(cookie=cookie)
        await target.refused(holder, "GET", "/console", 303)
        await target.refused(holder, "POST", "/console/approvals/x/decision", 303, 403)


async def tokens_of_one_kind_used_as_another(target: Target) -> None:
    browser = await target.browser("admin", "root@example.com")
    secret = browser.cookies[COOKIE].rpartition(".")[0]
    assert secret.startswith("ses_")
    await target.refused(target.client(secret), "GET", "/api/v1/incidents", 401)  # a session is no API token
    thief = target.client()
    form = {"csrf": csrf(await thief.get(SIGN_IN)), "token": secret}
    await target.refused(thief, "POST", SIGN_IN, 401, data=form)  # nor does it open another session
    token = await target.box.token(ANNA, "approver")
    holder = target.client(cookie=token)
    await target.refused(holder, "GET", "/console", 303)
    await target.refused(holder, "GET", "/api/v1/incidents", 401)  # a cookie is no bearer
    await target.refused(target.client(), "GET", "/api/v1/incidents", 401, params={"token": token})


async def a_session_after_its_token_was_revoked(target: Target) -> None:
    approval, _ = await target.asked_by_mail("dora@example.com")
    secret, token = await target.box.runtime.tokens.create("dora@example.com", "approver")
    browser, linked = target.client(), target.client()
    given = {"csrf": csrf(await browser.get(SIGN_IN)), "token": secret}
    assert (await browser.post(SIGN_IN, data=given)).status_code == 303
    link = (await target.client(secret).post("/api/v1/sign-in-links")).json()["url"]
    given = {"csrf": csrf(await linked.get(SIGN_IN)), "code": link.partition("code=")[2]}
    assert (await linked.post(SIGN_IN, data=given)).status_code == 303
    forms = [csrf(await each.get("/console")) for each in (browser, linked)]
    await target.box.runtime.tokens.revoke(token.id)
    for each, form in zip((browser, linked), forms, strict=True):
        await target.refused(each, "GET", "/console", 303)
        given = {"csrf": form, "kind": "approve"}
        await target.refused(each, "POST", form_decision(approval), 303, 403, data=given)
    await target.refused(target.client(secret), "GET", "/api/v1/incidents", 401)


async def open_redirect(target: Target) -> None:
    for wanted in (
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "/console\\..\\..\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/console.evil.example",
        "/consolex",
        "/console@evil.example",
        "/console/sign-in?next=/console/sign-in",
        "/console\r\nlocation: https://evil.example",
        " https://evil.example",
        "%2f%2fevil.example",
        "https:evil.example",
        "",
    ):
        browser = target.client()
        page = await browser.get(SIGN_IN, params={"next": wanted})
        given = {"csrf": csrf(page), "token": await target.box.token(ANNA, "approver"), "next": wanted}
        answer = await browser.post(SIGN_IN, data=given)
        target.check(answer, 303)
        assert answer.headers["location"] == "/console", wanted
        assert "evil" not in str(answer.headers)


async def a_session_left_behind(target: Target) -> None:
    """Whoever signs in anew, or out, leaves nothing that works; and signing out everywhere means everywhere."""
    tokens = target.box.runtime.tokens
    browser = await target.browser("approver", ANNA)
    before = browser.cookies[COOKIE]
    form = {"csrf": csrf(await browser.get(SIGN_IN)), "token": await target.box.token(BEN, "approver")}
    assert (await browser.post(SIGN_IN, data=form)).status_code == 303
    await target.refused(target.client(cookie=before), "GET", "/console", 303)
    others = [await target.browser("approver", name) for name in (BEN, "Ben@Example.com ")]
    stranger = await target.browser("viewer", ANNA)
    kept = [one.cookies[COOKIE] for one in (browser, *others)]
    form = {"csrf": csrf(await browser.get("/console/settings")), "everywhere": "yes"}
    answer = await browser.post("/console/sign-out", data=form)
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    for cookie in kept:
        await target.refused(target.client(cookie=cookie), "GET", "/console", 303)
    assert (await stranger.get("/console")).status_code == 200, "others stay signed in"
    assert (
        await target.client((await tokens.create(BEN, "viewer"))[0]).get("/api/v1/queue")
    ).status_code == 200


async def pages_kept_by_caches(target: Target) -> None:
    """After signing out, a cache, a proxy or the back button must not have what was shown."""
    approval, links = await target.asked_by_mail(ANNA)
    browser, api = await target.browser("admin", "root@example.com"), await target.as_("viewer", ANNA)
    artifact = await target.box.runtime.store.put_artifact(approval.incident_id, "log", "text", key="k")
    incident = f"/console/incidents/{approval.incident_id}"
    pages = [
        (browser, path)
        for path in (
            "/console", "/console?show=all", "/console/groups", "/console/fleet", "/console/settings", incident,
            f"{incident}/live", f"{incident}/artifacts/{artifact}", SIGN_IN, "/console/nothing",
        )
    ]  # fmt: skip
    pages += [
        (api, f"/api/v1/{path}") for path in ("incidents", "approvals", f"incidents/{approval.incident_id}")
    ]
    for who, path in (*pages, (target.client(), links[ANNA]), (target.client(), "/console")):
        answer = await target.refused(who, "GET", path, 200, 303, 404)
        assert answer.headers["cache-control"] == "no-store", path
        assert "last-modified" not in answer.headers and "etag" not in answer.headers, path


async def cookies_by_the_way_one_came(target: Target) -> None:
    """Over https no cookie goes out in clear, and none that a neighbouring host planted is taken."""
    approval = await target.asked()
    browser = await target.browser("approver", ANNA)
    planted = browser.cookies[COOKIE]
    for cookie in (await browser.get(SIGN_IN)).headers.get_list("set-cookie"):
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie
        assert "Path=/console" in cookie and "domain=" not in cookie.lower()
    settings = target.box.runtime.settings
    plain, settings.public_url = settings.public_url, "https://pitstop.example.com"
    try:
        safe = target.client()
        form = {
            "csrf": csrf(page := await safe.get(SIGN_IN)),
            "token": await target.box.token(ANNA, "approver"),
        }
        assert page.headers["set-cookie"].startswith(f"__Host-{COOKIE}=")
        safe.headers["cookie"] = page.headers["set-cookie"].partition(";")[0]
        answer = await safe.post(SIGN_IN, data=form)
        assert answer.status_code == 303
        for cookie in answer.headers.get_list("set-cookie"):
            assert "Secure" in cookie and "HttpOnly" in cookie and "SameSite=lax" in cookie
            assert "domain=" not in cookie.lower()
            assert "Path=/;" in cookie + ";" or not cookie.startswith("__Host-")
        await target.refused(target.client(cookie=planted), "GET", "/console", 303)
        await target.refused(
            target.client(cookie=planted), "POST", form_decision(approval), 303, 403, data={"kind": "approve"}
        )
    finally:
        settings.public_url = plain


async def a_stream_after_its_token_was_revoked(target: Target) -> None:
    approval = await target.asked()
    secret, token = await target.box.runtime.tokens.create("dora@example.com", "viewer")
    path = f"/api/v1/incidents/{approval.incident_id}/events/stream"
    async with target.client(secret).stream("GET", path) as stream:
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("id:")
        await target.box.runtime.tokens.revoke(token.id)
        await target.box.runtime.store.add_event(approval.incident_id, "secret_news", {}, key="news")
        async with asyncio.timeout(30):
            rest = [line async for line in lines]  # the stream ends
    assert "secret_news" not in "".join(rest)
    await target.refused(target.client(secret), "GET", path, 401)


ATTACKS = {
    "CSRF: every form, from other sites and sessions": forms_from_another_site,
    "session fixation": session_fixation,
    "forged, spliced and ended cookies": forged_and_ended_cookies,
    "a session as a token, a token as a cookie": tokens_of_one_kind_used_as_another,
    "a session after its token was revoked": a_session_after_its_token_was_revoked,
    "open redirect after signing in": open_redirect,
    "a session left behind: signed in anew, signed out everywhere": a_session_left_behind,
    "pages that a cache would keep": pages_kept_by_caches,
    "cookies planted from http, or sent in clear": cookies_by_the_way_one_came,
    "a stream after its token was revoked": a_stream_after_its_token_was_revoked,
}
