"""The reference backend's SQLite tables."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Dialect,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)
from sqlalchemy.types import Float, TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as Unix seconds."""

    impl = Float
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> float | None:
        """Return the Unix seconds of `value`."""
        return None if value is None else value.timestamp()

    def process_result_value(self, value: float | None, dialect: Dialect) -> datetime | None:
        """Return the moment that the Unix seconds stand for."""
        return None if value is None else datetime.fromtimestamp(value, UTC)


metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("discord_id", String, primary_key=True),
    Column("customer_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("note", String, nullable=False),
    Column("email", String, nullable=False),
    Column("phone", String, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    # One row a customer: the last subscription, ended ones included.
    Column("discord_id", String, primary_key=True),
    Column("subscription_id", String, nullable=False),
    Column("plan", String, nullable=False),
    Column("status", String, nullable=False),
    Column("subscription_type", String, nullable=False),
    Column("current_period_start", UtcTime, nullable=False),
    Column("current_period_end", UtcTime, nullable=False),
    Column("cancel_at_period_end", Boolean, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("currency", String, nullable=False),
)

invoices = Table(
    "invoices",
    metadata,
    Column("invoice_id", String, primary_key=True),
    Column("discord_id", String, nullable=False, index=True),
    Column("amount", Integer, nullable=False),
    Column("amount_refunded", Integer, nullable=False),
    Column("currency", String, nullable=False),
    Column("status", String, nullable=False),
    Column("created", UtcTime, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("event_type", String, nullable=False),
    Column("discord_id", String, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("received_at", UtcTime, nullable=False),
)

answers = Table(
    "answers",
    metadata,
    # What was answered to an Idempotency-Key, to be answered again.
    Column("endpoint", String, primary_key=True),
    Column("idempotency_key", String, primary_key=True),
    Column("request", String, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
