"""Groups: incidents of one cause, put to people as one question."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_groups"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The groups, the decisions on them, and their members."""
    op.create_table(
        "incident_groups",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("cause_kind", sa.Text(), nullable=False),
        sa.Column("cause_value", sa.Text(), nullable=False),
        sa.Column("failure_class", sa.Text(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("approvers", postgresql.JSONB(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("at_once", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("notices", sa.Integer(), server_default="0", nullable=False),
        sa.Column("notice_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "cause_kind IN ('endpoint', 'table', 'cluster_pool', 'credential', 'fingerprint')",
            name=op.f("ck_incident_groups_cause_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_groups")),
    )
    op.create_index(op.f("ix_incident_groups_key_joined_at"), "incident_groups", ["key", "joined_at"])
    op.create_index(op.f("ix_incident_groups_opened_at"), "incident_groups", ["opened_at"])
    op.create_table(
        "group_decisions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), server_default="", nullable=False),
        sa.Column("then_do", sa.Text(), server_default="nothing", nullable=False),
        sa.Column("excepted", postgresql.JSONB(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("canary", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('approve', 'edit', 'reject', 'respond')", name=op.f("ck_group_decisions_kind")
        ),
        sa.CheckConstraint(
            "phase IN ('canary', 'released', 'stopped', 'done')", name=op.f("ck_group_decisions_phase")
        ),
        sa.ForeignKeyConstraint(["canary"], ["approvals.id"], name=op.f("fk_group_decisions_canary")),
        sa.ForeignKeyConstraint(
            ["group_id"], ["incident_groups.id"], name=op.f("fk_group_decisions_group_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_decisions")),
        sa.UniqueConstraint("group_id", "sha256", name=op.f("uq_group_decisions_group_id_sha256")),
    )
    op.create_index(
        "ix_group_decisions_going_on",
        "group_decisions",
        ["id"],
        postgresql_where=sa.text("phase IN ('canary','released')"),
    )
    op.create_table(
        "group_members",
        sa.Column("approval_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("turn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["approval_id"], ["approvals.id"], name=op.f("fk_group_members_approval_id")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["group_decisions.id"], name=op.f("fk_group_members_decision_id")
        ),
        sa.ForeignKeyConstraint(["group_id"], ["incident_groups.id"], name=op.f("fk_group_members_group_id")),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_group_members_incident_id")),
        sa.PrimaryKeyConstraint("approval_id", name=op.f("pk_group_members")),
    )
    for columns in (["group_id", "number"], ["incident_id"], ["decision_id"], ["group_id", "turn_at"]):
        op.create_index(op.f(f"ix_group_members_{'_'.join(columns)}"), "group_members", columns)


def downgrade() -> None:
    """Without groups every approval is decided alone again."""
    for table in ("group_members", "group_decisions", "incident_groups"):
        op.drop_table(table)
