"""Support staff, what they did, refunds, and which plan a user has.

Revision: 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The trail is append-only, whatever a program or a person at the console tries.
SQLITE_TRIGGERS = (
    "CREATE TRIGGER staff_audit_no_{verb} BEFORE {VERB} ON staff_audit "
    "BEGIN SELECT RAISE(ABORT, 'staff_audit is append-only'); END"
)
POSTGRESQL_FUNCTION = (
    "CREATE FUNCTION staff_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'staff_audit is append-only'; END $$"
)
POSTGRESQL_TRIGGER = (
    "CREATE TRIGGER staff_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION staff_audit_refuse()"
)


def upgrade() -> None:
    """Create the tables, make the trail append-only, and add the column."""
    op.create_table(
        "staff",
        sa.Column("discord_id", sa.String(20), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("may_view", sa.Boolean, nullable=False),
        sa.Column("may_manage", sa.Boolean, nullable=False),
        sa.Column("added_by", sa.String(20), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("discord_id", name="pk_staff"),
    )
    _create_audit()
    _create_refunds()
    op.add_column("users", sa.Column("plan", sa.Text))


def _create_audit() -> None:
    sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "staff_audit",
        sa.Column("sequence", sequence, autoincrement=True, nullable=False),
        sa.Column("actor_id", sa.String(20), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject_id", sa.String(20)),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("detail", sa.String(500)),
        sa.Column("refund_id", sa.String(24)),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_staff_audit"),
    )
    op.create_index("ix_staff_audit_actor_id_sequence", "staff_audit", ["actor_id", "sequence"])
    op.create_index("ix_staff_audit_subject_id_sequence", "staff_audit", ["subject_id", "sequence"])
    if op.get_context().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(SQLITE_TRIGGERS.format(verb=verb, VERB=verb.upper()))
    else:
        op.execute(POSTGRESQL_FUNCTION)
        op.execute(POSTGRESQL_TRIGGER)


def _create_refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("customer_id", sa.String(20), nullable=False),
        sa.Column("agent_id", sa.String(20), nullable=False),
        sa.Column("approver_id", sa.String(20)),
        sa.Column("is_full", sa.Boolean, nullable=False),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.String(8), nullable=False),
        sa.Column("invoice_id", sa.Text, nullable=False),
        sa.Column("invoice_created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("invoice_minor", sa.BigInteger, nullable=False),
        sa.Column("refundable_minor", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asks", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("asked_at", sa.DateTime(timezone=True)),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("refunded_minor", sa.BigInteger),
        sa.Column("stripe_refund_id", sa.Text),
        sa.Column("error", sa.String(500)),
        sa.PrimaryKeyConstraint("id", name="pk_refunds"),
    )
    op.create_index("ix_refunds_customer_id_state", "refunds", ["customer_id", "state"])
    op.create_index("ix_refunds_agent_id_created_at", "refunds", ["agent_id", "created_at"])
    op.create_index("ix_refunds_state_asked_at", "refunds", ["state", "asked_at"])


def downgrade() -> None:
    """Drop it all; the trail is lost."""
    op.drop_column("users", "plan")
    op.drop_table("refunds")
    op.drop_table("staff_audit")
    if op.get_context().dialect.name != "sqlite":
        op.execute("DROP FUNCTION staff_audit_refuse()")
    op.drop_table("staff")
