"""Signing in by OIDC against a real provider, by a proxy's headers, and the lives of sessions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import pytest
from oidc_provider_mock import User, run_server_in_thread

from sandbox.process import SandboxProcess
from server.sessions import COOKIE
from tests.integration.test_api_access import a_problem
from tests.server_box import HOST, Box, opened, settings_for

ANNA, BEN, EVE = "anna@example.com", "ben@example.com", "eve@elsewhere.example"
PROXY = ("10.1.2.3", 4711)


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The address of a real OIDC provider that knows a few people."""
    people = [
        User(sub="anna", claims={"email": ANNA, "email_verified": True, "groups": ["data"]}),
        User(sub="ben", claims={"email": BEN, "email_verified": True, "groups": ["on-call"]}),
        User(sub="eve", claims={"email": EVE, "email_verified": True}),
        User(sub="mallory", claims={"email": ANNA, "email_verified": False}),
        User(sub="nobody", claims={}),
    ]
    with run_server_in_thread(user_claims=people) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
async def box(
    database_url: str, sandbox: SandboxProcess, tmp_path: Path, provider: str
) -> AsyncIterator[Box]:
    """The app with all ways to sign in switched on."""
    settings = settings_for(
        database_url,
        sandbox,
        tmp_path,
        oidc_issuer=provider,
        oidc_client_id="pitstop",
        oidc_client_secret="s3cret",
        admins=ANNA,
        approvers="on-call",
        forwarded_identity=True,
        trusted_proxies="10.0.0.0/8",
    )
    async with opened(settings, sandbox) as found:
        yield found


async def at_the_provider(client: httpx.AsyncClient, sub: str, *, next: str = "/console") -> str:
    """Set out, say who one is, and be sent back: the address of the callback."""
    away = await client.get("/console/oidc/start", params={"next": next})
    assert away.status_code == 302, away.text
    async with httpx.AsyncClient() as outside:
        answer = await outside.post(away.headers["location"], data={"sub": sub})
    assert answer.status_code == 302
    return answer.headers["location"]


async def sign_in(box: Box, sub: str) -> httpx.AsyncClient:
    client = box.client()
    back = await client.get(await at_the_provider(client, sub))
    assert back.status_code == 303, back.text
    return client


async def test_the_way_to_the_provider_carries_pkce_state_and_nonce(box: Box, provider: str) -> None:
    page = await box.client().get("/console/sign-in")
    assert "/console/oidc/start" in page.text
    away = await box.client().get("/console/oidc/start")
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert away.headers["location"].startswith(provider)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["state"] and asked["nonce"] and asked["code_challenge"]
    assert asked["redirect_uri"] == [f"{HOST}/console/oidc/callback"]


@pytest.mark.parametrize(
    ("sub", "name", "role", "by"), [("anna", ANNA, "admin", ANNA), ("ben", BEN, "approver", "on-call")]
)
async def test_who_is_listed_by_name_or_group_comes_in(
    box: Box, sub: str, name: str, role: str, by: str
) -> None:
    client = await sign_in(box, sub)
    assert name in (await client.get("/console")).text
    assert box.sql("SELECT name, role, created_by FROM api_tokens") == [(name, role, f"oidc {by}")]


@pytest.mark.parametrize(
    "lists", [{"approvers": "on-call"}, {"admins": BEN, "approvers": ANNA}, {"viewers": "*"}]
)
async def test_a_session_ends_when_the_lists_give_another_role(
    box: Box, sandbox: SandboxProcess, lists: dict[str, str]
) -> None:
    anna, ben = await sign_in(box, "anna"), await sign_in(box, "ben")
    known = box.runtime.settings.model_dump(exclude={"admins", "approvers", "viewers"})
    now = settings_for(str(known.pop("database_url")), sandbox, known.pop("data_dir"), **{**known, **lists})
    async with opened(now, sandbox) as restarted:
        for client, stays in ((anna, False), (ben, lists.get("approvers") == "on-call")):
            cookie = {COOKIE: client.cookies[COOKIE]}
            answer = await restarted.client(cookies=cookie).get("/console")
            assert answer.status_code == (200 if stays else 303), lists


async def test_after_signing_in_one_is_where_one_wanted_to_be_and_never_elsewhere(box: Box) -> None:
    for wanted, reached in (
        ("/console?show=all", "/console?show=all"),
        ("https://evil.example/", "/console"),
    ):
        client = box.client()
        back = await client.get(await at_the_provider(client, "anna", next=wanted))
        assert back.headers["location"] == reached


