"""What a proposal costs, and what is lost if it is wrong: worked out from the run, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.actions import (
    EscalateParams,
    NotifyParams,
    Proposal,
    ProposeFixParams,
    RetryParams,
    RetryWithNewParams,
    RunUpstreamParams,
    TerminateParams,
)
from core.words import duration

#: The headings.
COSTS, IF_WRONG, AFTERWARDS = "Costs", "If it is wrong", "Afterwards"
BAD = frozenset({"FAILED", "TIMEDOUT", "INTERNAL_ERROR", "UPSTREAM_FAILED", "UPSTREAM_CANCELED", "CANCELED"})


def stakes(proposal: Proposal, run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of a heading and a sentence; `run` is `core.run.RunFacts` as JSON."""
    params = proposal.checked()
    match params:
        case RetryWithNewParams():
            wrong = "The tasks fail again with the new settings, and the time is spent; the next attempt asks anew."
            kept = (
                [(AFTERWARDS, "Changed job settings are put back, however it ends.")]
                if params.settings
                else []
            )
            return [(COSTS, _again(params.task_keys, run)), (IF_WRONG, wrong), *kept]
        case RunUpstreamParams():
            costs = f"A run of job {params.job_id}, then the failed tasks: {_again(params.task_keys, run)}"
            wrong = "What that job makes is written again for nothing, and the tasks still fail."
            return [(COSTS, costs), (IF_WRONG, wrong)]
        case RetryParams():
            wrong = "The tasks fail again the same way, and the time is spent; the next attempt asks anew."
            return [(COSTS, _again(params.task_keys, run)), (IF_WRONG, wrong)]
        case TerminateParams():
            wrong = "What the run has done so far is lost, and it has to be started again."
            pause = [(AFTERWARDS, "The schedule stays paused until a person resumes it.")]
            return [(COSTS, "Nothing; it stops the spending."), (IF_WRONG, wrong)] + (
                pause if params.pause_schedule else []
            )
        case NotifyParams() | EscalateParams():
            return [
                (COSTS, "Somebody's attention."),
                (IF_WRONG, "Nothing in the workspace changes."),
            ]
        case ProposeFixParams():
            wrong = "The pull request is closed. Pitstop never merges one."
            return [(COSTS, "A draft pull request to review."), (IF_WRONG, wrong)]
        case _:
            return []


def _again(keys: list[str], run: Mapping[str, Any]) -> str:
    """How many tasks run again, and how long they took the last time."""
    tasks = run.get("tasks") or []
    failed = [t for t in tasks if t.get("task_key") in keys or (not keys and t.get("result_state") in BAD)]
    seconds = sum(
        (t["end_time"] - t["start_time"]) / 1000 for t in failed if t.get("start_time") and t.get("end_time")
    )
    skipped = sum(1 for t in tasks if str(t.get("result_state")).startswith("UPSTREAM_"))
    count = len(keys) or len(failed) or 1
    said = f"{count} {'task runs' if count == 1 else 'tasks run'} again"
    said += f", which failed after {duration(seconds)}" if seconds else ""
    after = [
        t
        for t in tasks
        if str(t.get("result_state")).startswith("UPSTREAM_") and t.get("task_key") not in keys
    ]
    if skipped and after:
        said += f"; {len(after)} that {'waits' if len(after) == 1 else 'wait'} for it can follow"
    return said + "."
