"""The tables, as the newest migration leaves them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware moment in UTC, also on SQLite, which keeps no offset."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment: its meaning would depend on the machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment must be aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give SQLite's naive moments their offset back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
# SQLite numbers rows by itself only in a column of exactly this type.
_Sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# A snowflake does not fit a signed 64-bit integer, so ids are kept as their digits.
_DiscordId = sa.String(20)


def _index_where(condition: str, *columns: str) -> sa.Index:
    """Return an index of the rows of which `condition` is true; the others do not pay for it."""
    where = sa.text(condition)
    return sa.Index(None, *columns, sqlite_where=where, postgresql_where=where)


users = sa.Table(
    "users",
    metadata,
    sa.Column("discord_id", _DiscordId, primary_key=True),
    sa.Column("locale", sa.String(16)),
    sa.Column("premium", sa.Boolean, nullable=False),
    # With `premium` on: the moment from which it counts as off; NULL while no end is known.
    sa.Column("premium_until", UtcDateTime),
    # The same for a payment that is past due. It stays until the payment has come, premium on or
    # off, so that there is one grace for one debt.
    sa.Column("grace_until", UtcDateTime),
    sa.Column("last_event_created", UtcDateTime),
    # The plan that the newest accepted event told of.
    sa.Column("plan", sa.Text),
    sa.Index(None, "premium_until"),
    sa.Index(None, "grace_until"),
)

premium_audit = sa.Table(
    "premium_audit",
    metadata,
    sa.Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("discord_id", _DiscordId, nullable=False),
    sa.Column("actor", sa.String(32), nullable=False),
    sa.Column("old_premium", sa.Boolean, nullable=False),
    sa.Column("old_until", UtcDateTime),
    sa.Column("new_premium", sa.Boolean, nullable=False),
    sa.Column("new_until", UtcDateTime),
    sa.Column("reason", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(64)),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "discord_id"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    # The order of acceptance.
    sa.Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    # Random, and the nonce of the message on Discord: at most 25 characters there.
    sa.Column("id", sa.String(24), nullable=False, unique=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("discord_id", _DiscordId, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    # Of an event: its type, to choose by without reading the payload.
    sa.Column("topic", sa.String(16)),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("idempotency_key", sa.String(255)),
    # SHA-256 of the request's JSON value, to tell a repeat from a reuse of the key.
    sa.Column("body_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("answer_status", sa.SmallInteger),
    sa.Column("answer_body", sa.LargeBinary),
    sa.Column("request_id", sa.String(64)),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", UtcDateTime),
    # While it lies ahead, one process is at work on the row; its value is that process's fence.
    sa.Column("leased_until", UtcDateTime),
    # Since when it may have had its effect without our knowing; NULL: it certainly has not.
    sa.Column("sending_since", UtcDateTime),
    sa.Column("last_error", sa.String(64)),
    # The message on Discord that it became.
    sa.Column("message_id", _DiscordId),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    # When a person last had it tried anew; it is given up so much later.
    sa.Column("retried_at", UtcDateTime),
    sa.UniqueConstraint("kind", "idempotency_key"),
    sa.Index(None, "state", "due_at"),
    sa.Index(None, "discord_id", "kind", "state", "sequence"),
    _index_where("topic IS NOT NULL", "topic", "state", "sequence"),
    _index_where("topic IS NOT NULL", "discord_id", "topic", "sequence"),
    _index_where("finished_at IS NOT NULL", "finished_at"),
)

# What people did to deliveries by hand.
delivery_audit = sa.Table(
    "delivery_audit",
    metadata,
    sa.Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("delivery_id", sa.String(24), nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    # The operating system's user and host: user@host.
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("old_state", sa.String(16), nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "delivery_id"),
)

# Small facts that Moddy remembers between starts, such as which commands it last synced.
memory = sa.Table(
    "memory",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# Support staff. Without a row here, a person may nothing.
staff = sa.Table(
    "staff",
    metadata,
    sa.Column("discord_id", _DiscordId, primary_key=True),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("may_view", sa.Boolean, nullable=False),
    sa.Column("may_manage", sa.Boolean, nullable=False),
    sa.Column("added_by", _DiscordId, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
)

# What staff did or was refused. The database itself refuses to change or delete a row.
staff_audit = sa.Table(
    "staff_audit",
    metadata,
    sa.Column("sequence", _Sequence, primary_key=True, autoincrement=True),
    sa.Column("actor_id", _DiscordId, nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    # The user whom it was about.
    sa.Column("subject_id", _DiscordId),
    sa.Column("outcome", sa.String(32), nullable=False),
    # Few words for people: an amount, a role, a refund's id. Never an e-mail or a message.
    sa.Column("detail", sa.String(500)),
    sa.Column("refund_id", sa.String(24)),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Index(None, "actor_id", "sequence"),
    sa.Index(None, "subject_id", "sequence"),
)

# Refunds, from the moment that one is proposed.
refunds = sa.Table(
    "refunds",
    metadata,
    # Random; also what the Idempotency-Key of the call to the backend is made of.
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("customer_id", _DiscordId, nullable=False),
    sa.Column("agent_id", _DiscordId, nullable=False),
    sa.Column("approver_id", _DiscordId),
    # Whether all that is left was asked for, with the word for it.
    sa.Column("is_full", sa.Boolean, nullable=False),
    # What was confirmed, and what the backend is asked for.
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(8), nullable=False),
    sa.Column("invoice_id", sa.Text, nullable=False),
    sa.Column("invoice_created", UtcDateTime, nullable=False),
    sa.Column("invoice_minor", sa.BigInteger, nullable=False),
    # What could still be given back of the invoice when the refund was proposed.
    sa.Column("refundable_minor", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.String(500), nullable=False),
    sa.Column("created_at", UtcDateTime, nullable=False),
    # Until when the next person may say yes to it.
    sa.Column("expires_at", UtcDateTime, nullable=False),
    # How often the backend was asked, and when first and last.
    sa.Column("asks", sa.Integer, nullable=False),
    sa.Column("sent_at", UtcDateTime),
    sa.Column("asked_at", UtcDateTime),
    sa.Column("finished_at", UtcDateTime),
    # What was given back, by the backend's word.
    sa.Column("refunded_minor", sa.BigInteger),
    sa.Column("stripe_refund_id", sa.Text),
    # The backend's own words when it refused; for staff.
    sa.Column("error", sa.String(500)),
    sa.Index(None, "customer_id", "state"),
    sa.Index(None, "agent_id", "created_at"),
    sa.Index(None, "state", "asked_at"),
)

# The roles that Moddy gave to a member, and thus may take away.
role_grants = sa.Table(
    "role_grants",
    metadata,
    sa.Column("guild_id", _DiscordId, primary_key=True),
    sa.Column("discord_id", _DiscordId, primary_key=True),
    sa.Column("role_id", _DiscordId, primary_key=True),
    sa.Column("granted_at", UtcDateTime, nullable=False),
)

# The backend's newest word on the premium role, where it differs from the PREMIUM attribute; it
# stands until that changes.
role_orders = sa.Table(
    "role_orders",
    metadata,
    sa.Column("guild_id", _DiscordId, primary_key=True),
    sa.Column("discord_id", _DiscordId, primary_key=True),
    sa.Column("role_id", _DiscordId, primary_key=True),
    sa.Column("is_given", sa.Boolean, nullable=False),
    sa.Column("ordered_at", UtcDateTime, nullable=False),
)

# A guild's settings of one module.
guild_modules = sa.Table(
    "guild_modules",
    metadata,
    sa.Column("guild_id", _DiscordId, primary_key=True),
    sa.Column("module", sa.String(32), primary_key=True),
    sa.Column("enabled", sa.Boolean, nullable=False),
    # The JSON of the module's own settings Struct.
    sa.Column("settings", sa.LargeBinary, nullable=False),
    sa.Column("updated_by", _DiscordId, nullable=False),
    sa.Column("updated_at", UtcDateTime, nullable=False),
)

# The roles that a member had when they left, for the module that restores them.
saved_roles = sa.Table(
    "saved_roles",
    metadata,
    sa.Column("guild_id", _DiscordId, primary_key=True),
    sa.Column("discord_id", _DiscordId, primary_key=True),
    # Role ids in a JSON list.
    sa.Column("role_ids", sa.LargeBinary, nullable=False),
    sa.Column("saved_at", UtcDateTime, nullable=False),
    sa.Index(None, "saved_at"),
)
