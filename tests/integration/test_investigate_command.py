"""`pitstop investigate --again`: a log or a screenshot that came later, looked at by the running service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import Conflict, InvalidInput, PitstopError
from tests.integration.test_group_commands import run
from tests.integration.test_second_look import RESET
from tests.integration.test_what_is_seen import events, facts, investigated
from tests.server_box import Box


async def test_what_came_later_is_attached_and_looked_at(
    box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    incident_id = await investigated(box, "unknown_failure")
    log = tmp_path / "driver.log"
    log.write_bytes(RESET)
    again = ("investigate", "--again", incident_id, "--attach", str(log), "--hint", "see the log")
    looked = json.loads(await run(box, monkeypatch, *again, "--json"))
    assert (looked["id"], looked["status"]) == (incident_id, "investigating")
    ((asked),) = await events(box, incident_id, "second_look")
    assert (asked["by"], asked["hint"]) == ("anna@example.com", "see the log")
    with pytest.raises(Conflict, match="looking into it right now"):
        await run(box, monkeypatch, "investigate", "--again", incident_id)
    await box.runtime.advance(incident_id)
    assert (await facts(box, incident_id))["diagnosis"]["failure_class"] == "connection_reset"


async def test_what_can_not_be_looked_at_is_said_plainly(
    box: Box, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    incident_id = await investigated(box, "unknown_failure")
    program = tmp_path / "tool.exe"
    program.write_bytes(b"MZ\x00")
    for wrong, said in (
        (("--run", "1", "--again", incident_id), "one of --run"),
        (("--run", "1", "--hint", "x"), "go with --again"),
        (("--again", incident_id, "--attach", str(tmp_path / "none.log")), "No such file"),
    ):
        with pytest.raises(InvalidInput, match=said):
            await run(box, monkeypatch, "investigate", *wrong)
    with pytest.raises(PitstopError, match=r"\.log"):
        await run(box, monkeypatch, "investigate", "--again", incident_id, "--attach", str(program))
    assert await events(box, incident_id, "second_look") == []
