"""Attacks by guessing who one is: at the form, fifty at once, with wrong bearers in a flood."""

from __future__ import annotations

import asyncio

from tests.integration.attacks.target import ANNA, Target, decision
from tests.integration.test_api_console import SIGN_IN, csrf


async def guessing_at_the_sign_in(target: Target) -> None:
    browser = target.client()
    form = {"csrf": csrf(await browser.get(SIGN_IN))}
    for number in range(10):
        await target.refused(browser, "POST", SIGN_IN, 401, data={**form, "token": f"pit_guess{number}"})
    right = {**form, "token": await target.box.token("root@example.com", "admin")}
    for headers in (
        {},
        {"x-forwarded-for": "9.9.9.9"},
        {"forwarded": "for=9.9.9.9"},
        {"x-real-ip": "9.9.9.9"},
    ):
        await target.refused(browser, "POST", SIGN_IN, 429, data=right, headers=headers)


async def guesses_all_at_once(target: Target) -> None:
    """Fifty tries in one moment are no more than fifty in a row; and whoever is known is not held up by them."""
    known = await target.browser("approver", ANNA)
    thieves = [target.client() for _ in range(50)]
    forms = [{"csrf": csrf(await one.get(SIGN_IN)), "token": f"pit_{n}"} for n, one in enumerate(thieves)]
    tries = (one.post(SIGN_IN, data=form) for one, form in zip(thieves, forms, strict=True))
    answers = await asyncio.gather(*tries)
    looked_at = [answer for answer in answers if answer.status_code == 401]
    assert len(looked_at) <= 10
    for answer in answers:
        target.check(answer, 401, 429)
        assert answer.status_code == 401 or int(answer.headers["retry-after"]) > 0
    form = {"csrf": csrf(await known.get(SIGN_IN)), "token": await target.box.token(ANNA, "approver")}
    assert (await known.post(SIGN_IN, data=form)).status_code == 303


async def wrong_bearers_in_a_flood(target: Target) -> None:
    approval = await target.asked()
    anna = await target.as_("approver", ANNA)
    body = {"decision": "approve"}
    earlier = "INSERT INTO failed_tries (door, who, at) SELECT 'api', '127.0.0.1', now() FROM generate_series(1, 595)"
    target.eyes.execute(earlier)
    for number in range(15):
        thief = target.client(f"pit_guess{number}")
        await target.refused(thief, "POST", decision(approval), 401 if number < 5 else 429, json=body)
    assert (await anna.post(decision(approval), json=body)).status_code == 200


ATTACKS = {
    "guessing tokens, and changing the address meanwhile": guessing_at_the_sign_in,
    "guessing, fifty at once": guesses_all_at_once,
    "a flood of wrong bearer tokens": wrong_bearers_in_a_flood,
}
