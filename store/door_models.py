"""The tables of the doors that a decision comes through: links in messages, repeated requests, failed tries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.columns import CleanJson, CleanText


class ReviewLinkModel(Base):
    """One reviewer's link to one approval, or to a group. The link is signed and never stored; it decides once."""

    __tablename__ = "review_links"
    __table_args__ = (
        CheckConstraint("(approval_id IS NULL) <> (group_id IS NULL)", name="one_question"),
        Index(None, "approval_id"),
        Index(None, "group_id"),
    )

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    approval_id: Mapped[str | None] = mapped_column(ForeignKey("approvals.id"))
    group_id: Mapped[str | None] = mapped_column(ForeignKey("incident_groups.id"))
    #: The group's hash when the link was made, and the approvals that waited then.
    sha256: Mapped[str | None] = mapped_column(CleanText)
    members: Mapped[list[Any] | None] = mapped_column(CleanJson)
    reviewer: Mapped[str]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class IdempotencyModel(Base):
    """A request that came with an `Idempotency-Key`, and what it was answered; `status` is NULL while at work."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("caller", "key"), Index(None, "created_at"))

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    caller: Mapped[str]
    key: Mapped[str]
    #: SHA-256 (hex) of the method, the path and the body.
    request_sha256: Mapped[str] = mapped_column(CleanText)
    created_at: Mapped[datetime]
    status: Mapped[int | None] = mapped_column(Integer)
    headers: Mapped[dict[str, Any] | None] = mapped_column(CleanJson)
    body: Mapped[dict[str, Any] | None] = mapped_column(CleanJson)


class FailedTryModel(Base):
    """A try to say who one is that has failed, or is being looked at just now; kept for minutes."""

    __tablename__ = "failed_tries"
    __table_args__ = (Index(None, "door", "who", "at"), Index(None, "door", "at"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    #: Where it was tried: see `store.tries.LIMITS`.
    door: Mapped[str] = mapped_column(CleanText)
    #: Whose tries are counted together: an address, or a browser that was let in before.
    who: Mapped[str] = mapped_column(CleanText)
    at: Mapped[datetime]
