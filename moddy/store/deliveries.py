"""Deliveries: what Moddy has accepted and owes to a user on Discord.

A row is worked on by whoever holds its lease. The lease's end is also its fence: an outcome is
recorded only while the row still carries the very lease that the attempt was made under.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.models import Snowflake
from moddy.store.tables import deliveries


class DeliveryKind(Enum):
    """What is owed; also the scope of an Idempotency-Key, as each endpoint makes one kind."""

    NOTIFY = "notify"
    ROLES = "roles"
    EVENT = "event"  # for the backend
    REFUND = "refund"  # the message after a refund
    STAFF_LOG = "staff_log"  # what staff did, for the staff's channel


class DeliveryState(Enum):
    """Where a delivery stands."""

    PENDING = "pending"  # due now or later
    WAITING = "waiting"  # for the member to join
    KEPT = "kept"  # DMs closed: to be shown with the user's next command
    DELIVERED = "delivered"
    SHOWN = "shown"  # was kept, and has been shown
    REFUSED = "refused"  # can never succeed
    REPLACED = "replaced"  # by a newer role update
    STALE = "stale"  # an event older than the last one accepted
    DEAD = "dead"  # given up after many tries
    UNCERTAIN = "uncertain"  # may have been sent, and must not be sent twice: for a person
    DROPPED = "dropped"  # given up by a person


# How long a worker has for one attempt, all included. It outlives the longest attempt, so that
# nobody else starts while one is under way.
LEASE = timedelta(seconds=60)
UNFINISHED = (DeliveryState.PENDING, DeliveryState.WAITING, DeliveryState.KEPT)


class RequestContext(Struct, frozen=True, kw_only=True):
    """What came with a request beside its fields.

    `body_hash` is the SHA-256 of the body's JSON value; `idempotency_key` is None when the
    caller gave none.
    """

    request_id: str
    body_hash: bytes
    idempotency_key: str | None = None


class Answer(Struct, frozen=True):
    """An HTTP answer, kept so that a repeated request is answered byte for byte."""

    status: int
    body: bytes


class Delivery(Struct, frozen=True, kw_only=True):
    """One accepted request. `payload` is the JSON of its kind's own Struct."""

    id: str
    kind: DeliveryKind
    user_id: Snowflake
    state: DeliveryState
    payload: bytes
    created_at: datetime
    request_id: str | None = None
    tries: int = 0
    leased_until: datetime | None = None
    sending_since: datetime | None = None
    retried_at: datetime | None = None  # by a person
    # Leased: an attempt before the present one may have had its effect unnoticed.
    is_left_open: bool = False


class KnownRequest(Struct, frozen=True, kw_only=True):
    """What came of an earlier request with the same Idempotency-Key; no answer: not final yet."""

    body_hash: bytes
    answer: Answer | None


class Outcome(Struct, frozen=True, kw_only=True):
    """What an attempt ended with; `due_at` is set when the delivery is to be tried again.

    `answer` is the final answer to the caller; the first one recorded stays. `maybe_done`: it
    failed, and may have had its effect all the same. Not `counted`: nothing was tried.
    `message_id` is the message on Discord that it became.
    """

    state: DeliveryState
    answer: Answer | None = None
    due_at: datetime | None = None
    error: str | None = None
    maybe_done: bool = False
    counted: bool = True
    message_id: str | None = None


