"""`pitstop groups`, and approve and reject with a group's id, against a service on a real socket."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from cli.main import app
from core.errors import PitstopError
from tests.integration.test_api_groups import outage
from tests.server_box import Box, served


async def run(box: Box, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What the command prints, run as an approver. Raises what the command raises."""
    async with served(box.app) as url:
        monkeypatch.setenv("PITSTOP_PUBLIC_URL", url)
        monkeypatch.setenv("PITSTOP_TOKEN", await box.token("anna@example.com", "approver"))
        result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


async def test_listed_shown_and_decided(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    group_id, asked = await outage(box)
    listed = json.loads(await run(box, monkeypatch, "groups", "--json"))
    assert [g["id"] for g in listed["items"]] == [group_id]
    shown = await run(box, monkeypatch, "groups", group_id)
    assert "acmelake.dfs.core.windows.net" in shown and "3 pending" in shown
    said = await run(box, monkeypatch, "approve", group_id, "--except", asked[2].incident_id, "-m", "back")
    assert "1 acting" in said and "1 pending" in said and "1 waiting" in said
    rows = box.sql("SELECT decided_by, channel, comment FROM approvals WHERE status = 'approved'")
    assert rows == [("anna@example.com", "terminal", "back")] * 2
    assert "1 rejected" in await run(box, monkeypatch, "reject", group_id)


async def test_an_old_hash_and_nobody_left(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    group_id, _ = await outage(box)
    with pytest.raises(PitstopError, match="not the one that this decision was made on"):
        await run(box, monkeypatch, "approve", group_id, "--sha256", "0" * 64)
    await run(box, monkeypatch, "reject", group_id, "--take-over")
    with pytest.raises(PitstopError, match="Nobody in group"):
        await run(box, monkeypatch, "approve", group_id)
    with pytest.raises(PitstopError, match="goes with a group"):
        await run(box, monkeypatch, "approve", "apr_1", "--except", "inc_1")


async def test_all_that_wait_are_handed_on_given_time_and_rated(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    group_id, asked = await outage(box)
    await box.token("ben@example.com", "approver")
    said = await run(box, monkeypatch, "delegate", group_id, "--to", "ben@example.com", "-m", "on a plane")
    assert said == "ben@example.com is asked too.\n"
    assert len(box.sql("SELECT 1 FROM events WHERE kind = 'delegated'")) == len(asked)
    assert "It can be decided until 20" in await run(box, monkeypatch, "extend", group_id, "--hours", "1")
    with pytest.raises(PitstopError, match="extended"):
        await run(box, monkeypatch, "extend", group_id)
    seconds = box.sql("SELECT DISTINCT extract(epoch FROM expires_at - created_at)::float FROM approvals")
    assert seconds == [(7200.0,)]
    await run(box, monkeypatch, "reject", group_id, "--not-useful")
    assert box.sql("SELECT DISTINCT status, useful FROM approvals") == [("rejected", False)]
