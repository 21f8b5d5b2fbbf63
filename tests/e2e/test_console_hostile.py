"""Texts from logs, names and people that would run if a page took them for markup: they are shown as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.async_api import Browser, BrowserContext, expect

from core.incident import Decision, DecisionKind, Reviewer
from tests.e2e.browser import browser, chromium
from tests.e2e.console import sign_in
from tests.incident_stories import a_proposal, a_run, ask, facts, tell
from tests.server_box import Box, box, box_settings, sandbox, served

__all__ = ["box", "box_settings", "browser", "chromium", "sandbox"]

CORPUS: list[str] = yaml.safe_load((Path(__file__).parent / "xss_corpus.yaml").read_text())
BEN = Reviewer(name="ben@example.com", role="approver", channel="api")
#: What a payload leaves behind where it was taken for markup.
MARKUP = "script:not([src]), iframe, object, embed, base, [onerror], [onload], [onfocus], [ontoggle], [srcdoc], style"


async def a_hostile_incident(box: Box) -> str:
    """The whole corpus as a log, and each payload somewhere as a name."""
    store, every = box.runtime.store, "\n".join(CORPUS)
    run = a_run(1, CORPUS[0] + CORPUS[4], run_page_url=CORPUS[16], tags={CORPUS[1]: CORPUS[5]})
    known = facts(run)
    lines = [{"source": text, "line_start": 1, "line_end": 1, "text": text} for text in CORPUS[:20]]
    known["diagnosis"] |= {
        "root_cause": every,
        "disagreement": every,
        "failure_class": CORPUS[2],
        "evidence": [{"source": "log", "line_start": 1, "line_end": len(CORPUS), "text": every}, *lines],
    }
    known["run"]["tasks"] = [
        {
            **known["run"]["tasks"][2],
            "task_key": text,
            "state_message": text,
            "run_page_url": text,
            "depends_on": [],
        }
        for text in CORPUS
    ]
    known["similar"] = [
        {
            "id": text,
            "kind": "incident",
            "title": text,
            "text": text,
            "score": 0.5,
            "action": text,
            "outcome": text,
        }
        for text in CORPUS
    ]
    known["tried"] = [{"attempt": 1, "action": text, "result": text} for text in CORPUS]
    known["history"] = [{"run_id": 1, "result_state": text, "duration_seconds": 3} for text in CORPUS]
    known["prediction"] |= {"basis": every}
    incident_id = await tell(store, run, **known)
    await store.put_artifact(incident_id, "log", every, key="log")
    for number, text in enumerate(CORPUS):
        await store.put_artifact(incident_id, text, text, key=f"evil/{number}")
        await store.add_event(incident_id, text, {text: text, "list": [text]}, key=f"evil/{number}")
    params = {"job_parameters": {text: text for text in CORPUS if text.isascii() and "\x00" not in text}}
    approval = await ask(store, incident_id, a_proposal(reason=every, risks=CORPUS[:20], params=params))
    await store.decide(approval.id, Decision(kind=DecisionKind.RESPOND, comment=every[:4000]), BEN)
    await ask(store, incident_id, a_proposal(reason=every, risks=CORPUS[20:40], params=params), revision=2)
    return incident_id


async def test_nothing_of_the_corpus_runs_anywhere(box: Box, browser: BrowserContext) -> None:
    assert len(CORPUS) >= 30
    incident_id = await a_hostile_incident(box)
    requests: list[str] = []
    async with served(box.app) as url:
        desk = await sign_in(box, url, browser)
        page = desk.page
        page.on("request", lambda request: requests.append(request.url))
        for path in (
            "/console",
            "/console?show=all",
            f"/console/incidents/{incident_id}",
            "/console/fleet",
            "/console/settings",
        ):
            await desk.open(path)
            await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert await page.locator(MARKUP).count() == 0, path
            assert await page.locator("a[href^='javascript:'], a[href^='data:']").count() == 0, path
            await expect(page.get_by_text("<script>window.pwned=1</script>").first).to_be_attached()
        await desk.open(f"/console/incidents/{incident_id}")
        shown = await page.locator("#evidence-1 .proof code").all_text_contents()
        assert shown == [text.replace("\x00", "") for text in CORPUS]  # HTML has no NUL
        # What htmx swaps in is text as well.
        await box.runtime.store.add_event(incident_id, CORPUS[1], {"a": CORPUS[2]}, key="late")
        await expect(page.locator(".timeline li").first).to_contain_text(CORPUS[2])
        assert await page.locator(MARKUP).count() == 0
        assert await page.evaluate("window.pwned") is None
        assert desk.complaints == []
        assert [r for r in requests if not r.startswith(url)] == []


async def test_a_text_kept_whole_is_no_page(box: Box, browser: BrowserContext) -> None:
    incident_id = await a_hostile_incident(box)
    async with served(box.app) as url:
        desk = await sign_in(box, url, browser)
        page = desk.page
        await desk.open(f"/console/incidents/{incident_id}")
        await page.locator("#evidence-1 figcaption a").click()
        await expect(page.locator("#L1.proof:target code")).to_have_text(CORPUS[0])
        shown = await page.locator(".text code").all_text_contents()
        assert shown == [text.replace("\x00", "") for text in CORPUS]
        for text in [t for t in CORPUS if t.isascii() and "\x00" not in t][:12]:
            await page.get_by_label("Find in the whole text").fill(text)
            await page.get_by_role("button", name="Find").click()
            await expect(page.locator("#found-h")).to_have_text(re.compile(r"is in \d+ line"))
            assert await page.locator(MARKUP).count() == 0
        await page.get_by_role("link", name="as plain text").click()
        assert CORPUS[0] in await page.inner_text("body")
        assert await page.locator("script, img, svg, iframe").count() == 0
        assert await page.evaluate("window.pwned") is None
        assert desk.complaints == []


async def test_a_filter_of_hostile_text_is_shown_as_it_is(box: Box, browser: BrowserContext) -> None:
    async with served(box.app) as url:
        desk = await sign_in(box, url, browser)
        for text in CORPUS[:12]:
            await desk.page.get_by_label("Search").fill(text)
            await desk.page.get_by_role("button", name="Filter").click()
            await expect(desk.page.get_by_label("Search")).to_have_value(text)
        assert await desk.page.evaluate("window.pwned") is None
        assert desk.complaints == []


@pytest.mark.parametrize("first", [0, 1])
async def test_two_reviewers_at_once_one_wins_and_the_other_is_told(
    box: Box, chromium: Browser, first: int
) -> None:
    approval = await ask(box.runtime.store, await tell(box.runtime.store))
    async with served(box.app) as url:
        desks: list[Any] = []
        for name in ("anna@example.com", "ben@example.com"):
            context = await chromium.new_context(java_script_enabled=False)
            context.set_default_timeout(10_000)
            desk = await sign_in(box, url, context, name=name)
            await desk.open(f"/console/incidents/{approval.incident_id}")
            await desk.page.get_by_label("Comment").fill(f"from {name}")
            desks.append(desk)
        winner, loser = desks[first], desks[1 - first]
        await winner.page.get_by_role("button", name="Approve", exact=True).click()
        await expect(winner.page.locator(".decided")).to_contain_text("approved by")
        await loser.page.get_by_role("button", name="Approve", exact=True).click()
        alert = loser.page.get_by_role("alert")
        await expect(alert).to_contain_text("has approved this already")
        await expect(alert).to_contain_text(("anna@example.com", "ben@example.com")[first])
        decided = await box.runtime.store.approval(approval.id)
        assert decided.decided_by == ("anna@example.com", "ben@example.com")[first]
        assert box.jobs("advance") == [approval.incident_id]
        for desk in desks:
            await desk.page.context.close()
