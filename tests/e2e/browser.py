"""A browser for the end-to-end tests: one that is installed, headless, each test with a profile of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Error, async_playwright

#: What a machine may have, in the order of preference; the last resort is Playwright's own.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def installed_browser() -> str | None:
    """The path of a Chromium that is installed; None when only Playwright's own could be there."""
    found = (shutil.which(name) for name in NAMES)
    return next((path for path in found if path), None)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A running headless Chromium."""
    async with async_playwright() as playwright:
        path = installed_browser()
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.fail("No browser: install Debian's `chromium`, or run `playwright install chromium`.")
        # Chromium's sandbox does not run as root.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        try:
            running = await playwright.chromium.launch(executable_path=path, args=arguments)
        except Error as error:
            pytest.fail(f"The browser {path or playwright.chromium.executable_path} does not start: {error}")
        yield running
        await running.close()


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile."""
    context = await chromium.new_context()
    context.set_default_timeout(10_000)
    yield context
    await context.close()
