"""`pitstop review`: the queue on a screen of 80 x 24, driven by keys, against a service on a real socket."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea

from cli.client import Client
from cli.review_app import ReviewApp
from core.settings import Settings
from sandbox.process import SandboxProcess
from tests.incident_stories import MEMORY, a_proposal, a_run, ask, facts, tell
from tests.integration.test_api_groups import outage
from tests.server_box import Box, served
from tests.server_box import opened as service

ANNA = "anna@example.com"
#: A window's title, a hyperlink, colours, the same in one character, a line turned around, markup of Rich's.
EVIL = "a\x1b]0;owned\x07b\x1b[31mc\x9b2Jd\u202ee[bold]f[/nothing][@click=app.quit]g[/]"
EVIL_SHOWN = "abcde[bold]f[/nothing][@click=app.quit]g[/]"


@contextlib.asynccontextmanager
async def opened(
    box: Box,
    *,
    name: str = ANNA,
    role: str = "approver",
    size: tuple[int, int] = (80, 24),
    look: float = 0.3,
    app: Any = None,
) -> AsyncIterator[Pilot[None]]:
    """The queue of this person, on a terminal of this size; `app` stands before the service."""
    async with served(app or box.app) as url:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            public_url=url,
            token=SecretStr(await box.token(name, role)),
        )
        queue = ReviewApp(Client(settings), look_seconds=look)
        async with queue.run_test(size=size, notifications=True) as pilot:
            yield pilot


def screen(pilot: Pilot[None]) -> str:
    """What stands on the terminal, as text."""
    rows = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in row).rstrip() for row in rows)


async def shows(pilot: Pilot[None], *wanted: str, until: Callable[[str], bool] | None = None) -> str:
    """Wait until all of this stands on the screen; the screen."""
    for _ in range(600):
        await pilot.pause(0.05)
        seen = screen(pilot)
        if all(words in seen for words in wanted) and (until is None or until(seen)):
            return seen
    raise AssertionError(f"{wanted} not on the screen:\n{screen(pilot)}")


def decided(box: Box) -> list[tuple[Any, ...]]:
    query = "SELECT status, decided_by, channel, comment, then_do, useful FROM approvals ORDER BY created_at"
    return box.sql(query)


async def one(box: Box, **more: Any) -> Any:
    return await ask(box.runtime.store, await tell(box.runtime.store), **more)


async def test_the_whole_story_stands_on_a_small_terminal(box: Box) -> None:
    await one(box)
    async with opened(box) as pilot:
        seen = await shows(pilot, "nightly_orders", "executor oom", "new settings", "NIGHTLY_ORDERS")
        assert all(len(row) <= 80 for row in seen.splitlines()) and len(seen.splitlines()) == 24
        assert "1 waiting for anna@example.com" in seen
        assert "An executor of task aggregate was killed" in seen
        for _ in range(6):
            await pilot.press("space")
            seen += await shows(pilot)
        flat = " ".join(seen.split())
        for words in (
            MEMORY,
            "- 8g",
            "+ 16g",
            "| ExecutorLostFailure (executor 7",
            "aggregate/stderr, lines 1843-1845",
            "Faithfulness: 93%",
            "Chance that it holds: 83% (61% to 95%), 9 of 10 earlier tries",
            "Costs: 1 task runs again, which failed after 7 min 40 s",
            "If it is wrong: The tasks fail again with the new settings",
            "Mind: The cluster costs about twice as much",
            "Out of memory in an executor (runbook, 81%)",
        ):
            assert words in flat, words


async def test_approving_takes_two_keys_and_is_told_by_its_door(box: Box) -> None:
    approval = await one(box)
    async with opened(box) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        await pilot.press("a")
        await shows(
            pilot, "Approve: Run again with changed settings", "+ 16g", "(x) Not said", "( ) It was useful"
        )
        assert decided(box) == [("pending", None, None, "", "nothing", None)]
        await pilot.press(*"back soon", "tab", "down", "space")
        await shows(pilot, "( ) Not said", "(x) It was useful")
        await pilot.press("shift+tab", "enter")
        await shows(pilot, "0 waiting", "Nothing waits for you")
    assert decided(box) == [("approved", ANNA, "terminal", "back soon", "nothing", True)]
    assert box.jobs("advance") == [approval.incident_id]
    trail = box.sql("SELECT data->>'channel' FROM events WHERE kind = 'decided'")
    assert trail == [("terminal",)]


async def test_leaving_a_window_decides_nothing(box: Box) -> None:
    await one(box)
    async with opened(box) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        for key in ("a", "e", "r", "h", "d", "x"):
            await pilot.press(key)
            await shows(pilot, "esc leave")
            await pilot.press("escape")
            await shows(pilot, "Approve", until=lambda seen: "esc leave" not in seen)
    assert decided(box)[0][0] == "pending"


async def test_an_edit_is_held_against_the_policy_by_the_service_and_mended(
    box_settings: Settings, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("defaults:\n  ranges: {spark.executor.memory: {maximum: 16384}}\n")
    async with service(box_settings.model_copy(update={"policy": policy}), sandbox) as box:
        await _edit(box)


async def _edit(box: Box) -> None:
    await one(box)
    async with opened(box) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        await pilot.press("e")
        await shows(pilot, "spark.executor.memory (now 8g)", "Tasks to run again")
        field = pilot.app.screen.query_one("#field-0", Input)
        field.value = "9000g"
        await pilot.press("ctrl+s")
        await shows(pilot, "esc leave", until=lambda seen: "9000g" in seen and "16384" in seen)
        assert decided(box)[0][0] == "pending"
        pilot.app.screen.query_one("#field-1", TextArea).text = ""
        field.value = "12g"
        await pilot.press("ctrl+s")
        await shows(pilot, "0 waiting")
    assert decided(box)[0][:3] == ("edited", ANNA, "terminal")
    ((params,),) = box.sql("SELECT proposal->'params' FROM approvals")
    assert params["settings"] == [{"path": MEMORY, "current": "8g", "proposed": "12g"}]


@pytest.mark.parametrize(("downs", "then"), [(0, "nothing"), (1, "terminate"), (2, "take_over")])
async def test_rejecting_with_a_reason_and_what_else(box: Box, downs: int, then: str) -> None:
    await one(box)
    async with opened(box) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        await pilot.press("r")
        await shows(pilot, "Reject: Run again")
        await pilot.press(*"no", "tab", *["down"] * downs, *(["space"] if downs else []), "ctrl+s")
        await shows(pilot, "0 waiting")
    assert decided(box) == [("rejected", ANNA, "terminal", "no", then, None)]


async def test_a_hint_needs_words(box: Box) -> None:
    await one(box)
    async with opened(box) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        await pilot.press("h", "enter")
        await shows(pilot, "Write the hint first.")
        await pilot.press(*"skew", "enter")
        await shows(pilot, "0 waiting")
    assert decided(box)[0][:4] == ("responded", ANNA, "terminal", "skew")


async def test_who_was_faster_is_named_in_the_window_and_in_the_list(box: Box) -> None:
    first = await one(box)
    second = await ask(box.runtime.store, await tell(box.runtime.store, a_run(4712, "hourly_clicks")))
    ben = await box.as_("approver", "ben@example.com")
    async with opened(box, look=3600) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS", "hourly_clicks")
        await ben.post(f"/api/v1/approvals/{first.id}/decision", json={"decision": "reject", "comment": "x"})
        await pilot.press("a", "enter")
        seen = await shows(pilot, "Not decided")
        assert "ben@example.com has rejected this already" in " ".join(seen.split()).replace("│ │ ", "")
        await pilot.press("escape")
        await shows(pilot, "1 waiting", "HOURLY_CLICKS")
        await ben.post(f"/api/v1/approvals/{second.id}/decision", json={"decision": "approve"})
        await pilot.press("u")
        seen = await shows(pilot, "0 waiting", "ben@example.com has approved it")
    assert {row[1] for row in decided(box)} == {"ben@example.com"}


async def test_what_changed_meanwhile_is_not_approved_unseen(box: Box) -> None:
    approval = await one(box)
    async with opened(box, look=3600) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        settings = [{"path": MEMORY, "current": "8g", "proposed": "64g"}]
        other = a_proposal(params={"task_keys": ["aggregate"], "settings": settings})
        await ask(box.runtime.store, approval.incident_id, other, revision=2)
        await pilot.press("a", "enter")
        await shows(pilot, "Not decided", "superseded")
    assert [row[0] for row in decided(box)] == ["superseded", "pending"]


async def test_a_group_stands_once_with_its_count_and_is_decided_as_one(box: Box) -> None:
    await outage(box, 4)
    await one(box)
    async with opened(box) as pilot:
        seen = await shows(pilot, "4x job 0", "ONE CAUSE, 4 WAITING", "acmelake.dfs.core.windows.net")
        assert "1x" not in seen and "2 waiting" in seen
        whole = str(pilot.app.query_one("#story", Static).content)
        assert "If it is wrong:" in whole and "Costs:" not in whole  # what one costs says nothing of all
        await pilot.press("space")
        await shows(pilot, "job 1, run 5001: pending", "job 3, run 5003: pending")
        await pilot.press("e")
        await shows(pilot, "A group is approved or rejected as it is")
        await pilot.press("escape", "a")
        await shows(pilot, "for job 0 and what failed with", "it (4 in all)?")
        await pilot.press("enter")
        await shows(pilot, "1 waiting for", "NIGHTLY_ORDERS")
    assert sorted(row[:3] for row in decided(box))[:4] == [("approved", ANNA, "terminal")] * 4


async def test_a_group_is_handed_on_and_given_time_as_one(box: Box) -> None:
    await outage(box, 4)
    await box.token("ben@example.com", "approver")
    async with opened(box) as pilot:
        await shows(pilot, "ONE CAUSE, 4 WAITING")
        await pilot.press("d", *"ben@example.com", "enter")
        await shows(pilot, "ben@example.com is asked too")
        await pilot.press("x", *"4", "enter")
        await shows(pilot, "More time (", "5 h")
    assert box.sql("SELECT count(*)::int FROM events WHERE kind IN ('delegated', 'extended')") == [(8,)]
    assert {row[0] for row in decided(box)} == {"pending"}


async def test_the_list_follows_by_itself_filters_and_shows_mine_or_all(box: Box) -> None:
    await one(box, approvers=["ben@example.com"])
    async with opened(box) as pilot:
        await shows(pilot, "0 waiting for anna@example.com")
        await pilot.press("m")
        await shows(pilot, "nightly_orders", "1 waiting ")
        await ask(box.runtime.store, await tell(box.runtime.store, a_run(4712, "hourly_clicks")))
        await shows(pilot, "hourly_clicks", "2 waiting ")
        await pilot.press("f", *"clicks", "enter")
        await shows(pilot, "1 waiting, filter: clicks", until=lambda seen: "nightly_orders" not in seen)
        await pilot.press("escape")
        await shows(pilot, "2 waiting ")
        await pilot.press("question_mark")
        await shows(pilot, "q            leave")


async def test_a_viewer_is_told_that_they_may_not(box: Box) -> None:
    await one(box)
    async with opened(box, name="vera@example.com", role="viewer") as pilot:
        await shows(pilot, "0 waiting for vera")
        await pilot.press("m")
        await shows(pilot, "NIGHTLY_ORDERS")
        await shows(pilot, "not yours", "! vera@example.com is a viewer")
        for key in ("a", "e", "r", "h"):
            await pilot.press(key)
            await shows(pilot, "Not decided", "esc close")
            await pilot.press("escape")
            await shows(pilot, "a Approve", until=lambda seen: "esc close" not in seen)
    assert decided(box)[0][0] == "pending"


async def test_whoever_is_barred_sees_it_before_they_try(box: Box) -> None:
    await one(box, separate_duties=True, barred=[ANNA])
    async with opened(box) as pilot:
        await shows(pilot, "not yours", f"! {ANNA} started this run by hand", "NIGHTLY_ORDERS")
        await pilot.press("a")
        await shows(pilot, "Not decided", "esc close")
        await pilot.press("escape", "e")
        await shows(pilot, "Edit; somebody else approves it")
        await pilot.press("ctrl+s")
        await shows(pilot, "Edited; it waits for")
        assert decided(box)[0][0] == "pending"
        await pilot.press("r")
        await shows(pilot, "Reject: Run again")
        await pilot.press("enter")
        await shows(pilot, "0 waiting")
    assert decided(box)[0][:3] == ("rejected", ANNA, "terminal")


async def test_another_approver_is_asked_too(box: Box) -> None:
    await one(box, approvers=[ANNA])
    await box.token("ben@example.com", "approver")
    async with opened(box) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        await pilot.press("d", "enter")
        await shows(pilot, "Write whom to ask first.")
        await pilot.press(*"nobody", "enter")
        await shows(pilot, "'nobody' can't be asked")
        pilot.app.screen.query_one("#to", Input).value = "ben@example.com"
        await pilot.press("tab", *"on a plane", "enter")
        await shows(pilot, "ben@example.com is asked too", "1 waiting")
    ((approvers,),) = box.sql("SELECT approvers FROM approvals")
    assert approvers == [ANNA, "ben@example.com"]
    said = "SELECT data->>'by', data->>'to', data->>'comment', data->>'channel' FROM events WHERE kind = 'delegated'"
    assert box.sql(said) == [(ANNA, "ben@example.com", "on a plane", "terminal")]


async def test_more_time_is_taken_once(box: Box) -> None:
    await one(box)
    async with opened(box) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS", "60 min")
        await pilot.press("x", *"soon", "enter")
        await shows(pilot, "Hours are a number")
        pilot.app.screen.query_one("#hours", Input).value = "4"
        await pilot.press("enter")
        await shows(pilot, "More time (", "5 h", "1 waiting")
        await pilot.press("x", "enter")
        await shows(pilot, "No more time", "The time was extended already")
    ((seconds,),) = box.sql("SELECT extract(epoch FROM expires_at - created_at)::float FROM approvals")
    assert (seconds, decided(box)[0][0]) == (18000.0, "pending")


async def test_what_logs_and_names_say_is_text(box: Box) -> None:
    run = a_run(4711, EVIL)
    known = facts(run)["diagnosis"]
    evidence = [{"source": EVIL, "line_start": 1, "line_end": 1, "text": EVIL}]
    diagnosis = {**known, "root_cause": EVIL, "evidence": evidence}
    incident_id = await tell(box.runtime.store, run, diagnosis=diagnosis)
    await ask(box.runtime.store, incident_id, a_proposal(reason=EVIL, risks=[EVIL]))
    async with opened(box, size=(120, 60)) as pilot:
        seen = await shows(pilot, f"| {EVIL_SHOWN}", f"Mind: {EVIL_SHOWN}")
        await pilot.press("a")
        seen += await shows(pilot, "Approve:")
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", seen)
        assert "owned" not in seen and EVIL_SHOWN[:12] in seen


async def test_a_service_that_goes_away_is_said_and_waited_for(box: Box) -> None:
    await one(box)
    async with opened(box) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        with box.postgres_away():
            await shows(pilot, "! Trying again. Postgres does not answer")
        await shows(pilot, "1 waiting for anna")


async def test_an_answer_that_got_lost_is_asked_for_again_and_taken_once(box: Box) -> None:
    approval = await one(box, approvers=[ANNA])
    await box.token("ben@example.com", "approver")
    lost = Lost(box)
    async with opened(box, app=lost) as pilot:
        await shows(pilot, "NIGHTLY_ORDERS")
        await pilot.press("d", *"ben@example.com", "enter")
        await shows(pilot, "It may have been taken; send it again", "esc leave")
        await pilot.press("enter")
        await shows(pilot, "ben@example.com is asked too")
    assert lost.answers == 1
    assert box.sql("SELECT count(*)::int FROM events WHERE kind = 'delegated'") == [(1,)]
    assert (await box.runtime.store.approval(approval.id)).approvers == [ANNA, "ben@example.com"]


class Lost:
    """The service behind a gateway that loses the first answer to a POST, after the work was done."""

    def __init__(self, box: Box) -> None:
        self._app = box.app
        self.answers = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or self.answers:
            await self._app(scope, receive, send)
            return
        self.answers += 1

        async def nowhere(_: Any) -> None:
            return

        await self._app(scope, receive, nowhere)
        await send({"type": "http.response.start", "status": 502, "headers": []})
        await send({"type": "http.response.body", "body": b"bad gateway"})
