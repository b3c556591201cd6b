"""Events in the deliveries are found by what they tell, so that waiting ones can be bounded.

Revision: 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index."""
    op.add_column("deliveries", sa.Column("topic", sa.String(16)))
    op.create_index(
        "ix_deliveries_topic_state_sequence", "deliveries", ["topic", "state", "sequence"]
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_deliveries_topic_state_sequence", table_name="deliveries")
    op.drop_column("deliveries", "topic")
