"""The queue: what waits for a decision, the most pressing first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.incident import Reviewer
from core.policy import Policy
from server.rights import Rights, rights
from store.waiting import Waiting

#: Less than this is left to decide.
SOON = timedelta(minutes=30)
#: What each reason weighs, heaviest first; within the same weight the one that waits longest comes first.
WEIGHTS = {"critical": 32, "running": 16, "many": 8, "downstream": 4, "soon": 2, "skipped": 1}


@dataclass(frozen=True)
class Line:
    """One line of the queue: the question, and why it is where it is, in words, the weightiest first."""

    waiting: Waiting
    reasons: list[tuple[str, str]]
    rights: Rights

    @property
    def weight(self) -> int:
        """What the order goes by."""
        return sum(WEIGHTS[kind] for kind, _ in self.reasons)

    @property
    def barred(self) -> bool:
        """Whether the reader may decide on it, and yet not approve it."""
        return self.rights.may_decide.allowed and not self.rights.may_approve.allowed


def lines(found: list[Waiting], policy: Policy, now: datetime, reader: Reviewer) -> list[Line]:
    """The questions by how pressing they are: what burns money or holds up others before what merely waits.

    Those that the reader may not approve, though they may decide, come last: they are not kept from rejecting them,
    but it is somebody else who is waited for.
    """
    made = [
        Line(item, _reasons(item, policy, now), rights(item.approvers, item.barred, reader)) for item in found
    ]
    return sorted(
        made,
        key=lambda line: (line.barred, -line.weight, line.waiting.created_at, line.waiting.approval_id),
    )


def _reasons(item: Waiting, policy: Policy, now: datetime) -> list[tuple[str, str]]:
    reasons: list[tuple[str, str]] = []
    if policy.rules_for(item.job_name, item.tags, item.failure_class).critical:
        reasons.append(("critical", "critical job"))
    if item.running:
        reasons.append(("running", "still running, costing money"))
    if item.group:
        reasons.append(("many", f"{item.group.pending} of one cause"))
    if item.downstream:
        reasons.append(("downstream", _counted(item.downstream, "other job waits", "other jobs wait")))
    if item.expires_at and item.expires_at - now < SOON:
        reasons.append(("soon", "little time left"))
    if item.skipped:
        reasons.append(("skipped", _counted(item.skipped, "task held up", "tasks held up")))
    return reasons


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