@pytest.mark.parametrize(
    ("sub", "status", "said"),
    [
        ("eve", 403, "has no role"),
        ("mallory", 403, "not verified"),
        ("nobody", 401, "sent no claim"),
    ],
)
async def test_others_do_not_and_are_told_why(box: Box, sub: str, status: int, said: str) -> None:
    client = box.client()
    back = await client.get(await at_the_provider(client, sub))
    assert back.status_code == status
    assert said in back.text
    assert (await client.get("/console")).status_code == 303
    assert box.sql("SELECT 1 FROM api_tokens") == []


async def test_an_answer_to_another_browser_signs_nobody_in(box: Box) -> None:
    mine, theirs = box.client(), box.client()
    callback = await at_the_provider(mine, "anna")
    assert (await theirs.get(callback)).status_code == 401
    assert (await mine.get(callback)).status_code == 303
    assert (await mine.get(callback)).status_code == 401  # the same answer again
    assert len(box.sql("SELECT 1 FROM api_tokens")) == 1


@pytest.mark.parametrize("swapped", ["nonce", "state"])
async def test_an_answer_with_another_state_or_nonce_signs_nobody_in(box: Box, swapped: str) -> None:
    client = box.client()
    away = await client.get("/console/oidc/start")
    address = httpx.URL(away.headers["location"])
    async with httpx.AsyncClient() as outside:
        answer = await outside.post(address.copy_set_param(swapped, "of-somebody-else"), data={"sub": "anna"})
    assert (await client.get(answer.headers["location"])).status_code == 401
    assert box.sql("SELECT 1 FROM api_tokens") == []


async def test_a_stolen_code_is_worth_nothing_in_a_browser_of_ones_own(box: Box) -> None:
    """The thief sets out too, and comes back with his own state and the victim's code."""
    victims, thief = await at_the_provider(box.client(), "anna"), box.client()
    mine = await at_the_provider(thief, "ben")
    code = httpx.URL(victims).params["code"]
    assert (await thief.get(httpx.URL(mine).copy_set_param("code", code))).status_code == 401
    assert box.sql("SELECT 1 FROM api_tokens") == []


async def test_many_wrong_answers_are_held_back(box: Box) -> None:
    client = box.client()
    for number in range(12):
        back = await client.get("/console/oidc/callback", params={"state": f"s{number}", "code": "x"})
        assert back.status_code == (401 if number < 10 else 429)
    assert 0 < int(back.headers["retry-after"]) <= 300
    assert (await client.get(await at_the_provider(client, "anna"))).status_code == 429
    assert box.sql("SELECT 1 FROM api_tokens") == []


async def test_over_https_the_cookie_of_the_way_is_this_hosts_alone(
    database_url: str, sandbox: SandboxProcess, tmp_path: Path, provider: str
) -> None:
    settings = settings_for(
        database_url, sandbox, tmp_path, oidc_issuer=provider, oidc_client_id="pitstop",
        public_url="https://pitstop.example.com",
    )  # fmt: skip
    async with opened(settings, sandbox) as box:
        (cookie,) = (await box.client().get("/console/oidc/start")).headers.get_list("set-cookie")
    assert cookie.startswith("__Host-") and "secure" in cookie.lower() and "httponly" in cookie.lower()
    assert "path=/;" in cookie.lower() and "samesite=lax" in cookie.lower() and "domain" not in cookie.lower()


