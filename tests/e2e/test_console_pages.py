"""Every page of the console, with much in it: no complaint of the browser, no serious finding of axe, no scrolling
sideways on a phone, in light and in dark; the documentation's pictures are taken here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from core.settings import Settings
from sandbox.process import SandboxProcess
from tests.e2e.browser import chromium
from tests.e2e.console import Desk, sign_in
from tests.e2e.console_world import POLICY, escalated, furnish
from tests.server_box import Box, box, sandbox, served, settings_for

__all__ = ["box", "chromium", "sandbox"]

SERIOUS = {"serious", "critical"}
LARGE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def box_settings(database_url: str, sandbox: SandboxProcess, tmp_path: Path) -> Settings:
    """With a policy, and a mail server that is never reached."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    return settings_for(database_url, sandbox, tmp_path, policy=policy, smtp_host="127.0.0.1", smtp_port=1)


@pytest.fixture
async def pages(box: Box) -> dict[str, str]:
    """The console's pages by a name, over a furnished store."""
    story = await furnish(box)
    group = (await box.runtime.groups.listed()).items[0].id
    left = await escalated(box)
    kept = (await box.runtime.queries.incident(story)).artifacts[-1].id
    return {
        "queue": "/console",
        "incidents": "/console?show=all",
        "nothing": "/console?show=all&q=nothing-is-called-this",
        "incident": f"/console/incidents/{story}",
        "text": f"/console/incidents/{story}/artifacts/{kept}?line=1843#L1843",
        "found": f"/console/incidents/{story}/artifacts/{kept}?q=executor",
        "escalated": f"/console/incidents/{left}",
        "groups": "/console/groups",
        "group": f"/console/groups/{group}",
        "fleet": "/console/fleet",
        "settings": "/console/settings",
        "missing": "/console/incidents/inc_nothing",
    }


async def everything(page: Any) -> None:
    """Open what is folded, so that it is looked at too."""
    await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")


async def serious(page: Any) -> list[str]:
    """The serious and critical findings of axe."""
    found = await Axe().run(page)
    return [
        f"{v['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for v in found.response["violations"]
        if v["impact"] in SERIOUS
        for node in v["nodes"][:3]
    ]


@pytest.mark.parametrize(("scheme", "size"), [("light", LARGE), ("dark", LARGE), ("dark", PHONE)])
async def test_axe_finds_nothing_serious(
    box: Box, chromium: Browser, pages: dict[str, str], scheme: Any, size: Any
) -> None:
    context = await chromium.new_context(viewport=size, color_scheme=scheme)
    async with served(box.app) as url:
        desk = await sign_in(box, url, context, role="admin")
        findings: dict[str, list[str]] = {}
        for name, path in pages.items():
            await desk.open(path)
            if size is LARGE:
                await desk.picture(name if scheme == "light" else f"{name}-dark")
            await everything(desk.page)
            findings[name] = await serious(desk.page)
        assert {name: found for name, found in findings.items() if found} == {}
        assert [c for c in desk.complaints if "404" not in c] == []
        await context.close()


async def test_nothing_scrolls_sideways_on_a_phone(
    box: Box, chromium: Browser, pages: dict[str, str]
) -> None:
    context = await chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    async with served(box.app) as url:
        desk = await sign_in(box, url, context, role="admin")
        wide: dict[str, int] = {}
        for name, path in pages.items():
            await desk.open(path)
            await desk.picture(f"{name}-phone")
            await everything(desk.page)
            wide[name] = await desk.page.evaluate("document.documentElement.scrollWidth")
        assert {name: width for name, width in wide.items() if width > PHONE["width"]} == {}
        await context.close()


@pytest.fixture
async def desk(box: Box, chromium: Browser, pages: dict[str, str]) -> AsyncIterator[Desk]:
    """Anna at a large screen; the browser may complain about nothing."""
    context = await chromium.new_context(viewport=LARGE)  # type: ignore[arg-type]
    context.set_default_timeout(10_000)
    async with served(box.app) as url:
        signed_in = await sign_in(box, url, context)
        yield signed_in
        assert signed_in.complaints == []
        await context.close()


