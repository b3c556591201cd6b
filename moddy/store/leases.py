"""Leases: taking up a delivery, and recording what became of it.

A row is worked on by whoever holds its lease. The lease's end is also its fence: an outcome is
recorded only while the row still carries the very lease that the attempt was made under.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from msgspec import structs

from moddy.models import Snowflake
from moddy.store.delivery_rows import (
    UNFINISHED,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Outcome,
    is_free,
    read_row,
)
from moddy.store.prepared import Prepared
from moddy.store.tables import UtcDateTime, deliveries
from moddy.store.transactions import Connection


def _is_first() -> sa.ColumnElement[bool]:
    """Tell that no older pending delivery of the same kind to the same user is in its way.

    By the smallest number, which an index gives at once; looking for an elder row by row takes
    seconds when one user has thousands.
    """
    elder = deliveries.alias("elder")
    first = (
        sa.select(sa.func.min(elder.c.sequence))
        .where(
            elder.c.kind == deliveries.c.kind,
            elder.c.discord_id == deliveries.c.discord_id,
            elder.c.state == DeliveryState.PENDING.value,
        )
        .correlate(deliveries)
        .scalar_subquery()
    )
    return deliveries.c.sequence == first


# Made once: to put a statement together takes several times as long as to run it.
_ID = sa.bindparam("id", type_=sa.String)
_NOW = sa.bindparam("now", type_=UtcDateTime)
_TABLE = deliveries.c
_IS_DUE = sa.and_(
    _TABLE.state == DeliveryState.PENDING.value, _TABLE.due_at <= _NOW, is_free(_NOW), _is_first()
)
_LEASE = Prepared(
    sa.update(deliveries)
    .where(_TABLE.id == _ID, _IS_DUE)
    .values(
        leased_until=sa.bindparam("until", type_=UtcDateTime),
        # From here on nobody knows whether it is sent, until an outcome is recorded.
        sending_since=sa.func.coalesce(_TABLE.sending_since, _NOW),
    )
    .returning(*deliveries.c),
    told_by=["id"],
)
_FIND_DUE = (
    sa.select(_TABLE.id, _TABLE.kind, _TABLE.discord_id)
    .where(_IS_DUE, _TABLE.kind.in_(sa.bindparam("kinds", expanding=True)))
    .order_by(_TABLE.sequence)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
_RECORD = Prepared(
    sa.update(deliveries)
    .where(_TABLE.id == _ID, _TABLE.leased_until == sa.bindparam("lease", type_=UtcDateTime))
    .values(
        leased_until=None,
        tries=_TABLE.tries + sa.bindparam("counted", type_=sa.Integer),
        # The first answer stays.
        answer_status=sa.func.coalesce(
            _TABLE.answer_status, sa.bindparam("status", type_=sa.SmallInteger)
        ),
        answer_body=sa.func.coalesce(
            _TABLE.answer_body, sa.bindparam("body", type_=sa.LargeBinary)
        ),
    )
    .returning(_TABLE.id),
    writes=["state", "due_at", "sending_since", "last_error", "message_id", "finished_at"],
    told_by=["id"],
)


async def lease(
    connection: Connection, delivery_id: str, *, now: datetime, until: datetime
) -> Delivery | None:
    """Take a pending delivery that is due, until `until`.

    Returns None when it is not due, somebody else is at work on it, or an older delivery of the
    same kind to the same user has to go first.
    """
    values = {"id": delivery_id, "now": now, "until": until}
    for row in await connection.fetch(_LEASE, values):
        leased = read_row(dict(zip(_LEASE.names, row, strict=True)))
        since = leased.sending_since
        return structs.replace(leased, is_left_open=since is not None and since < now)
    return None


async def find_due(
    connection: Connection,
    now: datetime,
    *,
    kinds: Sequence[DeliveryKind] = tuple(DeliveryKind),
    limit: int,
) -> list[tuple[str, DeliveryKind, Snowflake]]:
    """Return what `lease` would give now of these kinds, in the order of acceptance.

    A newer Moddy may have left other kinds behind; they are for it to do.
    """
    values = {"now": now, "kinds": [kind.value for kind in kinds], "at_most": limit}
    rows = await connection.execute(_FIND_DUE, values)
    return [(row[0], DeliveryKind(row[1]), Snowflake(row[2])) for row in rows]


async def record(
    connection: Connection, delivery: Delivery, outcome: Outcome, *, now: datetime
) -> bool:
    """Record what an attempt ended with and give the lease back.

    Returns False when the lease was lost meanwhile: then nothing is recorded.
    """
    answer = outcome.answer
    values = {
        "id": delivery.id,
        "lease": delivery.leased_until,
        "counted": int(outcome.counted),
        "status": answer.status if answer else None,
        "body": answer.body if answer else None,
        "state": outcome.state.value,
        "due_at": outcome.due_at,
        "sending_since": delivery.sending_since if outcome.maybe_done else None,
        "last_error": outcome.error,
        "message_id": outcome.message_id,
        "finished_at": None if outcome.state in UNFINISHED else now,
    }
    return bool(await connection.fetch(_RECORD, values))


async def release_waiting(
    connection: Connection, now: datetime, *, user_ids: Collection[Snowflake] | None = None
) -> int:
    """Make deliveries that wait for a member due; of these users, or all. Returns how many."""
    table = deliveries.c
    query = sa.update(deliveries).where(table.state == DeliveryState.WAITING.value)
    if user_ids is not None:
        query = query.where(table.discord_id.in_(user_ids))
    values = {"state": DeliveryState.PENDING.value, "due_at": now}
    return (await connection.execute(query.values(values))).rowcount


async def release_leases(
    connection: Connection, now: datetime, *, besides: Collection[str] = ()
) -> int:
    """Make every pending delivery due and free, but those with the ids of `besides`.

    Only for a store that no other process serves from: their owner is known to be gone.
    """
    table = deliveries.c
    result = await connection.execute(
        sa.update(deliveries)
        .where(table.state == DeliveryState.PENDING.value, table.id.not_in(besides))
        .values(leased_until=None, due_at=now)
    )
    return result.rowcount


async def free(connection: Connection, leases: Mapping[str, datetime], *, now: datetime) -> None:
    """Give leases back before their time, as far as they are still the same."""
    table = deliveries.c
    for delivery_id, leased_until in leases.items():
        await connection.execute(
            sa.update(deliveries)
            .where(table.id == delivery_id, table.leased_until == leased_until)
            .values(leased_until=None, due_at=now)
        )
