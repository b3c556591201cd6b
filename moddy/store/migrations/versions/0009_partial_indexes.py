"""Indexes without the rows that nobody looks for in them: accepting a request writes less.

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TABLE = "deliveries"
# By name: the columns, and what is so of the rows that are looked for.
_INDEXES = {
    "ix_deliveries_topic_state_sequence": (["topic", "state", "sequence"], "topic IS NOT NULL"),
    "ix_deliveries_discord_id_topic_sequence": (
        ["discord_id", "topic", "sequence"],
        "topic IS NOT NULL",
    ),
    "ix_deliveries_finished_at": (["finished_at"], "finished_at IS NOT NULL"),
}


def upgrade() -> None:
    """Make each anew, of these rows."""
    for name, (columns, rows) in _INDEXES.items():
        where = sa.text(rows)
        op.drop_index(name, table_name=_TABLE)
        op.create_index(name, _TABLE, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Make each anew, of all rows."""
    for name, (columns, _) in _INDEXES.items():
        op.drop_index(name, table_name=_TABLE)
        op.create_index(name, _TABLE, columns)
