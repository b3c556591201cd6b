"""Deliveries remember when they were retried by hand, and a trail who did what to them.

Revision: 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the trail."""
    op.add_column("deliveries", sa.Column("retried_at", sa.DateTime(timezone=True)))
    sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "delivery_audit",
        sa.Column("sequence", sequence, autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.String(24), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("old_state", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_delivery_audit"),
    )
    op.create_index("ix_delivery_audit_delivery_id", "delivery_audit", ["delivery_id"])


def downgrade() -> None:
    """Drop both."""
    op.drop_table("delivery_audit")
    op.drop_column("deliveries", "retried_at")
