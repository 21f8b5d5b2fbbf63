"""What each message of the outbox says: its facts, its link, and the question in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from core.incident import Approval, ApprovalStatus, DecisionKind
from core.recipients import person
from server import group_links, review_links
from store import views
from store.bundles import Along
from store.decisions import STATUS_AFTER
from store.group_views import Group, GroupMember
from tools.notify import ASKING, Ask, Message, compose
from tools.notify.message import AskGroup
from wiring.runtime import Runtime

#: Where there is no address to lead people to.
NO_LINK = "There is no link in this message, since PITSTOP_PUBLIC_URL is not set: look into the console."


def public_address(runtime: Runtime) -> str:
    """Where people reach the console; empty where nobody said: what begins with that is no link, and is not shown."""
    return runtime.settings.address or ""


async def write(
    runtime: Runtime,
    message: views.Message,
    incident: views.Incident,
    approval: Approval | None,
    group: Group | None,
    along: Sequence[Along] = (),
) -> Message:
    """The message as its channel will send it.

    Args:
        approval: What it is about, if it asks for a decision or says how one ended.
        group: Those that one decision answers for, if it asks for more than one; or a group of which nobody waits.
        along: Who else this tells of, where it is news of one cause.
    """
    facts: dict[str, Any] = {**incident.facts, "incident_id": incident.id, "note": incident.note}
    link = f"{public_address(runtime)}/console/incidents/{incident.id}"
    ask: Ask | AskGroup | None = None
    if approval is not None:
        # The incident may have gone on to another proposal since.
        facts["proposal"] = approval.proposal.model_dump(mode="json")
    if group is not None:
        link = await _group_link(runtime, message, group)
        if group.pending:
            facts["group"] = group.model_dump(mode="json", exclude={"items", "decisions"})
            facts["members"] = [_member(runtime, item) for item in group_links.waiting(group)]
            ask = _ask_group(group, approval)
    elif approval is not None:
        if approval.status is ApprovalStatus.PENDING:
            ask = Ask(approval.id, approval.payload_sha256)
            link = await _review_link(runtime, message, approval) or link
    elif along:
        facts["members"] = [_member(runtime, item) for item in (incident, *along)]
        link = _list_link(runtime, incident) or link
    over = group is not None and not group.pending
    said = ending_of_group(group) if group is not None and over else _said(message, approval)
    facts["said"] = said if public_address(runtime) else f"{said} {NO_LINK}".strip()
    return compose(message.kind, facts, link=link, key=message.key, ask=ask)


def _ask_group(group: Group, shown: Approval | None) -> AskGroup | None:
    """The question about all who wait; `shown` is the member whose proposal the message shows."""
    waiting = group_links.waiting(group)
    params = next((item.params for item in waiting if shown and item.approval_id == shown.id), None)
    alike = sum(item.params == params for item in waiting)
    return AskGroup(group.id, group.sha256, group.pending, alike) if group.sha256 else None


async def _review_link(runtime: Runtime, message: views.Message, approval: Approval) -> str | None:
    """A link for the recipient alone, if this is one person who may decide; a room gets none."""
    name = person(message.recipient)
    if name is None:
        return None
    reviewer = await review_links.decider(runtime, name, approval.approvers)
    if reviewer is None:
        return None
    token = await review_links.make(runtime, message.key, approval.id, reviewer.name)
    return f"{public_address(runtime)}{review_links.PATH}/{token}"


async def _group_link(runtime: Runtime, message: views.Message, group: Group) -> str:
    """A link for the recipient alone, if this is one person who may decide on the group; else to the console."""
    name = person(message.recipient) if message.kind in ASKING else None
    reviewer = await review_links.decider(runtime, name, group.approvers) if name is not None else None
    if reviewer is not None and group.pending:
        token = await group_links.make(runtime, message.key, group, reviewer.name)
        return f"{public_address(runtime)}{group_links.PATH}/{token}"
    return f"{public_address(runtime)}/console/groups/{group.id}"


def _list_link(runtime: Runtime, incident: views.Incident) -> str | None:
    """Where the incidents of this failure class are listed."""
    if not incident.failure_class:
        return None
    query = urlencode({"show": "all", "class": incident.failure_class})
    return f"{public_address(runtime)}/console?{query}"


def _member(runtime: Runtime, item: GroupMember | views.Incident | Along) -> dict[str, Any]:
    """One of those that a message is about, as `compose` takes it."""
    incident_id = item.id if isinstance(item, views.Incident) else item.incident_id
    return {
        "job_id": item.job_id,
        "job": item.job_name or f"job {item.job_id or '?'}",
        "run_id": item.run_id,
        "cause": item.summary,
        "link": f"{public_address(runtime)}/console/incidents/{incident_id}",
    }


def _said(message: views.Message, approval: Approval | None) -> str:
    """What there is to say beside the facts: who handed it on, until when, how it ended."""
    if approval is None:
        return ""
    if approval.status is not ApprovalStatus.PENDING:
        return ending(approval)
    until = f"It can be decided until {_clock(approval.expires_at)}." if approval.expires_at else ""
    if editor := message.payload.get("edited_by"):
        return f"{editor} has edited the proposal, so it takes somebody else to approve it. {until}"
    by = message.payload.get("delegated_by")
    if by:
        comment = message.payload.get("comment")
        return f"{by} hands this on to you{f': {comment}' if comment else ''}. {until}"
    return until


def trial(runtime: Runtime, message: views.Message) -> Message:
    """What says that a channel works."""
    facts = {
        "run": {"job_name": "no job"},
        "said": f"{message.payload.get('by')} asked for it in the console.",
    }
    return compose(message.kind, facts, link=f"{public_address(runtime)}/console/settings", key=message.key)


def ending(approval: Approval) -> str:
    """How a question ended, in a sentence."""
    match approval.status:
        case ApprovalStatus.PENDING:
            return "It waits for a decision."
        case ApprovalStatus.EXPIRED:
            return f"Nobody decided before {_clock(approval.expires_at)}."
        case ApprovalStatus.SUPERSEDED:
            return "This proposal was superseded: there is a newer one, or none is needed any more."
    decided = f"{approval.decided_by} {_DID[approval.status]} this through {approval.channel}"
    comment = f": {approval.comment}" if approval.comment else "."
    return f"{decided} at {_clock(approval.decided_at)}{comment}"


def ending_of_group(group: Group) -> str:
    """How a group's question ended, in a sentence or two."""
    said = ""
    if group.decisions:
        last = group.decisions[-1]
        did = _DID[STATUS_AFTER[DecisionKind(last.kind)]]
        comment = f": {last.comment}" if last.comment else "."
        when = _clock(last.decided_at.isoformat())
        said = (
            f"{last.decided_by} {did} {last.members} failed runs through {last.channel} at {when}{comment} "
        )
    answered = sum(item.state != "pending" for item in group.items)
    if apart := answered - sum(decision.members for decision in group.decisions):
        said += f"{apart} {'was' if apart == 1 else 'were'} answered alone."
    return said.strip()


_DID = {
    ApprovalStatus.APPROVED: "approved",
    ApprovalStatus.EDITED: "edited and approved",
    ApprovalStatus.REJECTED: "rejected",
    ApprovalStatus.RESPONDED: "answered with a hint to",
}


def _clock(instant: str | None) -> str:
    return datetime.fromisoformat(instant).strftime("%Y-%m-%d %H:%M UTC") if instant else "an unknown time"
