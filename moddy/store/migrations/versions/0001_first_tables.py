"""First tables: users, premium audit, deliveries, memory.

Revision: 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Copies of the types in moddy.store.tables as they were: a migration never changes afterwards.
MOMENT = sa.DateTime(timezone=True)
SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DISCORD_ID = sa.String(20)


def upgrade() -> None:
    """Create everything."""
    op.create_table(
        "users",
        sa.Column("discord_id", DISCORD_ID, nullable=False),
        sa.Column("locale", sa.String(16)),
        sa.Column("premium", sa.Boolean, nullable=False),
        sa.Column("premium_until", MOMENT),
        sa.Column("last_event_created", MOMENT),
        sa.PrimaryKeyConstraint("discord_id", name="pk_users"),
    )
    op.create_index("ix_users_premium_until", "users", ["premium_until"])
    op.create_table(
        "premium_audit",
        sa.Column("sequence", SEQUENCE, nullable=False, autoincrement=True),
        sa.Column("discord_id", DISCORD_ID, nullable=False),
        sa.Column("actor", sa.String(32), nullable=False),
        sa.Column("old_premium", sa.Boolean, nullable=False),
        sa.Column("old_until", MOMENT),
        sa.Column("new_premium", sa.Boolean, nullable=False),
        sa.Column("new_until", MOMENT),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("request_id", sa.String(64)),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_premium_audit"),
    )
    op.create_index("ix_premium_audit_discord_id", "premium_audit", ["discord_id"])
    op.create_table(
        "deliveries",
        sa.Column("sequence", SEQUENCE, nullable=False, autoincrement=True),
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("discord_id", DISCORD_ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("body_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("answer_status", sa.SmallInteger),
        sa.Column("answer_body", sa.LargeBinary),
        sa.Column("request_id", sa.String(64)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("leased_until", MOMENT),
        sa.Column("last_error", sa.String(64)),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.PrimaryKeyConstraint("sequence", name="pk_deliveries"),
        sa.UniqueConstraint("id", name="uq_deliveries_id"),
        sa.UniqueConstraint("kind", "idempotency_key", name="uq_deliveries_kind_idempotency_key"),
    )
    op.create_index("ix_deliveries_state_due_at", "deliveries", ["state", "due_at"])
    op.create_index(
        "ix_deliveries_discord_id_kind_state", "deliveries", ["discord_id", "kind", "state"]
    )
    op.create_table(
        "memory",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_memory"),
    )


def downgrade() -> None:
    """Drop everything."""
    for table in ("memory", "deliveries", "premium_audit", "users"):
        op.drop_table(table)
