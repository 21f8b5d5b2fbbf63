"""The tables around the incidents: what comes in, what goes out, who may ask, what models cost."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base, one_of
from store.columns import CleanJson, CleanText

ROLES = ("viewer", "approver", "admin")
#: `failed`: given up; `dropped`: there was no reason to send it any more.
MESSAGE_STATUSES = ("pending", "sent", "failed", "dropped")


class SignalModel(Base):
    """A notice that something may have failed: a webhook, the poller, a call of the API. Ids only, no facts."""

    __tablename__ = "signals"
    __table_args__ = (Index("ix_signals_open", "received_at", postgresql_where=text("handled_at IS NULL")),)

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    source: Mapped[str] = mapped_column(CleanText)
    #: The same for each delivery of one announcement; not unique, since a run may fail twice.
    key: Mapped[str] = mapped_column(CleanText)
    run_id: Mapped[int | None]
    job_id: Mapped[int | None]
    data: Mapped[dict[str, Any]] = mapped_column(CleanJson)
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"))
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    error: Mapped[str | None]


class MessageModel(Base):
    """The outbox: what is to be said to whom, written in the transaction that gives reason to say it."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("key"),
        one_of("status", MESSAGE_STATUSES),
        Index("ix_outbox_due", "next_at", postgresql_where=text("status = 'pending'")),
        Index("ix_outbox_bundle", "bundle", "recipient", "id", postgresql_where=text("bundle IS NOT NULL")),
        Index(None, "incident_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    key: Mapped[str] = mapped_column(CleanText)
    kind: Mapped[str] = mapped_column(CleanText)
    recipient: Mapped[str] = mapped_column(CleanText)
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"))
    payload: Mapped[dict[str, Any]] = mapped_column(CleanJson)
    status: Mapped[str] = mapped_column(CleanText)
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime]
    next_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    error: Mapped[str | None]
    #: What the channel gave back, by which the message can be changed later.
    receipt: Mapped[dict[str, Any] | None]
    #: Messages of one bundle to one recipient go out as one.
    bundle: Mapped[str | None] = mapped_column(CleanText)


class TokenModel(Base):
    """An API token, as its SHA-256: 256 random bits need no salt. `name` is who it speaks for."""

    __tablename__ = "api_tokens"
    __table_args__ = (UniqueConstraint("sha256"), one_of("role", ROLES))

    id: Mapped[str] = mapped_column(CleanText, primary_key=True)
    name: Mapped[str] = mapped_column(CleanText)
    role: Mapped[str] = mapped_column(CleanText)
    sha256: Mapped[str] = mapped_column(CleanText)
    created_at: Mapped[datetime]
    created_by: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ModelCallModel(Base):
    """What one call of a language model cost: tokens, US dollars, seconds; never its texts."""

    __tablename__ = "model_calls"
    __table_args__ = (Index(None, "incident_id"), Index(None, "at"))

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"))
    model: Mapped[str] = mapped_column(CleanText)
    prompt_sha256: Mapped[str] = mapped_column(CleanText)
    input_tokens: Mapped[int]
    output_tokens: Mapped[int]
    usd: Mapped[float]
    seconds: Mapped[float]
    at: Mapped[datetime]


class PulseModel(Base):
    """A minute in which a worker was at work, so that one can say afterwards how much of the time one was."""

    __tablename__ = "pulse"

    minute: Mapped[datetime] = mapped_column(primary_key=True)
