"""What people do about an incident beside deciding, in a real browser: attach, have it investigated again, ask others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, FilePayload, expect

from core.incident import Approval, Decision, DecisionKind, Reviewer, Status
from core.settings import Settings
from sandbox.process import SandboxProcess
from tests.e2e.browser import browser, chromium
from tests.e2e.console import Desk, sign_in
from tests.e2e.console_world import escalated
from tests.e2e.test_console_flows import BEN, desk, tab_to
from tests.incident_stories import ask, tell
from tests.server_box import Box, box, sandbox, served, settings_for

__all__ = ["box", "browser", "chromium", "desk", "sandbox"]

LOG: FilePayload = {
    "name": "driver.log",
    "mimeType": "text/plain",
    "buffer": b"Connection reset\npassword=hunter2hunter2",
}


@pytest.fixture
def box_settings(database_url: str, sandbox: SandboxProcess, tmp_path: Any) -> Settings:
    """With a policy that names approvers."""
    policy = tmp_path / "policy.yaml"
    policy.write_text("defaults: {approvers: [anna@example.com, ben@example.com, carl@example.com]}")
    return settings_for(database_url, sandbox, tmp_path, policy=policy)


@pytest.fixture
async def waiting(desk: Desk) -> AsyncIterator[Approval]:
    """An open question, its page before anna."""
    store = desk.box.runtime.store
    approval = await ask(store, await tell(store), approvers=["anna@example.com"])
    await desk.open(f"/console/incidents/{approval.incident_id}")
    yield approval


async def test_a_log_is_attached_read_and_investigated(desk: Desk) -> None:
    incident_id = await escalated(desk.box)
    page = desk.page
    await desk.open(f"/console/incidents/{incident_id}")
    await page.get_by_text("Attach a log or a screenshot").click()
    await page.get_by_label("File").set_input_files(LOG)
    await page.get_by_role("button", name="Attach", exact=True).click()
    await expect(page.get_by_text("driver.log came after this answer and is not in it.")).to_be_visible()
    await page.get_by_role("link", name="driver.log").click()
    await expect(page.locator("#L2 mark")).to_have_text("[REDACTED:password]")
    await page.get_by_role("link", name="partner_price_feed").click()
    await page.get_by_label("Tell Pitstop").fill("The log came late.")
    await page.get_by_role("button", name="Investigate again").click()
    await expect(page.locator(".pill").first).to_have_text("investigating")
    await expect(page.locator(".timeline li").first).to_contain_text("The log came late.")
    row = await desk.box.runtime.store.incident(incident_id)
    assert row.second_look is not None and row.second_look.by == "anna@example.com"
    assert desk.box.jobs("advance") == [incident_id]


async def test_attaching_and_investigating_are_one_click(desk: Desk, waiting: Approval) -> None:
    page = desk.page
    await page.get_by_text("Attach a log or a screenshot").click()
    await page.get_by_label("File").set_input_files(LOG)
    await page.get_by_role("button", name="Attach and investigate again").click()
    await expect(page.locator(".decided")).to_contain_text("superseded")
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)
    assert (await desk.box.runtime.store.approval(waiting.id)).status == "superseded"


async def test_what_is_acted_on_is_not_investigated_again(desk: Desk, waiting: Approval) -> None:
    page = desk.page
    await page.get_by_text("Investigate again", exact=True).first.click()
    # Somebody approves just now, and this page has not heard of it yet.
    await page.route("**/live*", lambda route: route.abort())
    await desk.box.runtime.store.decide(
        waiting.id, Decision(kind=DecisionKind.APPROVE), Reviewer(name="root@example.com", role="admin")
    )
    await page.get_by_role("button", name="Investigate again").click()
    await expect(page.get_by_role("alert")).to_contain_text("an action that was approved is under way")
    assert (await desk.box.runtime.store.incident(waiting.incident_id)).status == Status.ACTING
    desk.complaints.clear()  # the browser notes the 409, and what was held back


async def test_another_is_asked_by_keyboard_alone(desk: Desk, waiting: Approval) -> None:
    page, keys = desk.page, desk.page.keyboard
    await tab_to(page, page.locator("summary", has_text="Ask somebody else too"))
    await keys.press("Enter")
    await tab_to(page, page.get_by_role("combobox", name="Who"))
    await keys.type("carl@example.com")
    await tab_to(page, page.get_by_role("button", name="Ask them"))
    await keys.press("Enter")
    await expect(page.get_by_text("For anna@example.com, carl@example.com.")).to_be_visible()
    assert (await desk.box.runtime.store.approval(waiting.id)).approvers[-1] == "carl@example.com"


async def test_nobody_unknown_is_asked(desk: Desk, waiting: Approval) -> None:
    page = desk.page
    await page.get_by_text("Ask somebody else too").click()
    await page.get_by_role("combobox", name="Who").fill("mallory@evil.example")
    await page.get_by_role("button", name="Ask them").click()
    await expect(page.get_by_role("alert")).to_contain_text("this is no approver")
    assert (await desk.box.runtime.store.approval(waiting.id)).approvers == ["anna@example.com"]
    desk.complaints.clear()  # the browser notes the 422


async def test_more_time_is_taken_once(desk: Desk, waiting: Approval) -> None:
    page = desk.page
    await page.get_by_text("Take more time").click()
    await page.get_by_label("How much more").select_option("4 hours")
    await page.get_by_role("button", name="Extend").click()
    await expect(page.get_by_text("which is possible once")).to_be_visible()
    await expect(page.get_by_role("button", name="Extend")).to_have_count(0)
    await expect(page.locator("#decision")).to_contain_text("4 h 59 min left")


async def test_who_may_not_decide_is_not_offered_to_hand_it_on(box: Box, browser: BrowserContext) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store), approvers=["anna@example.com"])
    async with served(box.app) as url:
        for name, role in ((BEN.name, "approver"), ("vera@example.com", "viewer")):
            desk = await sign_in(box, url, browser, role=role, name=name)
            await desk.open(f"/console/incidents/{approval.incident_id}")
            await expect(desk.page.get_by_text("Ask somebody else too")).to_have_count(0)
            again = desk.page.locator("summary", has_text="Investigate again")
            await expect(again).to_have_count(1 if role == "approver" else 0)
            await desk.page.get_by_role("button", name="Sign out", exact=True).click()
            await browser.clear_cookies()


async def test_when_another_acts_the_focus_and_what_was_written_stay(desk: Desk, waiting: Approval) -> None:
    page, store = desk.page, desk.box.runtime.store
    await page.get_by_text("Investigate again", exact=True).first.click()
    hint = page.get_by_label("Tell Pitstop")
    await hint.fill("half a sen")
    await store.add_event(waiting.incident_id, "something_new", {}, key="new")
    await expect(page.locator(".timeline")).to_contain_text("something new")
    await expect(hint).to_be_focused()
    await page.keyboard.type("tence")
    await store.attach(waiting.incident_id, "from_ben.log", "text", by=BEN.name)
    await expect(page.get_by_text("from_ben.log came after this answer")).to_be_visible()
    await expect(hint).to_be_focused()
    await expect(hint).to_have_value("half a sentence")
    await store.mute(waiting.incident_id, by=BEN.name)
    await expect(page.locator(".pill").first).to_have_text("muted")
    await expect(page.get_by_role("button", name="Unmute")).to_be_visible()
    await expect(hint).to_have_count(0)


async def test_two_desks_see_each_other(box: Box, chromium: Browser) -> None:
    store = box.runtime.store
    approval = await ask(store, await tell(store))
    async with served(box.app) as url:
        desks = [
            await sign_in(box, url, await chromium.new_context(), name=name)
            for name in ("anna@example.com", BEN.name)
        ]
        anna, ben = desks[0].page, desks[1].page
        await expect(ben.get_by_role("link", name="nightly_orders")).to_be_visible()
        await desks[0].open(f"/console/incidents/{approval.incident_id}")
        await anna.get_by_role("button", name="Approve", exact=True).click()
        await expect(ben.get_by_text("Nothing waits for you.")).to_be_visible()
        assert [d.complaints for d in desks] == [[], []]
        for one in desks:
            await one.page.context.close()
