"""Deliveries remember since when their effect is uncertain; finished ones are found by age.

Revision: 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the index."""
    op.add_column("deliveries", sa.Column("sending_since", sa.DateTime(timezone=True)))
    op.create_index("ix_deliveries_finished_at", "deliveries", ["finished_at"])


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_deliveries_finished_at", table_name="deliveries")
    op.drop_column("deliveries", "sending_since")
