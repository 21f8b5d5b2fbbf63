"""The mail and the page behind its link in a real browser: readable by day and night, on a phone, by keyboard."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from sandbox.mailbox import Mailbox
from server.postman import Postman
from tests.e2e.browser import browser, chromium
from tests.incident_stories import ask, tell
from tests.mailing import PUBLIC, mailbox, mailing
from tests.server_box import Box, box_settings, sandbox, served

__all__ = ["box_settings", "browser", "chromium", "mailbox", "mailing", "sandbox"]

#: A folder to leave pictures in; empty: none are taken.
PICTURES = os.environ.get("PITSTOP_TEST_PICTURES", "")


async def mail_of(box: Box, mailbox: Mailbox) -> tuple[Any, str, str]:
    """A question that went out by mail: its approval, the mail's HTML, and the link's path."""
    store = box.runtime.store
    people = ["anna@example.com"]
    approval = await ask(store, await tell(store), approvers=people, notify=people)
    await Postman(box.runtime).deliver()
    part = mailbox.messages[-1].get_body(("html",))
    assert part is not None
    html = part.get_content()
    found = re.search(rf'href="{PUBLIC}(/review/[^"]+)"', html)
    assert found
    return approval, html, found[1]


async def picture(page: Page, name: str) -> None:
    """Leave a picture, where they are wanted."""
    if PICTURES:
        await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


@contextlib.asynccontextmanager
async def looking(
    chromium: Browser, scheme: Literal["light", "dark"], width: int = 1100, height: int = 900
) -> AsyncIterator[Page]:
    """A page of this size, by day or by night."""
    context = await chromium.new_context(
        color_scheme=scheme, viewport={"width": width, "height": height}, device_scale_factor=1.5
    )
    context.set_default_timeout(10_000)
    yield await context.new_page()
    await context.close()


CONTRASTS = """() => {
  const lum = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/rgba\\(.*, 0\\)/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => { const a = lum(getComputedStyle(e).color), b = lum(ground(e));
      return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.textContent.trim().slice(0, 40)]; });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [720, 360])
async def test_the_mail_is_readable(
    mailing: Box, mailbox: Mailbox, chromium: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    _, html, _ = await mail_of(mailing, mailbox)
    async with looking(chromium, scheme, width, 980) as page:
        await page.set_content(html)
        weak = [pair for pair in await page.evaluate(CONTRASTS) if pair[0] < 4.5]
        assert weak == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await picture(page, f"review-email-{'phone-' if width < 500 else ''}{scheme}")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 390)])
async def test_the_page_is_readable_without_a_script(
    mailing: Box, mailbox: Mailbox, chromium: Browser, scheme: Literal["light", "dark"], width: int
) -> None:
    approval, _, path = await mail_of(mailing, mailbox)
    async with served(mailing.app) as url, looking(chromium, scheme, width) as page:
        requested: list[tuple[str, str | None]] = []
        page.on("request", lambda r: requested.append((r.url, r.headers.get("referer"))))
        await page.goto(url + path)
        await expect(page.get_by_role("heading", name="nightly_orders")).to_be_visible()
        assert await page.locator("script").count() == 0
        assert all(not referer for _, referer in requested), requested
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        found = await Axe().run(page)
        serious = [v["id"] for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
        assert serious == []
        await picture(page, f"review-link-{'phone-' if width < 500 else ''}{scheme}")
    assert (await mailing.runtime.store.approval(approval.id)).status == "pending"


async def test_deciding_by_keyboard(mailing: Box, mailbox: Mailbox, chromium: Browser) -> None:
    approval, _, path = await mail_of(mailing, mailbox)
    async with served(mailing.app) as url, looking(chromium, "light") as page:
        await page.goto(url + path)
        await page.get_by_label("Comment").first.focus()
        await page.keyboard.type("go")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
        await page.goto(url + path)
        await expect(page.get_by_role("alert")).to_contain_text("You used this link")
    row = await mailing.runtime.store.approval(approval.id)
    assert (row.status, row.comment, row.channel) == ("approved", "go", "email")
