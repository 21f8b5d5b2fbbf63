"""Links to a group's question: signed for the group, its hash when the message was sent, and one reviewer.

What waits may have changed since: the page says so and shows what waits now, and a decision counts for exactly what the
page showed. The link is used up by a decision and by nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from core.errors import NotFound
from core.incident import Reviewer
from server import review_links
from server.problems import ProblemError
from store.group_views import Group, GroupMember
from store.review_links import ReviewLinks
from store.views import ReviewLink
from wiring.runtime import Runtime

PATH = f"{review_links.PATH}/group"
_KIND = "group link"


@dataclass(frozen=True)
class Holder:
    """Who holds a link that can still decide, and the group as it is now."""

    link: ReviewLink
    group: Group
    reviewer: Reviewer

    @property
    def waiting(self) -> list[GroupMember]:
        """The members that wait for a decision."""
        return waiting(self.group)


def waiting(group: Group) -> list[GroupMember]:
    """The members that wait for a decision."""
    return [item for item in group.items if item.state == "pending"]


async def make(runtime: Runtime, message_key: str, group: Group, reviewer: str) -> str:
    """The token of a message's link; a message that is sent again is bound to what waited the first time."""
    link = await ReviewLinks(runtime.db, runtime.clock).make(
        review_links.link_id(message_key),
        reviewer,
        group_id=group.id,
        sha256=group.sha256 or "",
        members=[item.approval_id for item in waiting(group)],
    )
    return review_links.sign(runtime, _KIND, [link.id, group.id, reviewer, link.sha256 or ""])


async def read(runtime: Runtime, token: str) -> Holder:
    """Who holds this token; looking changes nothing.

    Raises:
        Forbidden, Gone, NotFound, Conflict: As `review_links.signed`, and where its holder may not decide (any more).
        ProblemError: Nobody waits for a decision any more: 409, or 410 where their time is over.
    """
    link, (group_id, sha256) = await review_links.signed(runtime, _KIND, token)
    if link.sha256 != sha256:
        raise NotFound("This link is for another question.")
    group = await runtime.groups.get(group_id)
    holder = Holder(link, group, await review_links.holder(runtime, link, group.approvers))
    if not group.pending:
        raise _over(group, link.members or [])
    return holder


def changes(group: Group, seen: Collection[str]) -> list[str]:
    """What became different since `seen` (approvals) waited, in sentences; empty where nothing did."""
    now = {item.approval_id for item in waiting(group)}
    joined = len(now.difference(seen))
    left = Counter(item.state for item in group.items if item.approval_id in set(seen) - now)
    said = [f"{joined} joined"] if joined else []
    return said + [f"{count} {_IS.get(state, f'is {state} now')}" for state, count in sorted(left.items())]


#: What became of a member that waits no more.
_IS = {
    "approved": "approved alone",
    "edited": "edited and approved alone",
    "rejected": "rejected",
    "responded": "sent back with a hint",
    "superseded": "superseded",
    "expired": "over: nobody decided in time",
    "waiting": "approved, waiting for a turn",
    "acting": "approved and acting",
    "good": "approved and mended",
    "failed": "approved, and failed again",
    "left": "left to people",
}


def _over(group: Group, seen: Collection[str]) -> ProblemError:
    """Why there is nothing to decide on."""
    late = all(item.state == "expired" for item in group.items if item.approval_id in seen)
    how = ", ".join(changes(group, seen)) or "none waits"
    who = (
        f" {group.decisions[-1].decided_by} decided last, through {group.decisions[-1].channel}."
        if group.decisions
        else ""
    )
    return ProblemError(
        410 if late else 409,
        "Too late" if late else "Decided already",
        f"None of them waits for a decision any more: {how}.{who}",
        hint="The newest message, or the console, says how it goes on.",
    )
