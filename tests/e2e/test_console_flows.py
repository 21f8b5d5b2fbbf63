"""The console in a real browser: signing in by a link, reading, deciding, being overtaken, by mouse and keyboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from core.incident import Decision, DecisionKind, Reviewer
from tests.e2e.browser import browser, chromium
from tests.e2e.console import Desk, sign_in
from tests.incident_stories import ask, tell
from tests.server_box import Box, box, box_settings, sandbox, served

__all__ = ["box", "box_settings", "browser", "chromium", "sandbox"]

BEN = Reviewer(name="ben@example.com", role="approver", channel="api")


@pytest.fixture
async def desk(box: Box, browser: BrowserContext) -> AsyncIterator[Desk]:
    """Anna at the console; nothing that a page does may be refused by its own policy, or fail."""
    async with served(box.app) as url:
        signed_in = await sign_in(box, url, browser)
        yield signed_in
        assert signed_in.complaints == []
        await browser.close()


async def a_pending(desk: Desk, **more: Any) -> Any:
    store = desk.box.runtime.store
    return await ask(store, await tell(store), **more)


async def test_from_the_list_to_an_approval(desk: Desk) -> None:
    approval = await a_pending(desk)
    page = desk.page
    await page.get_by_role("link", name="Queue", exact=True).click()
    await page.get_by_role("link", name="nightly_orders").click()
    await expect(page.get_by_role("heading", level=1, name="nightly_orders")).to_be_visible()
    await expect(page.locator(".root-cause")).to_contain_text("used more memory")
    await expect(page.locator(".ln").first).to_have_text("1843")
    await expect(page.locator("tr.root")).to_contain_text("aggregate")
    change = page.locator(".diff tbody tr").first
    await expect(change.locator("del")).to_have_text("8g")
    await expect(change.locator("ins")).to_have_text("16g")
    await page.get_by_label("Comment").fill("go ahead")
    await page.get_by_role("button", name="Approve", exact=True).click()
    await expect(page.locator(".decided")).to_contain_text("approved by anna@example.com")
    decided = await desk.box.runtime.store.approval(approval.id)
    assert (decided.status, decided.comment, decided.channel) == ("approved", "go ahead", "console")
    assert desk.box.jobs("advance") == [approval.incident_id]


async def test_editing(desk: Desk) -> None:
    approval = await a_pending(desk)
    page = desk.page
    await desk.open(f"/console/incidents/{approval.incident_id}")
    await page.get_by_text("Edit, then approve").click()
    await page.get_by_label("spark.executor.memory").fill("12g")
    await page.get_by_role("button", name="Approve as edited").click()
    await expect(page.locator(".decided")).to_contain_text("edited by anna@example.com")
    decided = await desk.box.runtime.store.approval(approval.id)
    assert decided.proposal.params["settings"][0]["proposed"] == "12g"


async def test_rejecting_and_taking_over(desk: Desk) -> None:
    approval = await a_pending(desk)
    page = desk.page
    await desk.open(f"/console/incidents/{approval.incident_id}")
    await page.get_by_text("Reject", exact=True).first.click()
    await page.get_by_label("I take it over by hand").check()
    await page.get_by_role("button", name="Reject").click()
    await expect(page.locator(".decided")).to_contain_text("rejected by anna@example.com")
    await expect(page.get_by_text("taken over by anna@example.com")).to_be_visible()


async def test_giving_a_hint(desk: Desk) -> None:
    approval = await a_pending(desk)
    page = desk.page
    await desk.open(f"/console/incidents/{approval.incident_id}")
    await page.get_by_text("Give a hint").click()
    await page.get_by_label("What Pitstop should know").fill("Look at the skew.")
    await page.get_by_role("button", name="Look again with this").click()
    await expect(page.locator(".decided")).to_contain_text("Look at the skew.")


async def test_being_overtaken_is_shown_without_reloading(desk: Desk) -> None:
    approval = await a_pending(desk)
    page = desk.page
    await desk.open(f"/console/incidents/{approval.incident_id}")
    await page.get_by_label("Comment").fill("half a sent")
    reject = Decision(kind=DecisionKind.REJECT, comment="not at night")
    await desk.box.runtime.store.decide(approval.id, reject, BEN)
    await expect(page.locator(".decided")).to_contain_text("rejected by ben@example.com")
    await expect(page.locator(".decided")).to_contain_text("not at night")
    await expect(page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)


async def test_a_form_that_is_being_filled_in_survives_the_news(desk: Desk) -> None:
    approval = await a_pending(desk)
    page = desk.page
    await desk.open(f"/console/incidents/{approval.incident_id}")
    await page.get_by_text("Edit, then approve").click()
    await page.get_by_label("spark.executor.memory").fill("12")
    await page.get_by_text("Read", exact=True).click()
    await desk.box.runtime.store.add_event(approval.incident_id, "something_new", {}, key="new")
    await expect(page.locator(".timeline")).to_contain_text("something new")
    await expect(page.get_by_label("spark.executor.memory")).to_have_value("12")
    await expect(page.get_by_text("Look at the stage's largest partition first.")).to_be_visible()


async def test_the_list_follows_what_happens(desk: Desk) -> None:
    await expect(desk.page.get_by_text("Nothing waits for you.")).to_be_visible()
    await a_pending(desk)
    await expect(desk.page.get_by_role("link", name="nightly_orders")).to_be_visible()
    await expect(desk.page.get_by_text("One question waits.")).to_be_visible()


async def tab_to(page: Page, wanted: Locator, most: int = 60) -> None:
    """Press Tab until something has the focus, which has to be seen on the screen."""
    for _ in range(most):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("e => e === document.activeElement"):
            await expect(wanted).to_be_in_viewport()
            return
    raise AssertionError(f"{wanted} was not reached with {most} tabs")


@pytest.mark.parametrize("kind", ["approve", "edit", "reject", "respond"])
async def test_each_decision_by_keyboard_alone(desk: Desk, kind: str) -> None:
    approval = await a_pending(desk)
    page, keys = desk.page, desk.page.keyboard
    await desk.open("/console")
    await keys.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    await keys.press("Enter")
    await tab_to(page, page.get_by_role("link", name="nightly_orders"))
    await keys.press("Enter")
    await expect(page.get_by_role("heading", level=1, name="nightly_orders")).to_be_visible()
    if kind == "approve":
        await tab_to(page, page.get_by_label("Comment"))
        await keys.type("typed")
        await tab_to(page, page.locator("#approve-yes"))
        await keys.press("Space")
        await tab_to(page, page.get_by_role("button", name="Approve", exact=True))
    elif kind == "edit":
        await tab_to(page, page.locator("summary", has_text="Edit, then approve"))
        await keys.press("Enter")
        await tab_to(page, page.get_by_label("spark.executor.memory"))
        await keys.press("Control+A")
        await keys.type("12g")
        await tab_to(page, page.get_by_role("button", name="Approve as edited"))
    elif kind == "reject":
        await tab_to(page, page.locator("summary", has_text="Reject"))
        await keys.press("Enter")
        await tab_to(page, page.locator("#reject-comment"))
        await keys.type("typed")
        await tab_to(page, page.get_by_label("nothing"))
        await keys.press("ArrowDown")
        await tab_to(page, page.get_by_role("button", name="Reject"))
    else:
        await tab_to(page, page.locator("summary", has_text="Give a hint"))
        await keys.press("Enter")
        await tab_to(page, page.get_by_label("What Pitstop should know"))
        await keys.type("typed")
        await tab_to(page, page.get_by_role("button", name="Look again with this"))
    await keys.press("Enter")
    status = {"approve": "approved", "edit": "edited", "reject": "rejected", "respond": "responded"}[kind]
    await expect(page.locator(".decided")).to_contain_text(f"{status} by anna@example.com")
    decided = await desk.box.runtime.store.approval(approval.id)
    assert (decided.status, decided.channel) == (status, "console")
    assert decided.useful is (True if kind == "approve" else None)
    assert decided.then == ("terminate" if kind == "reject" else "nothing")


async def test_on_a_phone_the_decision_stands_right_under_the_cause(box: Box, chromium: Browser) -> None:
    phone = await chromium.new_context(viewport={"width": 390, "height": 844})
    async with served(box.app) as url:
        desk = await sign_in(box, url, phone)
        approval = await a_pending(desk)
        await desk.open(f"/console/incidents/{approval.incident_id}")
        tops = [await desk.page.locator(s).bounding_box() for s in (".root-cause", "#decision", "#tasks-h")]
        heights = [top["y"] for top in tops if top]
        assert heights == sorted(heights)
        assert len(heights) == 3
        width = await desk.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        await desk.open("/console?show=all")
        assert await desk.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert desk.complaints == []
        await phone.close()


async def test_signing_out(desk: Desk) -> None:
    await desk.open("/console/settings")
    await desk.page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(desk.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await desk.page.go_back()  # a shared machine: nothing of it is left in the browser
    await expect(desk.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await desk.open("/console")
    await expect(desk.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await desk.page.get_by_label("API token").fill(await desk.box.token("carl@example.com", "viewer"))
    await desk.page.get_by_role("button", name="Sign in").click()
    await expect(desk.page.get_by_text("carl@example.com")).to_be_visible()
