"""Events for the backend among the deliveries: each stored once, and only so many of them.

An event is a delivery of kind EVENT whose `topic` is the event's type.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.models import EventType, Snowflake
from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState
from moddy.store.tables import deliveries


class StoredEvent(Struct, frozen=True, kw_only=True):
    """What tells an event apart from a user's others."""

    id: str
    event_type: EventType
    created_at: datetime


async def insert_once(
    connection: AsyncConnection, delivery: Delivery, event_type: EventType, *, key: str
) -> bool:
    """Store an event, due at once; returns False when one with this key is stored already."""
    insert = sqlite_insert if connection.dialect.name == "sqlite" else postgresql_insert
    result = await connection.execute(
        insert(deliveries)
        .values(
            id=delivery.id,
            kind=DeliveryKind.EVENT.value,
            topic=event_type.value,
            discord_id=delivery.user_id,
            state=delivery.state.value,
            payload=delivery.payload,
            idempotency_key=key,
            body_hash=hashlib.sha256(delivery.payload).digest(),
            request_id=delivery.request_id,
            tries=0,
            due_at=delivery.created_at,
            created_at=delivery.created_at,
        )
        .on_conflict_do_nothing(index_elements=["kind", "idempotency_key"])
    )
    return result.rowcount == 1


async def find_newest(
    connection: AsyncConnection, user_id: Snowflake, event_types: tuple[EventType, ...]
) -> StoredEvent | None:
    """Return a user's last stored event of these types, whatever became of it."""
    table = deliveries.c
    query = (
        sa.select(table.id, table.topic, table.created_at)
        .where(table.discord_id == user_id, table.kind == DeliveryKind.EVENT.value)
        .where(table.topic.in_([one.value for one in event_types]))
        .order_by(table.sequence.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    return StoredEvent(id=row[0], event_type=EventType(row[1]), created_at=row[2])


async def count_waiting(connection: AsyncConnection) -> int:
    """Return how many events are not delivered yet."""
    query = sa.select(sa.func.count()).where(
        deliveries.c.topic.in_([one.value for one in EventType]), _waits()
    )
    return (await connection.execute(query)).scalar_one()


async def drop_oldest(
    connection: AsyncConnection, event_type: EventType, *, now: datetime, limit: int
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


async def make_due(connection: AsyncConnection, now: datetime, *, limit: int) -> int:
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
