"""Leases: who may work on a delivery, and whose outcome counts."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import sqlalchemy as sa

from moddy.models import MAX_SNOWFLAKE, Snowflake
from moddy.store import leases
from moddy.store.database import Database, open_database
from moddy.store.deliveries import (
    Answer,
    DeliveryKind,
    DeliveryState,
    Outcome,
)
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.store.rows import (
    ADA,
    BEN,
    NOW,
    UNTIL,
    column,
    delivery,
    due,
    insert,
    lease,
    must_lease,
    record,
    state,
)

SECOND = timedelta(seconds=1)

DELIVERED = Outcome(state=DeliveryState.DELIVERED, answer=Answer(200, b"delivered"))


async def test_stored_and_leased_with_every_field(database: Database) -> None:
    row = delivery(1, user_id=Snowflake(MAX_SNOWFLAKE), payload=bytes(range(256)))
    await insert(database, row)
    leased = await must_lease(database, row)
    assert leased.user_id == str(MAX_SNOWFLAKE)
    assert (leased.id, leased.kind, leased.state) == (row.id, row.kind, DeliveryState.PENDING)
    assert (leased.payload, leased.created_at) == (row.payload, NOW)
    assert (leased.request_id, leased.tries, leased.leased_until) == ("request", 0, UNTIL)


async def test_due_in_the_order_of_acceptance(database: Database) -> None:
    rows = [delivery(n, user_id=Snowflake(1000 - n)) for n in range(1, 6)]
    await insert(database, *rows)
    assert await due(database) == [row.id for row in rows]
    assert await due(database, limit=2) == [row.id for row in rows[:2]]


async def test_not_due_yet(database: Database) -> None:
    row = delivery(1, created_at=NOW + SECOND)
    await insert(database, row)
    assert await due(database) == []
    assert await lease(database, row) is None
    assert await due(database, NOW + SECOND) == [row.id]


async def test_elder_of_the_same_user_and_kind_goes_first(database: Database) -> None:
    elder, younger = delivery(1), delivery(2)
    other_kind = delivery(3, kind=DeliveryKind.ROLES)
    other_user = delivery(4, user_id=BEN)
    await insert(database, elder, younger, other_kind, other_user)
    assert await due(database) == [elder.id, other_kind.id, other_user.id]
    assert await lease(database, younger) is None
    leased = await must_lease(database, elder)
    assert await lease(database, younger) is None  # in flight counts as well
    await record(
        database, leased, Outcome(state=DeliveryState.PENDING, due_at=NOW + timedelta(hours=1))
    )
    assert await lease(database, younger) is None  # and so does one that is due later
    leased = await must_lease(database, elder, now=NOW + timedelta(hours=1))
    assert await record(database, leased, DELIVERED)
    assert await lease(database, younger) is not None


async def test_leased_row_is_neither_due_nor_leased_again(database: Database) -> None:
    row = delivery(1)
    await insert(database, row)
    await must_lease(database, row)
    assert await due(database) == []
    assert await lease(database, row) is None
    assert await due(database, UNTIL - SECOND) == []


async def test_expired_lease_is_taken_over_and_fences_its_first_owner(database: Database) -> None:
    row = delivery(1)
    await insert(database, row)
    first = await must_lease(database, row)
    assert await due(database, UNTIL) == [row.id]
    second = await must_lease(database, row, now=UNTIL)
    assert not await record(database, first, DELIVERED)
    assert await state(database, row) is DeliveryState.PENDING
    assert await column(database, row, "tries") == 0
    assert await record(database, second, DELIVERED)
    assert not await record(database, second, DELIVERED)  # a lease is good for one outcome
    assert await column(database, row, "tries") == 1


async def test_fence_holds_to_the_microsecond(database: Database) -> None:
    row = delivery(1)
    await insert(database, row)
    first = await must_lease(database, row)
    await must_lease(database, row, now=UNTIL, until=UNTIL + timedelta(microseconds=1))
    assert not await record(database, first, DELIVERED)


async def test_twenty_at_once_and_one_wins(database: Database, migrated_url: str) -> None:
    rows = [delivery(n, user_id=Snowflake(n)) for n in range(1, 4)]
    await insert(database, *rows)
    async with open_database(migrated_url) as other:
        for row in rows:
            taken = await asyncio.gather(
                *(
                    lease((database, other)[n % 2], row, until=UNTIL + timedelta(microseconds=n))
                    for n in range(20)
                )
            )
            assert len([one for one in taken if one is not None]) == 1


async def test_what_may_have_been_sent_is_remembered(database: Database) -> None:
    """From the lease on until an outcome says that nothing was."""
    row = delivery(1)
    await insert(database, row)
    first = await must_lease(database, row)
    assert (first.sending_since, first.is_left_open) == (NOW, False)
    second = await must_lease(database, row, now=UNTIL)  # the first one never said anything
    assert (second.sending_since, second.is_left_open) == (NOW, True)
    open_again = Outcome(state=DeliveryState.PENDING, due_at=UNTIL, maybe_done=True)
    await record(database, second, open_again)
    third = await must_lease(database, row, now=UNTIL)
    assert third.sending_since == NOW
    await record(database, third, Outcome(state=DeliveryState.PENDING, due_at=UNTIL))
    assert await column(database, row, "sending_since") is None
    fourth = await must_lease(database, row, now=UNTIL)
    assert (fourth.sending_since, fourth.is_left_open) == (UNTIL, False)


async def test_due_of_some_kinds(database: Database) -> None:
    rows = [delivery(n, kind=kind) for n, kind in enumerate(DeliveryKind, start=1)]
    await insert(database, *rows)
    for row in rows:
        found = await database.read(
            lambda c, kind=row.kind: leases.find_due(c, NOW, kinds=[kind], limit=9)  # type: ignore[misc]
        )
        assert found == [(row.id, row.kind, ADA)]


async def test_release_leases(database: Database) -> None:
    leased, postponed, kept = (delivery(n, user_id=Snowflake(n)) for n in (1, 2, 3))
    await insert(database, leased, postponed, kept)
    await must_lease(database, leased)
    tomorrow = Outcome(state=DeliveryState.PENDING, due_at=NOW + timedelta(days=1))
    await record(database, await must_lease(database, postponed), tomorrow)
    await record(database, await must_lease(database, kept), Outcome(state=DeliveryState.KEPT))
    assert await database.transaction(lambda c: leases.release_leases(c, NOW)) == 2
    assert await due(database) == [leased.id, postponed.id]


async def test_kind_of_a_newer_version_is_left_alone(database: Database) -> None:
    """After going back a version, one row that this one cannot read must not stop the others."""
    strange, known = delivery(1), delivery(2)
    await insert(database, strange, known)
    unknown = sa.update(deliveries).where(deliveries.c.id == strange.id).values(kind="newer")

    async def work(connection: Connection) -> None:
        await connection.execute(unknown)

    await database.transaction(work)
    assert await due(database) == [known.id]
