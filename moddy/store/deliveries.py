"""Deliveries: what Moddy has accepted and owes to a user on Discord.

How the worker takes them up is in `moddy.store.leases`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from moddy.models import Snowflake
from moddy.store.delivery_rows import (
    LEASE,
    UNFINISHED,
    Answer,
    Delivery,
    DeliveryKind,
    DeliveryState,
    KnownRequest,
    Outcome,
    RequestContext,
    is_free,
    read_row,
)
from moddy.store.prepared import Prepared
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection

__all__ = [
    "LEASE",
    "UNFINISHED",
    "Answer",
    "Delivery",
    "DeliveryKind",
    "DeliveryState",
    "KnownRequest",
    "Outcome",
    "RequestContext",
    "claim_kept",
    "find_answer",
    "find_known",
    "find_message_ids",
    "has_younger",
    "insert",
    "mark_shown",
    "replace_older",
]

# Made once: to put a statement together takes several times as long as to run it.
_INSERT = Prepared(
    sa.insert(deliveries).inline(),
    writes=(
        *("id", "kind", "discord_id", "state", "payload", "idempotency_key", "body_hash"),
        *("answer_status", "answer_body", "request_id", "tries", "due_at", "leased_until"),
        *("created_at", "finished_at"),
    ),
)
_FIND_KNOWN = Prepared(
    sa.select(
        deliveries.c.kind,
        deliveries.c.idempotency_key,
        deliveries.c.body_hash,
        deliveries.c.answer_status,
        deliveries.c.answer_body,
    ).where(
        deliveries.c.kind == sa.bindparam("kind"),
        deliveries.c.idempotency_key == sa.bindparam("idempotency_key"),
    ),
    told_by=("kind", "idempotency_key"),
)
_FIND_ANSWER = Prepared(
    sa.select(deliveries.c.answer_status, deliveries.c.answer_body).where(
        deliveries.c.id == sa.bindparam("id")
    )
)


async def find_known(connection: Connection, kind: DeliveryKind, key: str) -> KnownRequest | None:
    """Return the request that came with this Idempotency-Key before."""
    asked = {"kind": kind.value, "idempotency_key": key}
    for _, _, body_hash, status, body in await connection.fetch(_FIND_KNOWN, asked):
        answer = None if status is None else Answer(status, body)
        return KnownRequest(body_hash=body_hash, answer=answer)
    return None


async def insert(
    connection: Connection,
    delivery: Delivery,
    context: RequestContext,
    *,
    answer: Answer | None = None,
) -> None:
    """Store an accepted request, due at once; with an `answer` it is finished already."""
    await connection.fetch(
        _INSERT,
        {
            "id": delivery.id,
            "kind": delivery.kind.value,
            "discord_id": delivery.user_id,
            "state": delivery.state.value,
            "payload": delivery.payload,
            "idempotency_key": context.idempotency_key,
            "body_hash": context.body_hash,
            "answer_status": answer.status if answer else None,
            "answer_body": answer.body if answer else None,
            "request_id": context.request_id,
            "tries": 0,
            "due_at": None if answer else delivery.created_at,
            "leased_until": delivery.leased_until,
            "created_at": delivery.created_at,
            "finished_at": delivery.created_at if answer else None,
        },
    )


async def find_answer(connection: Connection, delivery_id: str) -> Answer | None:
    """Return the final answer of a delivery, None while there is none."""
    for status, body in await connection.fetch(_FIND_ANSWER, {"id": delivery_id}):
        return None if status is None else Answer(status, body)
    return None


async def replace_older(
    connection: Connection, kind: DeliveryKind, user_id: Snowflake, *, now: datetime
) -> int:
    """Retire a user's deliveries of a kind that wait; one in flight is left to its worker."""
    table = deliveries.c
    states = [DeliveryState.PENDING.value, DeliveryState.WAITING.value]
    result = await connection.execute(
        sa.update(deliveries)
        .where(table.kind == kind.value, table.discord_id == user_id)
        .where(table.state.in_(states), is_free(now))
        .values(state=DeliveryState.REPLACED.value, due_at=None, finished_at=now)
    )
    return result.rowcount


async def has_younger(connection: Connection, delivery: Delivery) -> bool:
    """Tell whether a newer delivery of the same kind to the same user was accepted."""
    younger = deliveries.alias("younger")
    query = (
        sa.select(younger.c.id)
        .join(deliveries, deliveries.c.id == delivery.id)
        .where(younger.c.kind == deliveries.c.kind)
        .where(younger.c.discord_id == deliveries.c.discord_id)
        .where(younger.c.sequence > deliveries.c.sequence)
        .limit(1)
    )
    return (await connection.execute(query)).first() is not None


async def claim_kept(
    connection: Connection, user_id: Snowflake, *, now: datetime, limit: int
) -> list[Delivery]:
    """Return the messages kept for a user whose DMs are closed, oldest first.

    For the length of a lease nobody else gets them.
    """
    table = deliveries.c
    # An expression in place of the column, or SQLite takes the index of the states for it: then
    # it reads what is kept for everybody.
    state = table.state + ""
    oldest = (
        sa.select(table.id)
        .where(table.discord_id == user_id, state == DeliveryState.KEPT.value)
        .where(is_free(now))
        .order_by(table.sequence)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    query = (
        sa.update(deliveries)
        .where(table.id.in_(oldest))
        .values(leased_until=now + LEASE)
        .returning(*deliveries.c)
    )
    rows = (await connection.execute(query)).all()
    return [read_row(row._mapping) for row in sorted(rows, key=lambda row: row.sequence)]


async def find_message_ids(
    connection: Connection, user_id: Snowflake, *, since: datetime
) -> frozenset[str]:
    """Return the Discord messages that were sent to a user for deliveries finished since then."""
    table = deliveries.c
    query = sa.select(table.message_id).where(
        table.discord_id == user_id, table.message_id.is_not(None), table.finished_at >= since
    )
    return frozenset((await connection.execute(query)).scalars())


async def mark_shown(connection: Connection, delivery_ids: Sequence[str], now: datetime) -> None:
    """Note that kept messages have been shown."""
    await connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.id.in_(delivery_ids))
        .where(deliveries.c.state == DeliveryState.KEPT.value)
        .values(state=DeliveryState.SHOWN.value, leased_until=None, finished_at=now)
    )
