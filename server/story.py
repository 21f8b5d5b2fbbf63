"""An incident as the API tells it, flat and whole. Times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from core.approvals import Claim
from core.incident import Approval, Reviewer
from server.rights import Rights, rights
from store import views
from store.queries import Queries

#: Events told with an incident; the rest is at `/events`.
MAX_EVENTS = 200
EVENTS_AT_ONCE = 500


class Piece(BaseModel):
    """Base: what the store knows more is left out."""

    model_config = ConfigDict(extra="ignore")


class IncidentSummary(Piece):
    """One line of the list."""

    id: str
    status: str
    outcome: str | None = Field(default=None, description="How Pitstop's own part ended.")
    category: str | None = None
    failure_class: str | None = None
    summary: str = Field(default="", description="The cause in few words.")
    action: str | None = Field(default=None, description="The action proposed last.")
    confidence: float | None = None
    workspace: str
    job_id: int | None = None
    job_name: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    run_id: int
    latest_repair_id: int = 0
    attempt: int = 1
    muted: bool = False
    taken_over_by: str | None = None
    opened_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None


class IncidentPage(Piece):
    """One page of the list, newest first."""

    items: list[IncidentSummary]
    next_cursor: str | None = Field(default=None, description="Give it as `cursor` for the next page.")


class EventOut(Piece):
    """One entry of the audit trail; `id` grows and is what `Last-Event-ID` takes."""

    id: int
    incident_id: str
    kind: str
    data: dict[str, Any] = Field(default_factory=dict)
    at: datetime


class EventPage(Piece):
    """Events, oldest first."""

    items: list[EventOut]
    next_cursor: int | None = Field(default=None, description="Give it as `after` for what follows.")


class ArtifactOut(Piece):
    """A redacted text that was kept whole; `size` in bytes."""

    id: str
    name: str
    size: int
    added_by: str | None = None
    created_at: datetime


class GroupOut(Piece):
    """The group that an approval is a member of: it is at `/api/v1/groups/{id}`."""

    id: str
    pending: int = Field(description="How many of its members wait for a decision.")


class Incident(IncidentSummary):
    """The whole story of one incident."""

    source: str = ""
    thread_id: str | None = None
    note: str = ""
    fingerprint: str | None = None
    run: dict[str, Any] = Field(default_factory=dict, description="The run, as it was last read.")
    tasks: dict[str, Any] = Field(default_factory=dict, description="What each failed task left behind.")
    history: list[dict[str, Any]] = Field(
        default_factory=list, description="The job's last runs, newest first."
    )
    diagnosis: dict[str, Any] = Field(default_factory=dict)
    evidence: list[dict[str, Any]] = Field(
        default_factory=list, description="Line ranges, the decisive first."
    )
    similar: list[dict[str, Any]] = Field(default_factory=list)
    triad: dict[str, float] = Field(default_factory=dict)
    prediction: dict[str, Any] = Field(default_factory=dict)
    low_support: bool = False
    proposal: dict[str, Any] = Field(default_factory=dict)
    tried: list[dict[str, Any]] = Field(default_factory=list)
    model_usd: float = 0.0
    approvals: list[Approval] = Field(default_factory=list, description="Oldest first.")
    claims: list[Claim] = Field(
        default_factory=list, description="What was sent to the workspace, oldest first."
    )
    events: list[EventOut] = Field(
        default_factory=list, description=f"The newest {MAX_EVENTS}, oldest first."
    )
    artifacts: list[ArtifactOut] = Field(default_factory=list)
    attachments: list[ArtifactOut] = Field(default_factory=list)
    group: GroupOut | None = Field(default=None, description="Where it is asked about with others.")


class ApprovalOut(Piece, Rights):
    """One approval with the incident it is about, and what the caller may do with it."""

    approval: Approval
    incident: IncidentSummary
    group: GroupOut | None = Field(default=None, description="Where it is asked about with others.")


class ApprovalPage(Piece):
    """One page of approvals, newest first."""

    items: list[ApprovalOut]
    next_cursor: str | None = Field(default=None, description="Give it as `cursor` for the next page.")


def summary(row: views.IncidentSummary) -> IncidentSummary:
    """One line of the list from its row."""
    return IncidentSummary.model_validate(row.model_dump())


def event(row: views.Event) -> EventOut:
    """One event from its row."""
    return EventOut.model_validate(row.model_dump())


def approval(item: views.ApprovalItem, caller: Reviewer) -> ApprovalOut:
    """One approval from its rows, as `caller` is told of it."""
    group = GroupOut(**item.group.model_dump()) if item.group else None
    may = rights(item.approval.approvers, item.approval.barred, caller)
    return ApprovalOut(
        approval=item.approval, incident=summary(item.incident), group=group, **may.model_dump()
    )


async def of(queries: Queries, incident_id: str) -> Incident:
    """The whole story of an incident, read now.

    Raises:
        NotFound: There is no such incident.
        StoreUnavailable: Postgres is away.
    """
    detail = await queries.incident(incident_id)
    events: list[views.Event] = []
    while True:
        found = await queries.events(incident_id, after=events[-1].id if events else 0, limit=EVENTS_AT_ONCE)
        events = [*events, *found][-MAX_EVENTS:]
        if len(found) < EVENTS_AT_ONCE:
            return tell(detail, events)


def tell(detail: views.IncidentDetail, events: list[views.Event]) -> Incident:
    """The whole story from the rows of one incident."""
    facts = detail.incident.facts
    known = {name: facts[name] for name in Incident.model_fields if facts.get(name) is not None}
    kinds = {"artifacts": "artifact", "attachments": "attachment"}
    return Incident.model_validate(
        {
            **known,
            **detail.incident.model_dump(),
            "evidence": (facts.get("diagnosis") or {}).get("evidence", []),
            "approvals": [a.model_dump() for a in detail.approvals],
            "claims": [c.model_dump() for c in detail.claims],
            "model_usd": detail.model_usd,
            "group": detail.group.model_dump() if detail.group else None,
            "events": [e.model_dump() for e in events],
            **{
                name: [a.model_dump() for a in detail.artifacts if a.kind == kind]
                for name, kind in kinds.items()
            },
        }
    )
