"""Failed tries to sign in, so that all servers count them together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_failed_tries"
down_revision = "0006_group_doors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has failed yet."""
    op.create_table(
        "failed_tries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_tries")),
    )
    op.create_index(op.f("ix_failed_tries_door_who_at"), "failed_tries", ["door", "who", "at"])
    op.create_index(op.f("ix_failed_tries_door_at"), "failed_tries", ["door", "at"])


def downgrade() -> None:
    """They are forgotten."""
    op.drop_table("failed_tries")
