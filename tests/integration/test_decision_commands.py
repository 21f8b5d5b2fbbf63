"""`pitstop approve|edit|reject|respond|delegate|extend` for one question, against a service on a real socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import Conflict, InvalidInput, NotFound
from tests.incident_stories import MEMORY, ask, tell
from tests.integration.test_group_commands import run
from tests.server_box import Box

ANNA, BEN = "anna@example.com", "ben@example.com"
SMALLER = json.dumps({"settings": [{"path": MEMORY, "current": "8g", "proposed": "12g"}]})


async def asked(box: Box, **more: Any) -> tuple[str, str]:
    """An incident that waits, and its question."""
    approval = await ask(box.runtime.store, await tell(box.runtime.store), **more)
    return approval.incident_id, approval.id


@pytest.mark.parametrize(
    ("arguments", "status", "useful"),
    [
        (("approve", "{}", "--useful"), "approved", True),
        (("edit", "{}", "--params", SMALLER, "--not-useful"), "edited", False),
        (("reject", "{}", "--not-useful"), "rejected", False),
        (("respond", "{}", "skew", "--useful"), "responded", True),
        (("approve", "{}"), "approved", None),
    ],
)
async def test_a_decision_with_its_rating(
    box: Box, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], status: str, useful: bool | None
) -> None:
    incident_id, _ = await asked(box)
    said = await run(box, monkeypatch, *(word.replace("{}", incident_id) for word in arguments))
    assert status in said and incident_id in said
    assert box.sql("SELECT status, channel, useful FROM approvals") == [(status, "terminal", useful)]


async def test_an_edit_that_somebody_else_must_approve_says_so(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident_id, _ = await asked(box, separate_duties=True)
    said = await run(box, monkeypatch, "edit", incident_id, "--params", SMALLER)
    assert "It waits for somebody else's approval." in said
    assert box.sql("SELECT status, barred FROM approvals") == [("pending", [ANNA])]


async def test_another_approver_is_asked_too(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    incident_id, approval_id = await asked(box, approvers=[ANNA])
    await box.token(BEN, "approver")
    with pytest.raises(InvalidInput, match="'nobody' can't be asked"):
        await run(box, monkeypatch, "delegate", incident_id, "--to", "nobody")
    said = await run(box, monkeypatch, "delegate", incident_id, "--to", BEN, "-m", "on a plane")
    assert said == "ben@example.com is asked too.\n"
    told = json.loads(await run(box, monkeypatch, "delegate", approval_id, "--to", BEN, "--json"))
    assert (told["id"], told["approvers"]) == (approval_id, [ANNA, BEN])
    comments = box.sql("SELECT data->>'comment' FROM events WHERE kind = 'delegated' ORDER BY id")
    assert comments == [("on a plane",), ("",)]


@pytest.mark.parametrize(
    ("more", "seconds"), [((), 7200), (("--hours", "2"), 10800), (("--seconds", "60"), 3660)]
)
async def test_more_time_is_taken_once(
    box: Box, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], seconds: float
) -> None:
    incident_id, approval_id = await asked(box, ttl_seconds=3600.0)
    said = await run(box, monkeypatch, "extend", incident_id, *more)
    ends = (await box.runtime.store.approval(approval_id)).expires_at
    assert said == f"It can be decided until {ends}.\n"
    had = box.sql("SELECT extract(epoch FROM expires_at - created_at)::float FROM approvals")
    assert had == [(seconds,)]
    with pytest.raises(Conflict, match="extended already"):
        await run(box, monkeypatch, "extend", approval_id)


async def test_what_can_not_be_done_is_said_plainly(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    incident_id, _ = await asked(box)
    with pytest.raises(InvalidInput, match="one of --hours and --seconds"):
        await run(box, monkeypatch, "extend", incident_id, "--hours", "1", "--seconds", "1")
    with pytest.raises(InvalidInput, match="incident by incident"):
        await run(box, monkeypatch, "edit", "grp_1", "--params", "{}")
    with pytest.raises(InvalidInput, match="greater than 0"):
        await run(box, monkeypatch, "extend", incident_id, "--hours", "0")
    await run(box, monkeypatch, "reject", incident_id)
    for verb in (("delegate", incident_id, "--to", BEN), ("extend", incident_id)):
        with pytest.raises(NotFound, match="no approval that waits"):
            await run(box, monkeypatch, *verb)


async def test_an_incident_says_how_its_questions_stand(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    incident_id, _ = await asked(box, approvers=[ANNA, BEN], barred=[BEN])
    monkeypatch.setenv("COLUMNS", "200")
    shown = await run(box, monkeypatch, "incidents", incident_id)
    assert f"Waits for {ANNA}, {BEN} until 20" in shown and f"; {BEN} may not approve it." in shown
    await run(box, monkeypatch, "reject", incident_id, "-m", "not now")
    shown = await run(box, monkeypatch, "incidents", incident_id)
    assert f"{ANNA} has rejected it (run again with changed settings) through terminal: not now" in shown
