"""Accepting requests: each once, whatever becomes of the connection that brought it."""

from __future__ import annotations

import secrets

from msgspec import Struct
from sqlalchemy.exc import IntegrityError

from moddy.errors import IdempotencyConflict
from moddy.models import Snowflake
from moddy.store import deliveries
from moddy.store.database import Database
from moddy.store.deliveries import Answer, Delivery, DeliveryKind, RequestContext
from moddy.store.group_commit import Work
from moddy.store.transactions import Connection


class Accepted(Struct, frozen=True, kw_only=True):
    """A request that is committed.

    Either `answer` is known already (`replayed` when an earlier request got it), or `delivery`
    is to be attempted, or both are None: an earlier request with the same key is under way.
    `queued` is the answer as long as there is no other.
    """

    queued: Answer
    delivery: Delivery | None = None
    answer: Answer | None = None
    replayed: bool = False


def new_delivery_id() -> str:
    """Return a random id of 24 hexadecimal digits; it serves as a nonce on Discord.

    Random from the first digit on, as people name a delivery by the beginning of its id.
    """
    # From the system each time: a forked process would repeat what a generator of ours gives.
    return secrets.token_hex(12)


async def accept(
    database: Database,
    kind: DeliveryKind,
    context: RequestContext,
    *,
    user_id: Snowflake,
    queued: Answer,
    store_new: Work[Accepted],
) -> Accepted:
    """Accept a request once: `store_new` runs unless its Idempotency-Key came before.

    Raises:
        IdempotencyConflict: the earlier request with this key had a different body.
        StoreUnavailable: nothing was accepted.
    """

    async def work(connection: Connection) -> Accepted:
        known = None
        if context.idempotency_key is not None:
            known = await deliveries.find_known(connection, kind, context.idempotency_key)
        if known is None:
            return await store_new(connection)
        if known.body_hash != context.body_hash:
            raise IdempotencyConflict("the body differs from the first one with this key")
        return Accepted(queued=queued, answer=known.answer, replayed=known.answer is not None)

    try:
        return await database.transaction(work, about=user_id, only_about=True)
    except IntegrityError:
        # Another process committed the same key between our look and our insert: look again.
        return await database.transaction(work, about=user_id, only_about=True)
