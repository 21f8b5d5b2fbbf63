"""The tables of groups: incidents of one cause, put to people as one question.

Locks are taken in this order: incidents (by their ids), groups, group decisions, members.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.incident import DecisionKind
from store.base import Base, one_of
from store.columns import CleanJson, CleanText

CAUSE_KINDS = ("endpoint", "table", "cluster_pool", "credential", "fingerprint")
#: `canary`: one acts, the others wait for it. `released`: the others act in turn. `stopped`: the cause still
#: stood, and who had not acted was asked about again. `done`: nobody is left to act.
PHASES = ("canary", "released", "stopped", "done")
GOING_ON = ("canary", "released")


class GroupModel(Base):
    """Incidents that share a cause, an action and the people who are asked. `key` is all of these as a hash."""

    __tablename__ = "incident_groups"
    __table_args__ = (
        one_of("cause_kind", CAUSE_KINDS),
        Index(None, "key", "joined_at"),
        Index(None, "opened_at"),
    )

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    workspace: Mapped[str]
    key: Mapped[str] = mapped_column(CleanText)
    cause_kind: Mapped[str] = mapped_column(CleanText)
    cause_value: Mapped[str] = mapped_column(CleanText)
    failure_class: Mapped[str | None]
    action: Mapped[str] = mapped_column(CleanText)
    approvers: Mapped[list[Any]]
    #: The tightest that the policy says for any member.
    per_minute: Mapped[int] = mapped_column(Integer)
    at_once: Mapped[int] = mapped_column(Integer)
    opened_at: Mapped[datetime]
    #: When the newest member joined.
    joined_at: Mapped[datetime]
    #: How many messages were queued about it, and when the newest of them is due.
    notices: Mapped[int] = mapped_column(Integer, server_default="0")
    notice_at: Mapped[datetime | None]
    #: Who was asked beside the approvers; they may decide on who joins this question later too.
    asked_too: Mapped[list[Any]] = mapped_column(CleanJson, server_default="[]")


class GroupDecisionModel(Base):
    """One decision on the members that waited when it was made, bound to them by `sha256`.

    An approval acts in waves: first `canary` (an approval's id), then the others.
    """

    __tablename__ = "group_decisions"
    __table_args__ = (
        UniqueConstraint("group_id", "sha256"),
        one_of("kind", [kind.value for kind in DecisionKind]),
        one_of("phase", PHASES),
        Index("ix_group_decisions_going_on", "id", postgresql_where=text("phase IN ('canary','released')")),
    )

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    group_id: Mapped[str] = mapped_column(ForeignKey("incident_groups.id"))
    sha256: Mapped[str] = mapped_column(CleanText)
    kind: Mapped[str] = mapped_column(CleanText)
    decided_by: Mapped[str]
    channel: Mapped[str]
    comment: Mapped[str] = mapped_column(CleanText, server_default="")
    then_do: Mapped[str] = mapped_column(CleanText, server_default="nothing")
    #: Approvals that waited too and were left out of it.
    excepted: Mapped[list[Any]]
    decided_at: Mapped[datetime]
    phase: Mapped[str] = mapped_column(CleanText)
    canary: Mapped[str | None] = mapped_column(ForeignKey("approvals.id"))
    #: Why it was stopped.
    why: Mapped[str] = mapped_column(CleanText, server_default="")
    changed_at: Mapped[datetime]


class MemberModel(Base):
    """One approval in a group. Decided with the group, it acts only once it has its turn."""

    __tablename__ = "group_members"
    __table_args__ = (
        Index(None, "group_id", "number"),
        Index(None, "incident_id"),
        Index(None, "decision_id"),
        Index(None, "group_id", "turn_at"),
    )

    approval_id: Mapped[str] = mapped_column(ForeignKey("approvals.id"), primary_key=True)
    #: Counts up: who came first goes first.
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    group_id: Mapped[str] = mapped_column(ForeignKey("incident_groups.id"))
    decision_id: Mapped[str | None] = mapped_column(ForeignKey("group_decisions.id"))
    joined_at: Mapped[datetime]
    turn_at: Mapped[datetime | None]
