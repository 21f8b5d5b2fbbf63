"""The tables of an incident.

Every transaction that changes something about an incident first locks the incident's row, and takes locks on
its other rows only after that: so nothing deadlocks, and an incident's events are committed in the order of
their ids.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.incident import ApprovalStatus, Status
from store.base import Base, one_of
from store.columns import CleanJson, CleanText

CLAIM_STEPS = ("apply", "start", "restore", "upstream", "stop")
CLAIM_STATUSES = ("claimed", "sending", "done", "failed", "unknown", "restored")


class RunState(StrEnum):
    """What Pitstop knows about a run (and repair) it has seen."""

    INCIDENT = "incident"  # an incident was opened for it
    OURS = "ours"  # an action of the incident started it
    FINE = "fine"  # looked at, nothing to do


class IncidentModel(Base):
    """One failure of one run, from the first notice to its end.

    `facts` holds the newest of each thing the nodes found out, as JSON: `run`, `diagnosis`, `triad`,
    `prediction`, `proposal`, `similar`, `tried`, `history`, `tasks`, `low_support`, ...; the columns above it
    repeat what lists are filtered by.
    """

    __tablename__ = "incidents"
    __table_args__ = (
        UniqueConstraint("workspace", "run_id", "latest_repair_id"),
        one_of("status", [s.value for s in Status]),
        Index(None, "opened_at", "id"),
        Index(None, "job_id", "opened_at"),
        Index(None, "fingerprint"),
        Index(None, "failure_class", "action"),
        # What the watcher sweeps: few rows, however many incidents there are.
        Index("ix_incidents_due", "wake_at", postgresql_where=text("finished_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    workspace: Mapped[str]
    run_id: Mapped[int]
    latest_repair_id: Mapped[int] = mapped_column(BigInteger, server_default="0")
    source: Mapped[str]
    thread_id: Mapped[str | None] = mapped_column(CleanText, unique=True)
    graph_version: Mapped[str | None]
    trace_run_id: Mapped[str | None]

    status: Mapped[str] = mapped_column(CleanText)
    outcome: Mapped[str | None] = mapped_column(CleanText)
    note: Mapped[str] = mapped_column(CleanText, server_default="")
    muted: Mapped[bool] = mapped_column(Boolean, server_default=text("false"))
    taken_over_by: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(Integer, server_default="1")

    job_id: Mapped[int | None]
    job_name: Mapped[str] = mapped_column(CleanText, server_default="")
    tags: Mapped[dict[str, Any]] = mapped_column(CleanJson, server_default=text("'{}'::jsonb"))
    category: Mapped[str | None] = mapped_column(CleanText)
    failure_class: Mapped[str | None]
    fingerprint: Mapped[str | None]
    confidence: Mapped[float | None]
    #: The proposed action, and the root cause's first words.
    action: Mapped[str | None] = mapped_column(CleanText)
    summary: Mapped[str] = mapped_column(CleanText, server_default="")
    facts: Mapped[dict[str, Any]] = mapped_column(CleanJson, server_default=text("'{}'::jsonb"))

    #: The fence: a worker's writes count only while the epoch is the one it got with its lease.
    lease_holder: Mapped[str | None]
    lease_epoch: Mapped[int] = mapped_column(BigInteger, server_default="0")
    lease_until: Mapped[datetime | None]
    #: When the watcher should look next, unless something wakes the incident before.
    wake_at: Mapped[datetime | None]

    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class EventModel(Base):
    """The audit trail: a trigger refuses UPDATE, DELETE and TRUNCATE, another notifies `pitstop_events`."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("incident_id", "key"),
        Index(None, "incident_id", "id"),
        # What the counts of successes are made of.
        Index("ix_events_verified", "incident_id", "id", postgresql_where=text("kind = 'verified'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    kind: Mapped[str] = mapped_column(CleanText)
    key: Mapped[str] = mapped_column(CleanText)
    data: Mapped[dict[str, Any]] = mapped_column(CleanJson)
    at: Mapped[datetime]


class ApprovalModel(Base):
    """One proposal waiting for a decision, or decided.

    `proposal` and `original` are JSON and not JSONB: what a hash was made of is kept to the letter.
    """

    __tablename__ = "approvals"
    __table_args__ = (
        UniqueConstraint("incident_id", "attempt", "revision", "original_sha256"),
        one_of("status", [s.value for s in ApprovalStatus]),
        one_of("then_do", ["nothing", "terminate", "take_over"]),
        # Two open questions about one incident would be two answers to act on.
        Index(
            "uq_approvals_one_pending",
            "incident_id",
            unique=True,
            postgresql_where=text("status = 'pending'"),
        ),
        Index(None, "status", "created_at"),
        Index(None, "created_at"),
        Index(None, "failure_class", "action"),
    )

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    revision: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(CleanText)
    action: Mapped[str] = mapped_column(CleanText)
    #: The incident's class when this was proposed; the next attempt may find another.
    failure_class: Mapped[str | None]
    proposal: Mapped[dict[str, Any]] = mapped_column(JSON)
    payload_sha256: Mapped[str] = mapped_column(CleanText)
    #: The proposal before a person edited it; equal to `proposal` otherwise.
    original: Mapped[dict[str, Any]] = mapped_column(JSON)
    original_sha256: Mapped[str] = mapped_column(CleanText)
    approvers: Mapped[list[Any]] = mapped_column(CleanJson)
    rule: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    channel: Mapped[str | None]
    comment: Mapped[str] = mapped_column(CleanText, server_default="")
    #: `then` is a word of SQL.
    then_do: Mapped[str] = mapped_column(CleanText, server_default="nothing")
    useful: Mapped[bool | None]
    extended_at: Mapped[datetime | None]
    #: How many of the stages of `store.reminders` it went through since it was asked, or extended.
    reminders: Mapped[int] = mapped_column(Integer, server_default="0")
    #: Who may not approve it, and whether an edit asks somebody else: see `store.duties`.
    barred: Mapped[list[Any]] = mapped_column(CleanJson, server_default="[]")
    separate_duties: Mapped[bool] = mapped_column(server_default=false())


class ClaimModel(Base):
    """The right to send one step of one attempt, once. Its id is the idempotency token where there is one."""

    __tablename__ = "claims"
    __table_args__ = (
        UniqueConstraint("incident_id", "attempt", "step"),
        one_of("step", CLAIM_STEPS),
        one_of("status", CLAIM_STATUSES),
        Index(None, "approval_id"),
        Index(None, "created_at"),
        Index(
            "ix_claims_unsettled",
            "created_at",
            postgresql_where=text("status IN ('claimed','sending','unknown')"),
        ),
    )

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    #: Counts up, so that the oldest comes first whatever the clock says.
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    approval_id: Mapped[str] = mapped_column(ForeignKey("approvals.id"))
    attempt: Mapped[int] = mapped_column(Integer)
    step: Mapped[str] = mapped_column(CleanText)
    call: Mapped[str] = mapped_column(CleanText)
    before: Mapped[dict[str, Any]] = mapped_column(JSON)
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(CleanText)
    result: Mapped[dict[str, Any]] = mapped_column(CleanJson)
    lease_epoch: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ArtifactModel(Base):
    """A redacted text kept whole: zstd of its UTF-8. `kind` is `artifact` (ours) or `attachment` (a person's)."""

    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("incident_id", "key"), one_of("kind", ["artifact", "attachment"]))

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    kind: Mapped[str] = mapped_column(CleanText)
    key: Mapped[str] = mapped_column(CleanText)
    name: Mapped[str] = mapped_column(CleanText)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    #: Bytes of the UTF-8 text, and the SHA-256 (hex) of it.
    size: Mapped[int]
    sha256: Mapped[str] = mapped_column(CleanText)
    added_by: Mapped[str | None]
    created_at: Mapped[datetime]


class RunSeenModel(Base):
    """Runs (and their repairs) already looked at, and whose they are."""

    __tablename__ = "runs_seen"
    __table_args__ = (one_of("state", [s.value for s in RunState]), Index(None, "incident_id"))

    workspace: Mapped[str] = mapped_column(CleanText, primary_key=True)
    run_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    repair_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(CleanText)
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"))
    seen_at: Mapped[datetime]
