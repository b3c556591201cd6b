"""Events for the backend among the deliveries: each stored once, and only so many of them.

An event is a delivery of kind EVENT whose `topic` is the event's type.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from moddy.models import EventType, Snowflake
from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection


class StoredEvent(Struct, frozen=True, kw_only=True):
    """What tells an event apart from a user's others."""

    event_type: EventType
    key: str
    created_at: datetime


class NewEvent(Struct, frozen=True, kw_only=True):
    """An event to be stored; `key` is its Idempotency-Key."""

    delivery: Delivery
    event_type: EventType
    key: str


async def insert_all(connection: Connection, new: Sequence[NewEvent]) -> None:
    """Store events, due at once, in this order; those whose key is stored already are left out."""
    if not new:
        return
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    query = insert(deliveries).on_conflict_do_nothing(index_elements=["kind", "idempotency_key"])
    await connection.execute(query, [_row(event) for event in new])


def _row(event: NewEvent) -> dict[str, object]:
    delivery = event.delivery
    return {
        "id": delivery.id,
        "kind": DeliveryKind.EVENT.value,
        "topic": event.event_type.value,
        "discord_id": delivery.user_id,
        "state": delivery.state.value,
        "payload": delivery.payload,
        "idempotency_key": event.key,
        "body_hash": hashlib.sha256(delivery.payload).digest(),
        "request_id": delivery.request_id,
        "tries": 0,
        "due_at": delivery.created_at,
        "created_at": delivery.created_at,
    }


async def find_known_keys(connection: Connection, keys: Collection[str]) -> frozenset[str]:
    """Return those of the keys that an event is stored under."""
    table = deliveries.c
    query = sa.select(table.idempotency_key).where(
        table.kind == DeliveryKind.EVENT.value, table.idempotency_key.in_(keys)
    )
    return frozenset((await connection.execute(query)).scalars())


async def find_newest(
    connection: Connection,
    user_ids: Collection[Snowflake],
    event_types: Collection[EventType],
) -> dict[Snowflake, StoredEvent]:
    """Return each user's last stored event of these types, whatever became of it."""
    table = deliveries.c
    newest = (
        sa.select(sa.func.max(table.sequence))
        .where(table.discord_id.in_(user_ids), table.kind == DeliveryKind.EVENT.value)
        .where(table.topic.in_([one.value for one in event_types]))
        .group_by(table.discord_id)
    )
    query = sa.select(table.discord_id, table.topic, table.idempotency_key, table.created_at).where(
        table.sequence.in_(newest)
    )
    return {
        Snowflake(row[0]): StoredEvent(event_type=EventType(row[1]), key=row[2], created_at=row[3])
        for row in await connection.execute(query)
    }


async def find_since(
    connection: Connection,
    user_ids: Collection[Snowflake],
    event_type: EventType,
    since: datetime,
) -> list[tuple[Snowflake, bytes]]:
    """Return whose and the payloads of the users' events of a type, the oldest first."""
    table = deliveries.c
    query = (
        sa.select(table.discord_id, table.payload)
        .where(table.discord_id.in_(user_ids), table.kind == DeliveryKind.EVENT.value)
        .where(table.topic == event_type.value, table.created_at >= since)
        .order_by(table.sequence)
    )
    return [(Snowflake(row[0]), row[1]) for row in await connection.execute(query)]


async def count_waiting(connection: Connection) -> int:
    """Return how many events are not delivered yet."""
    query = sa.select(sa.func.count()).where(
        deliveries.c.topic.in_([one.value for one in EventType]), _waits()
    )
    count: int = await connection.scalar(query)
    return count


async def drop_oldest(
    connection: Connection, event_type: EventType, *, now: datetime, limit: int
) -> int:
    """Delete the oldest waiting events of a type that nobody is at work on; returns how many."""
    table = deliveries.c
    free = sa.or_(table.leased_until.is_(None), table.leased_until <= now)
    oldest = (
        sa.select(table.sequence)
        .where(table.topic == event_type.value, _waits(), free)
        .order_by(table.sequence)
        .limit(limit)
    )
    # Asked for twice: between the two, PostgreSQL may have given one to a worker.
    query = sa.delete(deliveries).where(table.sequence.in_(oldest), _waits(), free)
    return (await connection.execute(query)).rowcount


async def make_due(connection: Connection, now: datetime, *, limit: int) -> int:
    """Make waiting events due that were put off, the oldest first; returns how many."""
    table = deliveries.c
    put_off = (
        sa.select(table.sequence)
        .where(table.kind == DeliveryKind.EVENT.value, _waits(), table.due_at > now)
        .order_by(table.sequence)
        .limit(limit)
    )
    query = sa.update(deliveries).where(table.sequence.in_(put_off), _waits())
    return (await connection.execute(query.values(due_at=now))).rowcount


def _waits() -> sa.ColumnElement[bool]:
    return deliveries.c.state == DeliveryState.PENDING.value
