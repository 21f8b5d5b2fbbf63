"""Groups through every door: links to a group's question, people it was handed on to, news that go out together."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_group_doors"
down_revision = "0005_duties"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What stands already is a link to one approval, was handed on to nobody, and goes out alone."""
    op.alter_column("review_links", "approval_id", existing_type=sa.Text(), nullable=True)
    op.add_column("review_links", sa.Column("group_id", sa.Text(), nullable=True))
    op.add_column("review_links", sa.Column("sha256", sa.Text(), nullable=True))
    op.add_column("review_links", sa.Column("members", postgresql.JSONB(), nullable=True))
    op.create_foreign_key(
        op.f("fk_review_links_group_id"), "review_links", "incident_groups", ["group_id"], ["id"]
    )
    op.create_index(op.f("ix_review_links_group_id"), "review_links", ["group_id"])
    op.create_check_constraint(
        op.f("ck_review_links_one_question"), "review_links", "(approval_id IS NULL) <> (group_id IS NULL)"
    )
    op.add_column(
        "incident_groups", sa.Column("asked_too", postgresql.JSONB(), server_default="[]", nullable=False)
    )
    op.add_column("outbox", sa.Column("bundle", sa.Text(), nullable=True))
    op.create_index(
        "ix_outbox_bundle",
        "outbox",
        ["bundle", "recipient", "id"],
        postgresql_where=sa.text("bundle IS NOT NULL"),
    )


def downgrade() -> None:
    """Links to groups are worth nothing any more; what waits to go out together goes out one by one."""
    op.drop_index("ix_outbox_bundle", "outbox")
    op.drop_column("outbox", "bundle")
    op.drop_column("incident_groups", "asked_too")
    op.execute("DELETE FROM review_links WHERE group_id IS NOT NULL")
    op.drop_constraint(op.f("ck_review_links_one_question"), "review_links", type_="check")
    op.drop_index(op.f("ix_review_links_group_id"), "review_links")
    op.drop_constraint(op.f("fk_review_links_group_id"), "review_links", type_="foreignkey")
    for column in ("members", "sha256", "group_id"):
        op.drop_column("review_links", column)
    op.alter_column("review_links", "approval_id", existing_type=sa.Text(), nullable=False)
