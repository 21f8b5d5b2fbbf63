"""Separation of duties: who may not approve a proposal, and whether an edit asks somebody else."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005_duties"
down_revision = "0004_fleet"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody is barred from what was asked before."""
    op.add_column("approvals", sa.Column("barred", postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column(
        "approvals", sa.Column("separate_duties", sa.Boolean(), server_default=sa.false(), nullable=False)
    )


def downgrade() -> None:
    """Whoever was barred may approve again."""
    op.drop_column("approvals", "separate_duties")
    op.drop_column("approvals", "barred")
