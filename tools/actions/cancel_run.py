"""runs/cancel: asynchronous, and harmless when sent twice."""

from __future__ import annotations

import asyncio

from core.actions import TerminateParams
from core.approvals import Claim, ClaimRequest, Sent
from core.errors import InvalidInput, WorkspaceRefused, WorkspaceUnavailable
from core.run import RunFacts
from tools.actions import pause_schedule
from tools.actions.client import Sender
from tools.actions.repair_run import SOMEONE_ELSE, seen
from tools.databricks import reads, states
from tools.databricks.connection import Connection

MAX_SENDS = 3


def request(params: TerminateParams, run: RunFacts) -> ClaimRequest:
    """The step that stops a run, its job's schedule, or both.

    Raises:
        InvalidInput: Neither is wanted, or the run has no job whose schedule could be paused.
    """
    if not (params.cancel_run or params.pause_schedule):
        raise InvalidInput("TERMINATE must cancel the run, pause the schedule, or both.")
    if params.pause_schedule and not run.job_id:
        raise InvalidInput("A one-time run has no schedule that could be paused.")
    call = "cancel_run" if params.cancel_run else "pause_job"
    body = {"run_id": run.run_id, "job_id": run.job_id, "pause_schedule": params.pause_schedule}
    return ClaimRequest(step="stop", call=call, before=seen(run), request=body)


async def send(sender: Sender, connection: Connection, claim: Claim, *, settle_seconds: float) -> Sent:
    """Cancel the run, after pausing the schedule where that is wanted, too.

    A run that somebody repaired meanwhile is theirs, and goes on. A schedule that can't be paused does not keep
    a run burning; the detail says so.

    Raises:
        WorkspaceRefused: The workspace said no; nothing changed.
        WorkspaceUnavailable: Not known yet whether it took effect.
    """
    run_id = int(claim.request["run_id"])
    note = ""
    for attempt in range(MAX_SENDS):
        run = await reads.run(connection, run_id)
        newest = run.repairs()[-1].id if run.repairs() else 0
        if newest != claim.before.get("latest_repair_id", 0):
            return Sent(state="failed", run_id=run_id, detail=SOMEONE_ELSE)
        if attempt == 0 and claim.request.get("pause_schedule"):
            note = await _pause(sender, connection, claim, settle_seconds)
        if not states.active(run) or states.life_cycle(run) == "TERMINATING":
            return Sent(
                state="done",
                run_id=run_id,
                detail=f"The run has ended already or is stopping. {note}".strip(),
            )
        try:
            await sender.post(f"{reads.API}/jobs/runs/cancel", {"run_id": run_id})
            return Sent(state="done", run_id=run_id, detail=note)
        except WorkspaceUnavailable:
            await asyncio.sleep(settle_seconds * 2**attempt)
    raise WorkspaceUnavailable(f"It is not known yet whether run {run_id} was cancelled.")


async def _pause(sender: Sender, connection: Connection, claim: Claim, settle_seconds: float) -> str:
    try:
        sent = await pause_schedule.send(sender, connection, claim, settle_seconds=settle_seconds)
    except WorkspaceRefused as error:
        return f"The schedule was not paused: {error}"
    return sent.detail
