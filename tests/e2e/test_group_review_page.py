"""The page behind a link to a group's question in a real browser: by day and night, on a phone, by keyboard."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from sandbox.mailbox import Mailbox
from tests.e2e.browser import browser, chromium
from tests.e2e.test_review_page import looking, picture
from tests.integration.test_group_links import ANNA, asked, joined, link_to, statuses
from tests.mailing import mailbox, mailing
from tests.server_box import Box, box_settings, sandbox, served

__all__ = ["box_settings", "browser", "chromium", "mailbox", "mailing", "sandbox"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 390)])
async def test_it_is_readable_with_everything_open(
    mailing: Box, mailbox: Mailbox, chromium: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    _, approvals = await asked(mailing, 6)
    await joined(mailing, 6001)
    async with served(mailing.app) as url, looking(chromium, scheme, width) as page:
        await page.goto(url + link_to(mailbox, ANNA))
        await expect(page.get_by_role("heading", name="7 failed runs, one cause")).to_be_visible()
        await picture(page, f"review-group-link-{'phone-' if width < 500 else ''}{scheme}")
        await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert await page.locator("script").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        found = await Axe().run(page)
        serious = [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
        assert serious == []
    assert await statuses(mailing, *approvals) == ["pending"] * 6


async def test_deciding_by_keyboard_with_one_left_out(
    mailing: Box, mailbox: Mailbox, chromium: Browser
) -> None:
    _, approvals = await asked(mailing, 3)
    async with served(mailing.app) as url, looking(chromium, "light") as page:
        await page.goto(url + link_to(mailbox, ANNA))
        await page.get_by_text("Leave some of them out").first.focus()
        await page.keyboard.press("Enter")
        await page.get_by_label("job 1").first.focus()
        await page.keyboard.press("Space")
        await page.get_by_role("button", name="Approve", exact=True).focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await expect(page.locator("main")).to_contain_text("1 goes on waiting")
    assert await statuses(mailing, *approvals) == ["approved", "pending", "approved"]
