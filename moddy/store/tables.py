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
    sa.Index(None, "topic", "state", "sequence"),
    sa.Index(None, "finished_at"),
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