async def test_the_most_pressing_stands_first(desk: Desk) -> None:
    rows = desk.page.locator(".queue tbody tr")
    await expect(rows).to_have_count(4)
    await expect(rows.nth(0)).to_contain_text("billing_export")
    await expect(rows.nth(0)).to_contain_text("still running, costing money")
    await expect(rows.nth(1)).to_contain_text("6 of one cause")
    await desk.page.get_by_label("Search").fill("clickstream")
    await desk.page.get_by_role("button", name="Filter").click()
    await expect(rows).to_have_count(1)


async def test_the_incident_tells_its_story(desk: Desk, pages: dict[str, str]) -> None:
    page = desk.page
    await desk.open(pages["incident"])
    figure = page.locator("#evidence-1")
    await expect(figure.locator("tr.proof")).to_have_count(3)
    await expect(figure.locator("tr").first).to_contain_text("1838")
    await expect(figure.locator("tr").first).to_contain_text("Finished task 1837.0")
    await expect(page.locator(".supports a").first).to_have_text("aggregate/stderr, line 1843")
    await expect(page.locator("svg.tasks .root")).to_contain_text("aggregate")
    await expect(page.locator("svg.tasks .arrow")).to_have_count(3)
    await expect(page.locator("svg.runs .run")).to_have_count(15)
    await expect(page.locator(".stakes")).to_contain_text("1 task runs again, which failed after 7 min 40 s")


async def test_a_text_is_read_line_by_line(desk: Desk, pages: dict[str, str]) -> None:
    page = desk.page
    await desk.open(pages["incident"])
    await page.locator("#evidence-1 figcaption a").click()
    await expect(page.locator("tr.proof")).to_have_count(3)
    await expect(page.locator("#L1843")).to_be_in_viewport()
    await expect(page.locator("#L1844")).to_contain_text("9.1 GB of 9 GB")
    await expect(page.locator(".turns").first).to_contain_text("Lines 1501–1885 of 1885")
    await page.get_by_role("link", name="First").first.click()
    await expect(page.locator("#L500")).to_be_visible()
    await expect(page.locator("#L501")).to_have_count(0)
    await page.get_by_label("Line", exact=True).fill("777")
    await page.keyboard.press("Enter")
    await expect(page.locator("#L777")).to_be_in_viewport()
    await page.get_by_label("Find in the whole text").fill("MEMORYOVERHEAD")
    await page.keyboard.press("Enter")
    await expect(page.locator("#found-h")).to_contain_text("is in 1 line")
    await page.locator("section a", has_text="1845").click()
    await expect(page.locator("#L1845")).to_be_in_viewport()


async def test_what_happened_before_says_how_often_and_how_it_ended(
    desk: Desk, pages: dict[str, str]
) -> None:
    await desk.open(pages["escalated"])
    before = desk.page.locator(".similar li").filter(has_text="clickstream_hourly")
    await expect(before).to_contain_text("happened 7 times")
    await expect(before.locator(".pill")).to_have_text("resolved")


async def test_the_fleet_counts_and_draws(desk: Desk, pages: dict[str, str]) -> None:
    page = desk.page
    await desk.open(pages["fleet"])
    assert await page.locator("svg.chart rect").count() > 100
    await expect(page.locator(".tiles")).to_contain_text("Time to recovery")
    await expect(
        page.get_by_role("region", name="Shadow mode against what people did").first
    ).to_contain_text("repaired")
    await page.get_by_label("From", exact=True).fill("2020-01-01")
    await page.get_by_label("To", exact=True).fill("2020-01-31")
    await page.get_by_role("button", name="Show").click()
    await expect(page.get_by_text("Nothing in this time.").first).to_be_visible()


async def test_the_settings_show_the_policy_as_it_holds(desk: Desk, pages: dict[str, str]) -> None:
    await desk.open(pages["settings"])
    row = desk.page.get_by_role("row").filter(has_text="billing_export")
    await expect(row).to_contain_text("critical")
    await expect(row).to_contain_text("anna@example.com, ben@example.com")
    await expect(row).to_contain_text("max_attempts 2")
    await expect(desk.page.get_by_role("row").filter(has_text="ml_features")).to_contain_text("observe")
    await expect(desk.page.get_by_role("button", name="Test")).to_have_count(0)
