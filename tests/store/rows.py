"""Rows to begin a test with."""

from __future__ import annotations

import hashlib
from datetime import datetime

import sqlalchemy as sa

from moddy.models import Snowflake
from moddy.store import deliveries as store
from moddy.store import leases
from moddy.store.database import Database
from moddy.store.deliveries import (
    Answer,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Outcome,
    RequestContext,
)
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.fakes import START

NOW = START
UNTIL = NOW + store.LEASE
ADA = Snowflake("100000000000000001")
BEN = Snowflake("100000000000000002")


def delivery(
    number: int,
    *,
    user_id: Snowflake = ADA,
    kind: DeliveryKind = DeliveryKind.NOTIFY,
    state: DeliveryState = DeliveryState.PENDING,
    created_at: datetime = NOW,
    payload: bytes = b"{}",
) -> Delivery:
    return Delivery(
        id=f"{number:024x}",
        kind=kind,
        user_id=user_id,
        state=state,
        payload=payload,
        created_at=created_at,
        request_id=f"request-{number}",
    )


def context(key: str | None = None, body: bytes = b"{}") -> RequestContext:
    return RequestContext(
        request_id="request", body_hash=hashlib.sha256(body).digest(), idempotency_key=key
    )


async def insert(
    database: Database,
    *rows: Delivery,
    key: str | None = None,
    body: bytes = b"{}",
    answer: Answer | None = None,
) -> None:
    for row in rows:
        stored = row

        async def work(connection: Connection) -> None:
            await store.insert(connection, stored, context(key, body), answer=answer)  # noqa: B023

        await database.transaction(work)


async def lease(
    database: Database, row: Delivery, *, now: datetime = NOW, until: datetime | None = None
) -> Delivery | None:
    end = until or now + store.LEASE
    return await database.transaction(lambda c: leases.lease(c, row.id, now=now, until=end))


async def must_lease(
    database: Database, row: Delivery, *, now: datetime = NOW, until: datetime | None = None
) -> Delivery:
    leased = await lease(database, row, now=now, until=until)
    assert leased is not None
    return leased


async def record(
    database: Database, leased: Delivery, outcome: Outcome, *, now: datetime = NOW
) -> bool:
    return await database.transaction(lambda c: leases.record(c, leased, outcome, now=now))


async def due(database: Database, now: datetime = NOW, limit: int = 100) -> list[str]:
    found = await database.read(lambda c: leases.find_due(c, now, limit=limit))
    return [delivery_id for delivery_id, _, _ in found]


async def column(database: Database, row: Delivery, name: str) -> object:
    query = sa.select(deliveries.c[name]).where(deliveries.c.id == row.id)
    return await database.read(lambda c: c.scalar(query))


async def state(database: Database, row: Delivery) -> DeliveryState:
    return DeliveryState(await column(database, row, "state"))
