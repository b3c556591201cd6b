"""Settings of guild modules, the roles of members who left, and an index for a user's events.

Revision: 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables, and the index."""
    op.create_table(
        "guild_modules",
        sa.Column("guild_id", sa.String(20), nullable=False),
        sa.Column("module", sa.String(32), nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("settings", sa.LargeBinary, nullable=False),
        sa.Column("updated_by", sa.String(20), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "module", name="pk_guild_modules"),
    )
    op.create_table(
        "saved_roles",
        sa.Column("guild_id", sa.String(20), nullable=False),
        sa.Column("discord_id", sa.String(20), nullable=False),
        sa.Column("role_ids", sa.LargeBinary, nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "discord_id", name="pk_saved_roles"),
    )
    op.create_index("ix_saved_roles_saved_at", "saved_roles", ["saved_at"])
    op.create_index(
        "ix_deliveries_discord_id_topic_sequence",
        "deliveries",
        ["discord_id", "topic", "sequence"],
    )


def downgrade() -> None:
    """Drop all of them."""
    op.drop_index("ix_deliveries_discord_id_topic_sequence", table_name="deliveries")
    op.drop_table("saved_roles")
    op.drop_table("guild_modules")
