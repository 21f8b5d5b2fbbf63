"""What became of a repair that may or may not have been sent. Pure: it compares what was seen with what is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from core.approvals import Claim
from tools.databricks import states, wire

#: How far the workspace's clock may be behind ours, in milliseconds.
SKEW = 60_000


class Verdict(Enum):
    """What to do next."""

    SEND = "send"  # nothing has happened since, and nothing goes on
    WAIT = "wait"  # something goes on that the history does not show yet
    OURS = "ours"  # our repair is in the history
    MOVED = "moved"  # nothing of ours was sent, and the run is not what it was
    RUNNING = "running"  # nothing of ours was sent, and the run had not ended when it was looked at
    UNCLEAR = "unclear"  # only a person can tell


@dataclass(frozen=True)
class Judgement:
    """A verdict, and with OURS the id of the repair."""

    verdict: Verdict
    repair_id: int | None = None


def judge(claim: Claim, run: wire.Run, *, unsure: bool) -> Judgement:
    """Compare a run with what it was before the claim (`before`: `repair_ids`, `active`).

    Args:
        unsure: Whether the repair may have been sent already.
    """
    known = set(claim.before.get("repair_ids") or [])
    new = [repair for repair in run.repairs() if repair.id not in known]
    active = states.active(run)
    if not unsure:
        if not new and not active:
            return Judgement(Verdict.SEND)
        return Judgement(Verdict.RUNNING if claim.before.get("active") and not new else Verdict.MOVED)
    if not new:
        return Judgement(Verdict.WAIT if active else Verdict.SEND)
    if len(new) == 1 and _began_after(new[0], claim) and _runs_our_tasks(new[0], claim, run):
        return Judgement(Verdict.OURS, new[0].id)
    return Judgement(Verdict.UNCLEAR)


def _began_after(repair: wire.Repair, claim: Claim) -> bool:
    claimed = datetime.fromisoformat(claim.created_at).timestamp() * 1000
    return (repair.start_time or 0) >= claimed - SKEW


def _runs_our_tasks(repair: wire.Repair, claim: Claim, run: wire.Run) -> bool:
    """Whether the repair ran the tasks we asked for, and beside them only what depends on them."""
    wanted = set(claim.request.get("rerun_tasks") or [])
    if not wanted:
        return True  # we asked for all that failed
    ran = {task.task_key for task in run.tasks if task.run_id in set(repair.task_run_ids)}
    return wanted <= ran <= wanted | dependants(run, wanted)


def dependants(run: wire.Run, keys: set[str]) -> set[str]:
    """The keys of all tasks downstream of `keys`."""
    found: set[str] = set()
    frontier = keys
    while frontier:
        frontier = {
            task.task_key for task in run.tasks if {up.task_key for up in task.depends_on} & frontier
        } - found
        found |= frontier
    return found