async def find_known(
    connection: AsyncConnection, kind: DeliveryKind, key: str
) -> KnownRequest | None:
    """Return the request that came with this Idempotency-Key before."""
    table = deliveries.c
    query = sa.select(table.body_hash, table.answer_status, table.answer_body).where(
        table.kind == kind.value, table.idempotency_key == key
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    answer = None if row[1] is None else Answer(row[1], row[2])
    return KnownRequest(body_hash=row[0], answer=answer)


async def insert(
    connection: AsyncConnection,
    delivery: Delivery,
    context: RequestContext,
    *,
    answer: Answer | None = None,
) -> None:
    """Store an accepted request, due at once; with an `answer` it is finished already."""
    await connection.execute(
        sa.insert(deliveries).values(
            id=delivery.id,
            kind=delivery.kind.value,
            discord_id=delivery.user_id,
            state=delivery.state.value,
            payload=delivery.payload,
            idempotency_key=context.idempotency_key,
            body_hash=context.body_hash,
            answer_status=answer.status if answer else None,
            answer_body=answer.body if answer else None,
            request_id=context.request_id,
            tries=0,
            due_at=None if answer else delivery.created_at,
            leased_until=delivery.leased_until,
            created_at=delivery.created_at,
            finished_at=delivery.created_at if answer else None,
        )
    )


async def lease(
    connection: AsyncConnection, delivery_id: str, *, now: datetime, until: datetime
) -> Delivery | None:
    """Take a pending delivery that is due, until `until`.

    Returns None when it is not due, somebody else is at work on it, or an older delivery of the
    same kind to the same user has to go first.
    """
    table = deliveries.c
    query = (
        sa.update(deliveries)
        .where(table.id == delivery_id, table.due_at <= now, _is_free(now), _is_first())
        .where(table.state == DeliveryState.PENDING.value)
        .values(
            leased_until=until,
            # From here on nobody knows whether it is sent, until an outcome is recorded.
            sending_since=sa.func.coalesce(table.sending_since, now),
        )
        .returning(*deliveries.c)
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    leased = _delivery(row)
    since = leased.sending_since
    return structs.replace(leased, is_left_open=since is not None and since < now)


async def find_answer(connection: AsyncConnection, delivery_id: str) -> Answer | None:
    """Return the final answer of a delivery, None while there is none."""
    table = deliveries.c
    query = sa.select(table.answer_status, table.answer_body).where(table.id == delivery_id)
    row = (await connection.execute(query)).first()
    return Answer(row[0], row[1]) if row is not None and row[0] is not None else None


async def find_due(
    connection: AsyncConnection,
    now: datetime,
    *,
    kinds: Sequence[DeliveryKind] = tuple(DeliveryKind),
    limit: int,
) -> list[tuple[str, DeliveryKind, Snowflake]]:
    """Return what `lease` would give now of these kinds, in the order of acceptance.

    A newer Moddy may have left other kinds behind; they are for it to do.
    """
    table = deliveries.c
    query = (
        sa.select(table.id, table.kind, table.discord_id)
        .where(table.state == DeliveryState.PENDING.value, table.due_at <= now)
        .where(_is_free(now), _is_first(), table.kind.in_([kind.value for kind in kinds]))
        .order_by(table.sequence)
        .limit(limit)
    )
    rows = await connection.execute(query)
    return [(row[0], DeliveryKind(row[1]), Snowflake(row[2])) for row in rows]


async def record(
    connection: AsyncConnection, delivery: Delivery, outcome: Outcome, *, now: datetime
) -> bool:
    """Record what an attempt ended with and give the lease back.

    Returns False when the lease was lost meanwhile: then nothing is recorded.
    """
    table = deliveries.c
    values: dict[str, object] = {
        "state": outcome.state.value,
        "tries": table.tries + 1 if outcome.counted else table.tries,
        "due_at": outcome.due_at,
        "leased_until": None,
        "sending_since": delivery.sending_since if outcome.maybe_done else None,
        "last_error": outcome.error,
        "message_id": outcome.message_id,
        "finished_at": None if outcome.state in UNFINISHED else now,
    }
    if outcome.answer is not None:
        values["answer_status"] = sa.func.coalesce(table.answer_status, outcome.answer.status)
        values["answer_body"] = sa.func.coalesce(table.answer_body, outcome.answer.body)
    result = await connection.execute(
        sa.update(deliveries)
        .where(table.id == delivery.id, table.leased_until == delivery.leased_until)
        .values(values)
    )
    return result.rowcount == 1


async def replace_older(
    connection: AsyncConnection, kind: DeliveryKind, user_id: Snowflake, *, now: datetime
) -> int:
    """Retire a user's deliveries of a kind that wait; one in flight is left to its worker."""
    table = deliveries.c
    states = [DeliveryState.PENDING.value, DeliveryState.WAITING.value]
    result = await connection.execute(
        sa.update(deliveries)
        .where(table.kind == kind.value, table.discord_id == user_id)
        .where(table.state.in_(states), _is_free(now))
        .values(state=DeliveryState.REPLACED.value, due_at=None, finished_at=now)
    )
    return result.rowcount


async def has_younger(connection: AsyncConnection, delivery: Delivery) -> bool:
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


async def release_waiting(
    connection: AsyncConnection, now: datetime, *, user_id: Snowflake | None = None
) -> int:
    """Make deliveries that wait for a member due; of one user, or all. Returns how many."""
    table = deliveries.c
    query = sa.update(deliveries).where(table.state == DeliveryState.WAITING.value)
    if user_id is not None:
        query = query.where(table.discord_id == user_id)
    values = {"state": DeliveryState.PENDING.value, "due_at": now}
    return (await connection.execute(query.values(values))).rowcount


async def release_leases(
    connection: AsyncConnection, now: datetime, *, besides: Collection[str] = ()
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


async def free(
    connection: AsyncConnection, leases: Mapping[str, datetime], *, now: datetime
) -> None:
    """Give leases back before their time, as far as they are still the same."""
    table = deliveries.c
    for delivery_id, leased_until in leases.items():
        await connection.execute(
            sa.update(deliveries)
            .where(table.id == delivery_id, table.leased_until == leased_until)
            .values(leased_until=None, due_at=now)
        )


async def claim_kept(
    connection: AsyncConnection, user_id: Snowflake, *, now: datetime, limit: int
) -> list[Delivery]:
    """Return the messages kept for a user whose DMs are closed, oldest first.

    For the length of a lease nobody else gets them.
    """
    table = deliveries.c
    oldest = (
        sa.select(table.id)
        .where(table.discord_id == user_id, table.state == DeliveryState.KEPT.value)
        .where(_is_free(now))
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
    return [_delivery(row) for row in sorted(rows, key=lambda row: row.sequence)]


async def find_message_ids(
    connection: AsyncConnection, user_id: Snowflake, *, since: datetime
) -> frozenset[str]:
    """Return the Discord messages that were sent to a user for deliveries finished since then."""
    table = deliveries.c
    query = sa.select(table.message_id).where(
        table.discord_id == user_id, table.message_id.is_not(None), table.finished_at >= since
    )
    return frozenset((await connection.execute(query)).scalars())


async def mark_shown(
    connection: AsyncConnection, delivery_ids: Sequence[str], now: datetime
) -> None:
    """Note that kept messages have been shown."""
    await connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.id.in_(delivery_ids))
        .where(deliveries.c.state == DeliveryState.KEPT.value)
        .values(state=DeliveryState.SHOWN.value, leased_until=None, finished_at=now)
    )


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    leased_until = deliveries.c.leased_until
    return sa.or_(leased_until.is_(None), leased_until <= now)


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


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    found = row._mapping
    return Delivery(
        id=found["id"],
        kind=DeliveryKind(found["kind"]),
        user_id=Snowflake(found["discord_id"]),
        state=DeliveryState(found["state"]),
        payload=found["payload"],
        created_at=found["created_at"],
        request_id=found["request_id"],
        tries=found["tries"],
        leased_until=found["leased_until"],
        sending_since=found["sending_since"],
        retried_at=found["retried_at"],
    )
