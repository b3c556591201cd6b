"""The roles that Moddy gave, so that it takes away no others.

Revision: 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "role_grants",
        sa.Column("guild_id", sa.String(20), nullable=False),
        sa.Column("discord_id", sa.String(20), nullable=False),
        sa.Column("role_id", sa.String(20), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "discord_id", "role_id", name="pk_role_grants"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("role_grants")
