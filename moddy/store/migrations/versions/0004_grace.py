"""Users whose payment is past due keep premium for a while.

Revision: 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and an index to find those whose grace has ended."""
    op.add_column("users", sa.Column("grace_until", sa.DateTime(timezone=True)))
    op.create_index("ix_users_grace_until", "users", ["grace_until"])


def downgrade() -> None:
    """Drop both."""
    op.drop_index("ix_users_grace_until", table_name="users")
    op.drop_column("users", "grace_until")
