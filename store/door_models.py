"""The tables of the doors that a decision comes through: links in messages, and repeated requests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base
from store.columns import CleanJson, CleanText


class ReviewLinkModel(Base):
    """One reviewer's link to one approval. The link itself is signed and never stored; it decides once."""

    __tablename__ = "review_links"
    __table_args__ = (Index(None, "approval_id"),)

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    approval_id: Mapped[str] = mapped_column(ForeignKey("approvals.id"))
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
