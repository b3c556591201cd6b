"""What a row of the `deliveries` table holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

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


def is_free(now: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    """Tell that nobody is at work on a row."""
    leased_until = deliveries.c.leased_until
    return sa.or_(leased_until.is_(None), leased_until <= now)


def read_row(found: Mapping[Any, Any]) -> Delivery:
    """Return a whole row of the table, by its columns' names, as a `Delivery`."""
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
