"""Fleet: the minutes in which a worker was at work, and indexes for counting by time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_fleet"
down_revision = "0003_doors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The minutes begin now: what was before is not known."""
    op.create_table(
        "pulse",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("minute", name=op.f("pk_pulse")),
    )
    op.create_index(op.f("ix_approvals_created_at"), "approvals", ["created_at"])
    op.create_index(op.f("ix_claims_created_at"), "claims", ["created_at"])


def downgrade() -> None:
    """The minutes are forgotten."""
    op.drop_index(op.f("ix_claims_created_at"), "claims")
    op.drop_index(op.f("ix_approvals_created_at"), "approvals")
    op.drop_table("pulse")
