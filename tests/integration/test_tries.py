"""Failed tries to sign in: counted by all servers together, each address for itself, nobody locked out by others."""

from __future__ import annotations

import asyncio
import re
from ipaddress import IPv4Network
from pathlib import Path

import httpx
import pytest

from core.errors import TooManyTries
from sandbox.process import SandboxProcess
from store.tries import LIMITS, WINDOW, Tries
from tests.integration.test_api_access import a_problem
from tests.server_box import HOST, Box, opened, settings_for
from tests.store_rows import Rows

SIGN_IN = "/console/sign-in"
ANNA = "anna@example.com"
EACH, FLOODED, TOGETHER = LIMITS["console"].each, LIMITS["console"].flooded, LIMITS["console"].together


@pytest.fixture
def tries(rows: Rows) -> Tries:
    return Tries(rows.db, rows.clock)


async def failing(tries: Tries, who: str, count: int) -> None:
    for _ in range(count):
        await tries.begin("console", who)


async def test_an_address_waits_until_its_oldest_counted_try_is_over(tries: Tries, rows: Rows) -> None:
    await failing(tries, "a", 1)
    rows.clock.turn(seconds=100)
    await failing(tries, "a", EACH - 1)
    with pytest.raises(TooManyTries) as held:
        await tries.begin("console", "a")
    assert held.value.seconds == WINDOW.total_seconds() - 100
    assert "3 min 21 s" in held.value.hint
    await failing(tries, "b", 1)
    await tries.begin("api", "a")
    rows.clock.turn(seconds=200)
    await failing(tries, "a", 1)
    with pytest.raises(TooManyTries):
        await failing(tries, "a", 1)


async def test_what_succeeded_is_not_counted_and_wipes_out_nothing(tries: Tries) -> None:
    await failing(tries, "a", EACH - 1)
    for _ in range(3):
        await tries.succeeded(await tries.begin("console", "a"))
    await failing(tries, "a", 1)
    with pytest.raises(TooManyTries):
        await tries.begin("console", "a")


async def test_of_many_at_once_no_more_are_looked_at_than_of_many_in_a_row(tries: Tries) -> None:
    await failing(tries, "a", EACH - 1)
    found = await asyncio.gather(*(tries.begin("console", "a") for _ in range(30)), return_exceptions=True)
    assert sum(isinstance(one, int) for one in found) == 1
    assert sum(isinstance(one, TooManyTries) for one in found) == 29


async def test_a_flood_leaves_everybody_some_tries_and_nobody_many(tries: Tries, rows: Rows) -> None:
    await failing(tries, "mistyped once", 1)
    for number in range(TOGETHER // FLOODED):
        await failing(tries, f"bot {number}", FLOODED)
    for who in ("bot 0", "bot 99"):
        with pytest.raises(TooManyTries):
            await tries.begin("console", who)
    await failing(tries, "mistyped once", FLOODED - 1)
    await failing(tries, "somebody new", FLOODED)
    with pytest.raises(TooManyTries):
        await tries.begin("console", "somebody new")
    rows.clock.turn(seconds=WINDOW.total_seconds())
    await failing(tries, "bot 0", 1)
    assert rows.sql("SELECT count(*) FROM failed_tries") == [(1,)], "what is over is let go of"


def at(box: Box, address: str, token: str = "", **headers: str) -> httpx.AsyncClient:
    """A client at this address."""
    transport = httpx.ASGITransport(box.app, raise_app_exceptions=False, client=(address, 4711))
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        given["authorization"] = f"Bearer {token}"
    return httpx.AsyncClient(transport=transport, base_url=HOST, headers=given)


async def guess(client: httpx.AsyncClient, token: str = "pit_wrong") -> httpx.Response:
    page = await client.get(SIGN_IN)
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return await client.post(SIGN_IN, data={"csrf": found[1], "token": token})


async def test_all_servers_count_together_and_say_how_long_to_wait(
    database_url: str, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    settings = settings_for(database_url, sandbox, tmp_path)
    async with opened(settings, sandbox) as one, opened(settings, sandbox) as other:
        for number in range(EACH):
            assert (await guess(at((one, other)[number % 2], "192.0.2.1"))).status_code == 401
        for box in (one, other):
            held = await guess(at(box, "192.0.2.1"), await box.token(ANNA))
            assert held.status_code == 429
            assert 200 < int(held.headers["retry-after"]) <= 300
            assert re.search(r"Wait \d min \d+ s\.", held.text)
            assert (await guess(at(box, "192.0.2.2"), await box.token(ANNA))).status_code == 303


async def test_who_guesses_from_ones_own_address_locks_no_known_browser_out(box: Box) -> None:
    anna = at(box, "192.0.2.1")
    assert (await guess(anna, await box.token(ANNA))).status_code == 303
    stranger = at(box, "192.0.2.1", x_forwarded_for="9.9.9.9")
    for _ in range(EACH):
        assert (await guess(stranger)).status_code == 401
    forged = at(box, "192.0.2.1")
    forged.cookies.set("pitstop_browser", "made-up.aaaa.bbbb", path="/console")
    for client in (stranger, forged, at(box, "192.0.2.1")):
        assert (await guess(client, await box.token(ANNA))).status_code == 429
    anna.cookies.delete("pitstop_session")
    for _ in range(EACH - 1):
        assert (await guess(anna)).status_code == 401
    assert (await guess(anna, await box.token(ANNA))).status_code == 303
    assert (await guess(anna)).status_code == 401
    assert (await guess(anna)).status_code == 429, "a known browser has no more tries than another"


async def test_a_flood_of_wrong_bearers_is_held_back_and_no_right_one(box: Box) -> None:
    wrong, right = at(box, "192.0.2.1", "pit_wrong"), at(box, "192.0.2.1", await box.token(ANNA))
    before = "INSERT INTO failed_tries (door, who, at) SELECT 'api', '192.0.2.1', now() FROM generate_series(1, %s)"
    box.sql(before, LIMITS["api"].each - 5)
    answers = [await wrong.get("/api/v1/incidents") for _ in range(10)]
    assert [a.status_code for a in answers] == [401] * 5 + [429] * 5
    last = a_problem(answers[-1], 429)
    assert 0 < int(answers[-1].headers["retry-after"]) <= 300 and "Wait" in last["hint"]
    assert (await right.get("/api/v1/incidents")).status_code == 200
    assert box.sql("SELECT count(*) FROM failed_tries") == [(LIMITS["api"].each,)], (
        "no row for those held back"
    )
    assert (await guess(at(box, "192.0.2.1"), await box.token(ANNA))).status_code == 303


@pytest.mark.parametrize(
    ("peer", "said", "network"),
    [
        ("192.0.2.1", "9.9.9.9", "192.0.2.1"),  # no proxy of ours: its own word
        ("10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("::ffff:10.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", "1.1.1.1, 9.9.9.9", "9.9.9.9"),  # what it was sent stands before what the proxy adds
        ("10.0.0.1", "1.1.1.1, 9.9.9.9, 10.0.0.2", "9.9.9.9"),
        ("10.0.0.1", "1.1.1.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::/64"),
        ("10.0.0.1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("not an address", "", ""),
    ],
)
async def test_where_a_try_comes_from(box: Box, peer: str, said: str, network: str) -> None:
    box.runtime.settings.trusted_proxies = [IPv4Network("10.0.0.0/8")]
    client = at(box, peer, "pit_wrong", **({"x_forwarded_for": said} if said else {}))
    assert (await client.get("/api/v1/incidents")).status_code == 401
    assert box.sql("SELECT who FROM failed_tries") == [(network,)]