async def test_an_answer_opens_one_session_even_with_the_cookie_of_before(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state lies in the browser's own cookie; a provider that takes a code twice must not make two sessions."""
    client = box.client()
    callback = await at_the_provider(client, "anna")
    kept = dict(client.cookies)
    answers: list[httpx2.Response] = []
    plain = httpx2.AsyncClient.send

    async def send(self: Any, request: Any, **options: Any) -> Any:
        if request.method != "POST":
            return await plain(self, request, **options)
        if not answers:
            answers.append(await plain(self, request, **options))
            await answers[0].aread()
        return answers[0]

    monkeypatch.setattr(httpx2.AsyncClient, "send", send)
    assert (await client.get(callback)).status_code == 303
    again = await box.client(cookies=kept).get(callback)
    assert again.status_code == 401 and "used already" in again.text
    assert len(box.sql("SELECT 1 FROM api_tokens")) == 1


async def test_a_provider_that_does_not_answer_is_said_to_be_one(
    database_url: str, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    dead = settings_for(database_url, sandbox, tmp_path, oidc_issuer="http://127.0.0.1:9", oidc_client_id="x")
    async with opened(dead, sandbox) as box:
        answer = await box.client().get("/console/oidc/start")
        assert answer.status_code == 401
        assert "does not answer" in answer.text


async def test_signing_in_changes_the_cookie_and_signing_out_ends_it(box: Box) -> None:
    client = box.client()
    await client.get("/console/sign-in")
    before = client.cookies[COOKIE]
    await client.get(await at_the_provider(client, "anna"))
    after = client.cookies[COOKIE]
    assert before != after
    other = await sign_in(box, "anna")
    csrf = await the_csrf(client)
    await client.post("/console/sign-out", data={"csrf": csrf, "everywhere": "yes"})
    for cookie in (before, after, other.cookies[COOKIE]):
        assert (await box.client(cookies={COOKIE: cookie}).get("/console")).status_code == 303


async def test_a_session_that_lies_unused_is_over(box: Box) -> None:
    client = await sign_in(box, "anna")
    box.sql(
        "UPDATE api_tokens SET last_used_at = now() - interval '3 hours', created_at = now() - interval '4 hours'"
    )
    assert (await client.get("/console")).status_code == 303


async def the_csrf(client: httpx.AsyncClient) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', (await client.get("/console")).text)
    assert found
    return found[1]


def behind(box: Box, peer: tuple[str, int], **headers: str) -> httpx.AsyncClient:
    """A client whose requests come from this peer with these headers."""
    transport = httpx.ASGITransport(box.app, raise_app_exceptions=False, client=peer)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.AsyncClient(transport=transport, base_url=HOST, headers=named)


async def test_a_trusted_proxy_vouches_for_people_at_the_console_and_the_api(box: Box) -> None:
    client = behind(box, PROXY, x_forwarded_email=ANNA)
    assert ANNA in (await client.get("/console")).text
    assert (await client.get("/api/v1/incidents")).status_code == 200
    refused = await client.post("/api/v1/sign-in-links", headers={"sec-fetch-site": "cross-site"})
    a_problem(refused, 403)
    stranger = behind(box, PROXY, x_forwarded_email=EVE)
    a_problem(await stranger.get("/api/v1/incidents"), 403)


async def test_a_proxy_that_passes_on_what_it_was_sent_is_not_believed(box: Box) -> None:
    client = behind(box, PROXY)
    for lines in (
        [("x-forwarded-email", ANNA), ("x-forwarded-email", EVE)],
        [("x-forwarded-email", f"{ANNA}, {EVE}")],
    ):
        a_problem(await client.get("/api/v1/incidents", headers=lines), 403)
        assert (await client.get("/console", headers=lines)).status_code == 403


async def test_a_link_made_behind_the_proxy_is_good_as_long_as_the_lists_say_so(
    box: Box, sandbox: SandboxProcess
) -> None:
    made = await behind(box, PROXY, x_forwarded_email=ANNA).post("/api/v1/sign-in-links")
    code = made.json()["url"].partition("code=")[2]
    known = box.runtime.settings.model_dump(exclude={"admins"})
    less = settings_for(str(known.pop("database_url")), sandbox, known.pop("data_dir"), **known)
    for settings, status in ((less, 401), (box.runtime.settings, 303)):
        async with opened(settings, sandbox) as server:
            browser = server.client()
            page = await browser.get("/console/sign-in")
            form = {"csrf": re.findall(r'name="csrf" value="([^"]+)"', page.text)[0], "code": code}
            assert (await browser.post("/console/sign-in", data=form)).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_email": ANNA},
        {"x_forwarded_email": ANNA, "x_forwarded_for": "10.1.2.3"},
        {"x_forwarded_user": ANNA, "forwarded": "for=10.1.2.3"},
    ],
)
async def test_anybody_else_who_sends_such_headers_is_nobody(box: Box, headers: dict[str, str]) -> None:
    client = behind(box, ("203.0.113.9", 1), **headers)
    a_problem(await client.get("/api/v1/incidents"), 401)
    assert (await client.get("/console")).status_code == 303


async def test_forwarded_headers_count_for_nothing_unless_switched_on(
    database_url: str, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    async with opened(settings_for(database_url, sandbox, tmp_path, admins="*"), sandbox) as box:
        client = behind(box, PROXY, x_forwarded_email=ANNA)
        a_problem(await client.get("/api/v1/incidents"), 401)
