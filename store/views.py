"""What the read side returns: immutable, ready to be served as JSON. Times are in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from core.approvals import Claim
from core.incident import Approval, Status
from core.second_look import SecondLook

T = TypeVar("T")


class View(BaseModel):
    """Base: immutable."""

    model_config = ConfigDict(frozen=True)


class Page(View, Generic[T]):
    """Some of a list, and the cursor that gives the next part; None at the end."""

    items: list[T]
    next_cursor: str | None = None


class IncidentSummary(View):
    """One line of the list of incidents. Also what `core`'s nodes see as an incident's row."""

    id: str
    workspace: str
    run_id: int
    latest_repair_id: int = 0
    source: str = ""
    thread_id: str | None = None
    status: Status
    #: How the graph ended; an incident left to people has one and is open still.
    outcome: str | None = None
    muted: bool = False
    taken_over_by: str | None = None
    attempt: int = 1
    job_id: int | None = None
    job_name: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    category: str | None = None
    failure_class: str | None = None
    fingerprint: str | None = None
    confidence: float | None = None
    #: The proposed action, and the root cause's first words.
    action: str | None = None
    summary: str = ""
    opened_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None


class Incident(IncidentSummary):
    """The whole row. `facts`: `run`, `diagnosis`, `triad`, `prediction`, `proposal`, `similar`, `tried`,
    `history`, `tasks`, `low_support`, `second_look`, as far as they are known, as JSON."""

    note: str = ""
    graph_version: str | None = None
    trace_run_id: str | None = None
    wake_at: datetime | None = None
    lease_holder: str | None = None
    lease_epoch: int = 0
    lease_until: datetime | None = None
    facts: dict[str, Any] = Field(default_factory=dict)

    @property
    def second_look(self) -> SecondLook | None:
        """What a person asked for last, if anybody did."""
        found = self.facts.get("second_look")
        return SecondLook.model_validate(found) if found else None


class ArtifactInfo(View):
    """An artifact without its text; `size` in bytes."""

    id: str
    incident_id: str
    kind: Literal["artifact", "attachment"]
    name: str
    size: int
    sha256: str
    added_by: str | None = None
    created_at: datetime


class GroupMark(View):
    """The group that an approval is a member of, and how many of it wait for a decision."""

    id: str
    pending: int


class IncidentDetail(View):
    """One incident with everything that hangs on it, but for its events."""

    incident: Incident
    #: Oldest first.
    approvals: list[Approval]
    claims: list[Claim]
    artifacts: list[ArtifactInfo]
    model_usd: float = 0.0
    #: That of the newest approval.
    group: GroupMark | None = None


class Event(View):
    """One entry of the audit trail; ids grow, within an incident in the order of commits."""

    id: int
    incident_id: str
    kind: str
    key: str
    data: dict[str, Any]
    at: datetime


class ApprovalItem(View):
    """One approval with the incident it is about."""

    approval: Approval
    incident: IncidentSummary
    group: GroupMark | None = None


class Waiting(View):
    """An open question that has come to a stage of `store.reminders`."""

    item: ApprovalItem
    stage: int


class Due(View):
    """An incident that the watcher should look at."""

    id: str
    status: Status
    thread_id: str | None
    attempt: int
    wake_at: datetime | None


class Signal(View):
    """One notice, by ids only."""

    id: str
    source: str
    key: str
    run_id: int | None
    job_id: int | None
    data: dict[str, Any] = Field(default_factory=dict)
    received_at: datetime
    handled_at: datetime | None = None
    incident_id: str | None = None
    attempts: int = 0
    error: str | None = None


class Message(View):
    """One message of the outbox."""

    id: int
    key: str
    kind: str
    recipient: str
    incident_id: str | None
    payload: dict[str, Any] = Field(default_factory=dict)
    #: Counting the try that is under way.
    attempts: int = 0
    created_at: datetime
    status: str = "pending"
    receipt: dict[str, Any] | None = None
    error: str | None = None
    #: Which others it goes out with.
    bundle: str | None = None


class Answered(View):
    """What a request was answered."""

    status: int
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] | None = None


class ReviewLink(View):
    """One reviewer's link to one approval, or to a group as it was (`sha256`, `members`) when it was made."""

    id: str
    approval_id: str | None = None
    group_id: str | None = None
    sha256: str | None = None
    members: list[str] | None = None
    reviewer: str
    created_at: datetime
    used_at: datetime | None = None


class Token(View):
    """An API token without its secret."""

    id: str
    name: str
    role: Literal["viewer", "approver", "admin"]
    created_at: datetime
    created_by: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class Counts(View):
    """What `/metrics` and the console's head show."""

    #: Incidents by status, and open ones by category ("" where none is known yet).
    by_status: dict[str, int]
    open_by_category: dict[str, int]
    approvals_pending: int = 0
    oldest_pending_seconds: float = 0.0
    outbox_pending: int = 0
    outbox_failed: int = 0
    signals_open: int = 0
    claims_unsettled: int = 0
    model_usd_today: float = 0.0
