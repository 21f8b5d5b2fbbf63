"""run-now: the claim's id is its idempotency token, so sending it again is harmless."""

from __future__ import annotations

import asyncio
from typing import Any

from core.actions import RunUpstreamParams
from core.approvals import Claim, ClaimRequest, Sent
from core.errors import RunNotFound, WorkspaceRefused, WorkspaceUnavailable
from core.run import RunFacts
from tools.actions.client import Sender
from tools.actions.repair_run import seen
from tools.databricks import reads, states
from tools.databricks.connection import Connection

MAX_SENDS = 3


def request(params: RunUpstreamParams, run: RunFacts) -> ClaimRequest:
    """The run of the job that makes what is missing; the token is added when the claim has its id."""
    body: dict[str, Any] = {"job_id": params.job_id}
    if params.job_parameters:
        body["job_parameters"] = dict(params.job_parameters)
    return ClaimRequest(step="upstream", call="run_now", before=seen(run), request=body)


async def send(sender: Sender, claim: Claim, *, settle_seconds: float) -> Sent:
    """Start the run; the same claim starts one run, however often it is sent.

    Raises:
        WorkspaceRefused: The workspace said no to the first send.
        WorkspaceUnavailable: Not known yet whether it took effect.
    """
    body = {**claim.request, "idempotency_token": claim.id}
    unsure = not claim.fresh
    trouble = ""
    for attempt in range(MAX_SENDS):
        try:
            answer = await sender.post(f"{reads.API}/jobs/run-now", body)
        except WorkspaceRefused as error:
            if unsure:
                return Sent(state="unknown", detail=f"Sent before, and now refused: {error}")
            raise
        except WorkspaceUnavailable as error:
            unsure, trouble = True, str(error)
        else:
            if isinstance(answer.get("run_id"), int):
                return Sent(state="done", run_id=answer["run_id"])
            unsure, trouble = True, "the answer names no run"
        await asyncio.sleep(settle_seconds * 2**attempt)
    raise WorkspaceUnavailable(f"It is not known yet whether job {body['job_id']} was started: {trouble}")


async def outcome(connection: Connection, claim: Claim) -> str:
    """What became of the run that a claim started: `running`, `succeeded` or `failed`.

    A run that went without failures is the only good one: the repair needs what it was to make.

    Raises:
        WorkspaceRefused, WorkspaceUnavailable: The run can't be read now.
    """
    run_id = claim.result.get("run_id")
    if not isinstance(run_id, int):
        return "failed"
    try:
        run = await reads.run(connection, run_id)
    except RunNotFound:
        return "failed"
    if states.active(run):
        return "running"
    return "succeeded" if states.result(run) == "SUCCESS" else "failed"
