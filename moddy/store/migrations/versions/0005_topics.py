"""Events in the deliveries are found by what they tell, and a user's oldest one at a glance.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index, and the order of acceptance to the users' index."""
    op.add_column("deliveries", sa.Column("topic", sa.String(16)))
    op.create_index(
        "ix_deliveries_topic_state_sequence", "deliveries", ["topic", "state", "sequence"]
    )
    op.drop_index("ix_deliveries_discord_id_kind_state", table_name="deliveries")
    op.create_index(
        "ix_deliveries_discord_id_kind_state_sequence",
        "deliveries",
        ["discord_id", "kind", "state", "sequence"],
    )


def downgrade() -> None:
    """Undo it all."""
    op.drop_index("ix_deliveries_discord_id_kind_state_sequence", table_name="deliveries")
    op.create_index(
        "ix_deliveries_discord_id_kind_state", "deliveries", ["discord_id", "kind", "state"]
    )
    op.drop_index("ix_deliveries_topic_state_sequence", table_name="deliveries")
    op.drop_column("deliveries", "topic")
