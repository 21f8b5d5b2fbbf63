"""What reviewers see in a terminal, in Slack and in Teams, drawn in a browser from the real thing, for docs/review.md."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect
from pydantic import SecretStr

from core.incident import Decision, DecisionKind, Reviewer
from core.settings import Settings
from sandbox.process import SandboxProcess
from server.postman import Postman
from tests.e2e import drawn
from tests.e2e.browser import chromium
from tests.e2e.test_review_page import PICTURES, looking
from tests.fakes.slack import FakeSlack, click
from tests.incident_stories import MEMORY, a_proposal, ask, tell
from tests.integration.test_api_groups import outage
from tests.integration.test_channels import Receiver, receiver
from tests.integration.test_review_terminal import one, shows
from tests.integration.test_review_terminal import opened as terminal
from tests.integration.test_slack import asked, chatting, send, slack
from tests.integration.test_slack_edits import KEYS, WORKERS, window_of
from tests.integration.test_slack_groups import outage as slack_outage
from tests.server_box import Box, box, box_settings, opened, sandbox
from tools.notify.slack_blocks import APPROVE, EDIT

__all__ = ["box", "box_settings", "chatting", "chromium", "receiver", "sandbox", "slack"]

BEN = Reviewer(name="ben@example.com", role="approver", channel="console")


async def shown(page: Page, html: str, name: str) -> str:
    """The page's text once it is drawn; nothing is loaded from elsewhere, and nothing is wider than the page."""
    await page.route("**/*", lambda route: route.abort())
    await page.set_content(html)
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if PICTURES:
        taken = await page.locator("body").screenshot()
        few = Image.open(io.BytesIO(taken)).convert("RGB").quantize(128)  # text needs no more colours
        few.save(Path(PICTURES) / f"{name}.png", optimize=True)
    return await page.locator("body").inner_text()


async def test_the_terminal(box: Box, chromium: Browser) -> None:
    await outage(box, 4)
    await one(box)
    async with terminal(box, size=(96, 38)) as pilot:
        await shows(pilot, "4x job 0", "nightly_orders")
        await pilot.press("down")
        await shows(pilot, "NIGHTLY_ORDERS", "EVIDENCE")
        svg = pilot.app.export_screenshot(title="pitstop review")
    # Its fonts are on the web; every run of characters has its width, so another one fits as well.
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg).replace("Fira Code", "DejaVu Sans Mono")
    async with looking(chromium, "dark", 1000, 840) as page:
        html = f"<!doctype html><body style='margin: 0; font-size: 0'>{svg}</body>"
        text = await shown(page, html, "review-terminal")
    for words in ("4x job 0", "executor oom", "new settings", "NIGHTLY_ORDERS", "+ 16g", "Approve"):
        assert words in text.replace("\xa0", " "), text


async def test_slack(chatting: Box, slack: FakeSlack, chromium: Browser) -> None:
    approval = await asked(chatting)
    await send(chatting, click(slack.buttons()[EDIT], "UANNA"))
    await chatting.runtime.store.decide(approval.id, Decision(kind=DecisionKind.REJECT), BEN)
    await Postman(chatting.runtime).deliver()
    (posted,), (window,) = slack.sent("chat.postMessage"), slack.sent("views.open")
    async with looking(chromium, "light", 1120, 700) as page:
        text = await shown(page, drawn.slack(posted["blocks"], window["view"]), "review-slack")
        await expect(page.locator(".button")).to_have_text(
            ["Approve", "Edit…", "Reject…", "Hint…", "Whole story", "Cancel", "Approve as edited"]
        )
    for words in (
        "nightly_orders",
        "Container killed by YARN",
        "8g → 16g",
        "Was the analysis of use?",
        MEMORY,
    ):
        assert words in text, text
    (changed,) = slack.sent("chat.update")
    async with looking(chromium, "light", 720, 500) as page:
        text = await shown(page, drawn.slack(changed["blocks"]), "review-slack-decided")
        await expect(page.locator(".button")).to_have_text(["Whole story"])
    assert "ben@example.com rejected this through console" in text


async def test_slack_shows_a_group(chatting: Box, slack: FakeSlack, chromium: Browser) -> None:
    await slack_outage(chatting, 4)
    (posted,) = slack.sent("chat.postMessage")
    button = slack.buttons()[APPROVE]
    await send(chatting, click(button, "UANNA"))
    await Postman(chatting.runtime).deliver()
    changed = slack.sent("chat.update")[-1]
    async with looking(chromium, "light", 1120, 700) as page:
        drawing = drawn.slack(posted["blocks"], asks=button["confirm"], answered=changed["blocks"])
        text = await shown(page, drawing, "review-slack-group")
        await expect(page.locator(".button")).to_have_text(
            [
                "Approve all 4…",
                "Reject all 4…",
                "Hint…",
                "Whole list",
                "Whole story",
                "Not now",
                "Approve all",
            ]
        )
    for words in ("4 failed runs", "job 1, run 1", "8g → 16g", "anna@example.com approved 4 failed runs"):
        assert words in text, text


async def test_slack_shows_what_it_can_not_hold(chatting: Box, slack: FakeSlack, chromium: Browser) -> None:
    params = {"task_keys": KEYS, "settings": [WORKERS]}
    view = await window_of(chatting, slack, await asked(chatting, proposal=a_proposal(params=params)))
    async with looking(chromium, "light", 1120, 700) as page:
        text = await shown(page, drawn.slack([], view), "review-slack-long")
    assert "stays as it is" in text and "Edit it in the console" in text and "num_workers" in text


async def test_teams(
    box_settings: Settings, sandbox: SandboxProcess, receiver: Receiver, chromium: Browser
) -> None:
    given = {
        "teams_webhooks": {"default": SecretStr(f"{receiver.address}/hook")},
        "public_url": "https://pitstop.example.com",
    }
    async with opened(box_settings.model_copy(update=given), sandbox) as box:
        store = box.runtime.store
        await ask(store, await tell(store), notify=["teams"])
        await Postman(box.runtime).deliver()
    ((_, _, body),) = receiver.posted
    async with looking(chromium, "light", 800, 700) as page:
        text = await shown(page, drawn.teams(body["attachments"][0]["content"]), "review-teams")
    for words in ("nightly_orders", "Container killed by YARN", "8g → 16g", MEMORY, "Look and decide"):
        assert words in text, text


def test_a_drawing_hides_nothing() -> None:
    with pytest.raises(ValueError, match="'image'"):
        drawn.slack([{"type": "image"}])
    with pytest.raises(ValueError, match="'TextBlock'"):
        drawn.teams({"body": [{"type": "TextBlock", "text": "**now**"}], "actions": []})
