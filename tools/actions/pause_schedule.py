"""Pauses whatever starts a job by itself: its schedule, its trigger, or its being continuous."""

from __future__ import annotations

import asyncio
from typing import Any

from core.approvals import Claim, Sent
from core.errors import WorkspaceUnavailable
from tools.actions.client import Sender
from tools.databricks import reads
from tools.databricks.connection import Connection

MAX_SENDS = 3
STARTERS = ("schedule", "trigger", "continuous")


async def send(sender: Sender, connection: Connection, claim: Claim, *, settle_seconds: float) -> Sent:
    """Pause the job; once it is paused, doing it again changes nothing.

    Raises:
        WorkspaceRefused: The workspace said no; nothing changed.
        WorkspaceUnavailable: Not known yet whether it took effect.
    """
    job_id = int(claim.request["job_id"])
    run_id = int(claim.request["run_id"])
    for attempt in range(MAX_SENDS + 1):
        settings = await reads.job_settings(connection, job_id)
        running = unpaused(settings)
        if not running:
            there = any(settings.get(name) for name in STARTERS)
            detail = "The schedule is paused." if there else "The job has no schedule."
            return Sent(state="done", run_id=run_id, detail=detail)
        if attempt == MAX_SENDS:
            break
        try:
            await sender.post(f"{reads.API}/jobs/update", {"job_id": job_id, "new_settings": running})
        except WorkspaceUnavailable:
            await asyncio.sleep(settle_seconds * 2**attempt)
    raise WorkspaceUnavailable(f"The schedule of job {job_id} is not paused yet.")


def unpaused(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that pause what is not paused; an update replaces each of them whole."""
    return {
        name: {**settings[name], "pause_status": "PAUSED"}
        for name in STARTERS
        if isinstance(settings.get(name), dict) and settings[name].get("pause_status") != "PAUSED"
    }
