"""Doors: ratings, extensions, reminders, receipts of messages, links that decide once, idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003_doors"
down_revision = "0002_groups"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """New columns are empty for what stands already: it was not rated, extended or reminded of."""
    op.add_column("approvals", sa.Column("useful", sa.Boolean(), nullable=True))
    op.add_column("approvals", sa.Column("extended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("approvals", sa.Column("reminders", sa.Integer(), server_default="0", nullable=False))
    op.add_column("outbox", sa.Column("receipt", postgresql.JSONB(), nullable=True))
    _allow_statuses("'pending', 'sent', 'failed', 'dropped'")
    op.create_table(
        "review_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_review_links_approval_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_links")),
    )
    op.create_index(op.f("ix_review_links_approval_id"), "review_links", ["approval_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(), nullable=True),
        sa.Column("body", postgresql.JSONB(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_keys")),
        sa.UniqueConstraint("caller", "key", name=op.f("uq_idempotency_keys_caller_key")),
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])


def downgrade() -> None:
    """What people said through these doors stays in the audit trail."""
    op.drop_table("idempotency_keys")
    op.drop_table("review_links")
    op.execute("UPDATE outbox SET status = 'failed' WHERE status = 'dropped'")
    _allow_statuses("'pending', 'sent', 'failed'")
    op.drop_column("outbox", "receipt")
    for column in ("reminders", "extended_at", "useful"):
        op.drop_column("approvals", column)


def _allow_statuses(statuses: str) -> None:
    """What a message may have become."""
    op.drop_constraint(op.f("ck_outbox_status"), "outbox", type_="check")
    op.create_check_constraint(op.f("ck_outbox_status"), "outbox", f"status IN ({statuses})")
