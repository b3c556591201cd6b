"""How many deliveries wait, or were given up: what an operator looks at first."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct

from moddy.store.deliveries import UNFINISHED, DeliveryState
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection

PENDING = DeliveryState.PENDING.value
# Finished rows may be millions; an index leads to these without reading them.
STATES = (*UNFINISHED, DeliveryState.DEAD, DeliveryState.UNCERTAIN)


class Count(Struct, frozen=True, kw_only=True):
    """The deliveries of one kind in one state; `oldest`: when the first of them was accepted."""

    kind: str
    state: str
    count: int
    oldest: datetime


Backlog = list[Count]

# Made once: to put a statement together takes several times as long as to run it.
_COUNT = (
    sa.select(
        deliveries.c.kind,
        deliveries.c.state,
        sa.func.count().label("count"),
        sa.func.min(deliveries.c.created_at).label("oldest"),
    )
    .where(deliveries.c.state.in_([state.value for state in STATES]))
    .group_by(deliveries.c.kind, deliveries.c.state)
    .order_by(deliveries.c.kind, deliveries.c.state)
)


async def count(connection: Connection) -> Backlog:
    """Return how many deliveries there are in each of `STATES`, by kind and state."""
    rows = (await connection.execute(_COUNT)).all()
    return [
        Count(kind=kind, state=state, count=number, oldest=oldest)
        for kind, state, number, oldest in rows
    ]
