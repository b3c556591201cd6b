"""Removing what is finished for long."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from moddy.store.deliveries import DeliveryState
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection

# What is pending, waiting or kept is not done, and what is uncertain is for a person to settle.
REMOVABLE = (
    DeliveryState.DELIVERED,
    DeliveryState.SHOWN,
    DeliveryState.REFUSED,
    DeliveryState.REPLACED,
    DeliveryState.STALE,
    DeliveryState.DEAD,
    DeliveryState.DROPPED,
)


async def remove_finished(connection: Connection, before: datetime, *, limit: int) -> int:
    """Remove deliveries that finished before that moment, the oldest ones first.

    Returns how many; fewer than `limit` means that there are no more.
    """
    table = deliveries.c
    # An expression in place of the column, or SQLite takes the index of the states for it: then
    # it reads and sorts every finished row for each batch.
    state = table.state + ""
    removable = sa.and_(table.finished_at < before, state.in_([one.value for one in REMOVABLE]))
    oldest = sa.select(table.sequence).where(removable).order_by(table.finished_at).limit(limit)
    # The condition once more: PostgreSQL looks at it again when a person has just had one retried.
    query = sa.delete(deliveries).where(table.sequence.in_(oldest), removable)
    return (await connection.execute(query)).rowcount
