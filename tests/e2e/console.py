"""The console with somebody at it: a page of a real browser, and whatever the browser complained about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Page, expect

from tests.server_box import Box

#: Set to a folder to take the README's pictures there.
PICTURES = os.environ.get("PITSTOP_TEST_PICTURES")
#: What the documentation shows.
SHOWN = ("queue", "incident", "incident-dark", "incident-phone", "fleet", "settings", "group")


@dataclass
class Desk:
    """A page of somebody signed in, and whatever the browser complained about."""

    box: Box
    url: str
    page: Page
    complaints: list[str]

    async def open(self, path: str) -> None:
        """Go to a page of the console."""
        await self.page.goto(self.url + path)

    async def picture(self, name: str) -> None:
        """Take a picture for the documentation, when asked to and when it is one that is shown there."""
        if PICTURES and name in SHOWN:
            await self.page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


async def sign_in(
    box: Box, url: str, browser: BrowserContext, role: Any = "approver", name: str = "anna@example.com"
) -> Desk:
    """Sign in by a link and a click."""
    page = await browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if _matters(message) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    await page.goto(await box.sign_in_link(name, role, url))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Waiting for")
    return Desk(box, url, page, complaints)


def _matters(message: ConsoleMessage) -> bool:
    """A text that is no page has no icon, and the browser misses it."""
    return message.type == "error" and not message.location.get("url", "").endswith("/favicon.ico")
