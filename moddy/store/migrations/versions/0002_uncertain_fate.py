"""Deliveries remember the message they became, and since when that is uncertain.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and an index to find finished deliveries by age."""
    op.add_column("deliveries", sa.Column("sending_since", sa.DateTime(timezone=True)))
    op.add_column("deliveries", sa.Column("message_id", sa.String(20)))
    op.create_index("ix_deliveries_finished_at", "deliveries", ["finished_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_deliveries_finished_at", table_name="deliveries")
    op.drop_column("deliveries", "message_id")
    op.drop_column("deliveries", "sending_since")
