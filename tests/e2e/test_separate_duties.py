"""Separate duties in a real browser: who may not approve sees it at once, and who may sees an edit as it comes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.browser import browser, chromium
from tests.e2e.console import sign_in
from tests.e2e.test_console_pages import LARGE, PHONE, serious
from tests.incident_stories import ask, tell
from tests.server_box import Box, box, box_settings, sandbox, served

__all__ = ["box", "box_settings", "browser", "chromium", "sandbox"]
ANNA, BEN = "anna@example.com", "ben@example.com"


@pytest.mark.parametrize(("scheme", "size"), [("light", LARGE), ("dark", PHONE)])
async def test_who_may_not_approve_is_told_and_can_do_the_rest(
    box: Box, chromium: Browser, scheme: Any, size: Any
) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store), barred=[ANNA], separate_duties=True)
    context = await chromium.new_context(viewport=size, color_scheme=scheme)
    async with served(box.app) as url:
        desk = await sign_in(box, url, context, name=ANNA)
        await expect(desk.page.get_by_text("somebody else approves")).to_be_visible()
        await desk.page.get_by_role("link", name="nightly_orders").click()
        decision = desk.page.locator("#decision")
        await expect(decision.get_by_text("so somebody else approves it")).to_be_visible()
        await expect(decision.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
        assert await serious(desk.page) == []
        await decision.get_by_text("Reject", exact=True).first.click()
        await decision.get_by_role("button", name="Reject").click()
        await expect(desk.page.locator(".decided")).to_contain_text(f"by {ANNA}")
        assert desk.complaints == []
    assert (await store.approval(approval.id)).status == "rejected"
    await context.close()


async def test_an_edit_is_seen_by_whoever_has_the_page_open(box: Box, chromium: Browser) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store), separate_duties=True)
    mine, theirs = await chromium.new_context(), await chromium.new_context()
    async with served(box.app) as url:
        anna = await sign_in(box, url, mine, name=ANNA)
        ben = await sign_in(box, url, theirs, name=BEN)
        for desk in (anna, ben):
            await desk.open(f"/console/incidents/{approval.incident_id}")
        await anna.page.get_by_text("Edit, for somebody else to approve").click()
        await anna.page.get_by_label("spark.executor.memory").fill("12g")
        await anna.page.get_by_role("button", name="Ask with these").click()
        await expect(anna.page.locator("#decision")).to_contain_text("so somebody else approves it")
        change = ben.page.locator("#decision .diff ins").first
        await expect(change).to_have_text("12g")
        await ben.page.get_by_role("button", name="Approve", exact=True).click()
        await expect(ben.page.locator(".decided")).to_contain_text(f"by {BEN}")
        assert anna.complaints == ben.complaints == []
    decided = await store.approval(approval.id)
    assert (decided.status, decided.decided_by, decided.barred) == ("approved", BEN, [ANNA])
    await mine.close()
    await theirs.close()
