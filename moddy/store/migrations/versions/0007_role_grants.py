"""The roles that Moddy gave, so that it takes away no others, and the backend's word on them.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "role_grants",
        sa.Column("guild_id", sa.String(20), nullable=False),
        sa.Column("discord_id", sa.String(20), nullable=False),
        sa.Column("role_id", sa.String(20), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "discord_id", "role_id", name="pk_role_grants"),
    )
    op.create_table(
        "role_orders",
        sa.Column("guild_id", sa.String(20), nullable=False),
        sa.Column("discord_id", sa.String(20), nullable=False),
        sa.Column("role_id", sa.String(20), nullable=False),
        sa.Column("is_given", sa.Boolean, nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "discord_id", "role_id", name="pk_role_orders"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("role_orders")
    op.drop_table("role_grants")
