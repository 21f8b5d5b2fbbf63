"""runs/repair: has no idempotency token, so each send follows a look at the run's repair history."""

from __future__ import annotations

import asyncio
from typing import Any

from core.approvals import Claim, ClaimRequest, Sent
from core.errors import WorkspaceRefused, WorkspaceUnavailable
from core.run import RunFacts, TaskFacts
from tools.actions.client import Sender
from tools.actions.reconcile import Judgement, Verdict, judge
from tools.databricks import reads, wire
from tools.databricks.connection import Connection

MAX_SENDS = 3
#: Looks at the history: one before each send, one after the last, one for a workspace that needs time.
MAX_LOOKS = MAX_SENDS + 2
#: The longest wait between two looks, in multiples of `settle_seconds`.
LONGEST = 4
SOMEONE_ELSE = "The run was repaired by someone else meanwhile; nothing was sent."


def request(
    run: RunFacts, task_keys: list[str], job_parameters: dict[str, str] | None = None
) -> ClaimRequest:
    """The repair of a run: of these tasks, or of the root failed ones, with all that depends on them.

    Of job parameters it names those that change; the run's own are added when it is sent (`body`).
    """
    keys = task_keys or [task.task_key for task in root_failures(run)]
    wish: dict[str, Any] = {"run_id": run.run_id, "rerun_dependent_tasks": True}
    wish |= {"rerun_tasks": keys} if keys else {"rerun_all_failed_tasks": True}
    latest = latest_repair_id(run)
    if latest:
        wish["latest_repair_id"] = latest
    if job_parameters:
        wish["job_parameters"] = dict(job_parameters)
    return ClaimRequest(step="start", call="repair_run", before=seen(run), request=wish)


async def send(sender: Sender, connection: Connection, claim: Claim, *, settle_seconds: float) -> Sent:
    """Repair the run once, whatever happens on the way; waits `settle_seconds`, doubled each time, before it
    looks again.

    Raises:
        WorkspaceRefused: The workspace said no, and the history shows nothing of ours.
        WorkspaceUnavailable: Not known yet whether it took effect.
    """
    run_id = int(claim.request["run_id"])
    unsure = not claim.fresh
    sends = 0
    refusal: WorkspaceRefused | None = None
    trouble = "The workspace does not show yet what became of the repair."
    for look in range(MAX_LOOKS):
        run = await reads.run(connection, run_id)
        judgement = judge(claim, run, unsure=unsure)
        if judgement.verdict not in (Verdict.SEND, Verdict.WAIT):
            return _settled(judgement, run_id)
        if refusal is not None and judgement.verdict is Verdict.SEND:
            raise refusal
        if judgement.verdict is Verdict.SEND and sends < MAX_SENDS:
            sends += 1
            try:
                answer = await sender.post(f"{reads.API}/jobs/runs/repair", body(claim, run))
                repair_id = answer.get("repair_id")
                if isinstance(repair_id, int):
                    return Sent(state="done", run_id=run_id, repair_id=repair_id)
                unsure = True
            except WorkspaceRefused as error:
                refusal = error
                continue  # look once more: an earlier send may be the reason for this refusal
            except WorkspaceUnavailable as error:
                unsure, trouble = True, str(error)
        elif sends >= MAX_SENDS:
            break
        await asyncio.sleep(settle_seconds * min(2**look, LONGEST))
    raise WorkspaceUnavailable(f"The repair of run {run_id} is not settled yet: {trouble}")


def body(claim: Claim, run: wire.Run) -> dict[str, Any]:
    """What is sent for a claim.

    Where parameters change, the run's own values go with them, since it is not documented whether the service
    keeps those. They are read now and never kept: they may hold secrets.
    """
    changed = claim.request.get("job_parameters")
    if not changed:
        return claim.request
    own = {p.name: p.value for p in run.job_parameters if p.value is not None}
    return {**claim.request, "job_parameters": {**own, **changed}}


def seen(run: RunFacts) -> dict[str, Any]:
    """What is compared later: the repairs there are, and whether the run goes on."""
    return {
        "latest_repair_id": latest_repair_id(run),
        "repair_ids": [repair.id for repair in run.repairs if repair.id],
        "active": run.active,
    }


def latest_repair_id(run: RunFacts) -> int:
    """The repair that started last, 0 without one. Ids are not promised to grow."""
    repairs = sorted((r for r in run.repairs if r.id), key=lambda repair: repair.start_time or 0)
    return (repairs[-1].id or 0) if repairs else 0


def root_failures(run: RunFacts) -> list[TaskFacts]:
    """The failed tasks that do not depend on another failed task."""
    failed = {task.task_key for task in run.failed_tasks}
    upstream = {task.task_key: set(task.depends_on) for task in run.tasks}

    def below_a_failure(key: str) -> bool:
        todo, done = list(upstream.get(key, ())), set()
        while todo:
            above = todo.pop()
            if above in failed:
                return True
            if above not in done:
                done.add(above)
                todo += upstream.get(above, ())
        return False

    return [task for task in run.failed_tasks if not below_a_failure(task.task_key)]


def _settled(judgement: Judgement, run_id: int) -> Sent:
    if judgement.verdict is Verdict.OURS:
        return Sent(state="done", run_id=run_id, repair_id=judgement.repair_id)
    if judgement.verdict is Verdict.MOVED:
        return Sent(state="failed", run_id=run_id, detail=SOMEONE_ELSE)
    if judgement.verdict is Verdict.RUNNING:
        return Sent(state="failed", run_id=run_id, detail="The run still goes on, so it can't be repaired.")
    detail = "The repair history holds repairs that may or may not be ours."
    return Sent(state="unknown", run_id=run_id, detail=detail)
