"""One incident from a signal to its proposal, over a real workspace: what is read beside the run's own output."""

from __future__ import annotations

from typing import Any

from core.incident import Reviewer
from server.attachments import keep_attachment
from server.intake import read_signal
from tests.screenshots import LOOKS, screenshot
from tests.server_box import Box

ANNA = Reviewer(name="anna@example.com", role="approver")
SHOT = """\
Traceback (most recent call last):
  File "/Workspace/etl/lib/geo.py", line 8, in <module>
    import shapely_extras
ModuleNotFoundError: No module named 'shapely_extras'"""


async def opened(box: Box, scenario: str) -> str:
    """The incident of a scenario's run, not looked into yet."""
    started = box.sandbox.control.start(scenario, webhook="lost")
    assert box.sandbox.control.finish(started["run_id"])
    key = f"{scenario}/{started['run_id']}"
    signal = await box.runtime.signals.receive("webhook", key=key, run_id=started["run_id"])
    await read_signal(box.runtime, signal.id)
    incident_id = (await box.runtime.signals.get(signal.id)).incident_id
    assert incident_id
    return incident_id


async def investigated(box: Box, scenario: str) -> str:
    """The incident of a scenario's run, advanced until it waits or ends."""
    incident_id = await opened(box, scenario)
    await box.runtime.advance(incident_id)
    return incident_id


async def facts(box: Box, incident_id: str) -> dict[str, Any]:
    return (await box.runtime.queries.incident(incident_id)).incident.facts


async def events(box: Box, incident_id: str, kind: str) -> list[dict[str, Any]]:
    found = await box.runtime.queries.events(incident_id, after=0, limit=200)
    return [dict(e.data) for e in found if e.kind == kind]


async def test_a_missing_table_with_what_is_like_it(box: Box) -> None:
    incident_id = await investigated(box, "missing_table")
    diagnosis = (await facts(box, incident_id))["diagnosis"]
    like = "main.marketing.customer_segments_v2 is like it"
    assert like in diagnosis["root_cause"]
    assert [e["source"] for e in diagnosis["evidence"]][-1] == "unity_catalog"
    assert like in (await events(box, incident_id, "looked_up"))[0]["unity_catalog"]


async def test_the_log_of_a_good_run_is_kept_and_counts(box: Box) -> None:
    incident_id = await investigated(box, "known_noise")
    assert (await facts(box, incident_id))["diagnosis"]["failure_class"] == "disk_full"
    kept = (await box.runtime.queries.incident(incident_id)).artifacts
    assert "publish_totals/good_log" in [a.name for a in kept]


async def test_a_good_run_that_may_not_be_read_is_no_obstacle(box: Box) -> None:
    box.sandbox.control.fault("403", path="/jobs/runs/get-output", skip=1, count=None)
    try:
        incident_id = await investigated(box, "known_noise")
    finally:
        box.sandbox.control.clear_faults()
    assert (await facts(box, incident_id))["diagnosis"]["failure_class"] == "connection_refused"
    missing = (await events(box, incident_id, "not_read"))[0]["missing"]
    assert [m for m in missing if m.startswith("good run ")]


async def test_a_screenshot_is_evidence(box: Box) -> None:
    incident_id = await opened(box, "unknown_failure")
    await keep_attachment(box.runtime, incident_id, "shot.png", screenshot(SHOT, LOOKS["dark"]), ANNA)
    await box.runtime.advance(incident_id)
    diagnosis = (await facts(box, incident_id))["diagnosis"]
    assert diagnosis["failure_class"] == "module_not_found"
    assert "shot.png" in diagnosis["evidence"][0]["source"]
