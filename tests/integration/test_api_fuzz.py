"""The OpenAPI document held against the running service by schemathesis: what it says is what comes, and never a 5xx.

Once with ids that are made up, once with the ids of an incident, an approval, an artifact and a group that are there.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from core.groups import Cause, Grouping
from tests.incident_stories import a_run, ask, tell
from tests.server_box import HOOK, Box, served

EXAMPLES, SEED = 12, 4
#: Bounds a run that hangs; it takes a fraction of this.
PATIENCE_SECONDS = 240
CONFIG = """
seed = {seed}
continue-on-failure = true
request-timeout = 20
workers = 1
warnings = false
suppress-health-check = ["all"]

[auth.openapi]
HTTPBearer = {{ bearer = "{token}" }}
WebhookBasic = {{ username = "{user}", password = "{password}" }}

[generation]
max-examples = {examples}
deterministic = true
database = "none"
allow-x00 = true

[parameters]
{parameters}

[[operations]]
# Whatever names a run or a job is taken; the rest of it is read by nobody.
include-path = "/webhooks/databricks"
checks.negative_data_rejection.enabled = false

[[operations]]
# An event stream that is found has no end.
include-path = "/api/v1/incidents/{{incident_id}}/events/stream"
enabled = {streams}

[checks]
# A well-formed request may still be about what is not there, too old, or not whole in its meaning.
positive_data_acceptance.expected-statuses = [200, 201, 202, 400, 401, 403, 404, 409, 410, 415, 422, 502, 503]
"""


async def fuzz(box: Box, folder: Path, phases: str, **ids: str) -> None:
    """Run these phases of schemathesis in a process of its own; it fails with all that schemathesis found."""
    config = folder / "schemathesis.toml"
    text = CONFIG.format(
        seed=SEED,
        examples=EXAMPLES,
        token=await box.token("fuzz@example.com", "admin"),
        user=HOOK[0],
        password=HOOK[1],
        streams="false" if ids else "true",
        parameters="\n".join(f'"path.{name}" = "{value}"' for name, value in ids.items()),
    )
    config.write_text(text)
    async with served(box.app) as address:
        command = [str(Path(sys.executable).parent / "st"), "--config-file", str(config), "run"]
        running = await asyncio.create_subprocess_exec(
            *command,
            f"{address}/openapi.json",
            "--no-color",
            "--phases",
            phases,
            cwd=folder,
            env={**os.environ, "SCHEMATHESIS_TELEMETRY": "false", "NO_COLOR": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await asyncio.wait_for(running.communicate(), PATIENCE_SECONDS)
        finally:
            if running.returncode is None:
                running.kill()
    assert running.returncode == 0, said.decode()[-20_000:]


async def something_of_each(box: Box) -> dict[str, str]:
    """Ids of an incident, its approval, its artifact, and a group."""
    store = box.runtime.store
    incident_id = await tell(store)
    approval = await ask(store, incident_id)
    grouping = Grouping(
        cause=Cause(kind="endpoint", value="lake.example.com"),
        window_seconds=900,
        settle_seconds=10,
        update_seconds=300,
        per_minute=60,
        at_once=10,
    )
    for number in (1, 2):
        await ask(store, await tell(store, a_run(number, job_id=40 + number)), grouping=grouping)
    group = (await box.runtime.groups.listed()).items[0]
    artifact = box.sql("SELECT id FROM artifacts WHERE incident_id = %s", incident_id)[0][0]
    return {
        "incident_id": incident_id,
        "approval_id": approval.id,
        "artifact_id": artifact,
        "group_id": group.id,
    }


async def test_with_ids_that_are_made_up(box: Box, tmp_path: Path) -> None:
    await fuzz(box, tmp_path, "examples,coverage")


async def test_with_ids_that_are_there(box: Box, tmp_path: Path) -> None:
    await fuzz(box, tmp_path, "examples,fuzzing", **await something_of_each(box))
