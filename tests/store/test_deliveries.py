"""Leases, their fence, and what becomes of deliveries."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from moddy.models import Snowflake
from moddy.store import deliveries as store
from moddy.store import leases
from moddy.store.database import Database
from moddy.store.deliveries import (
    Answer,
    Delivery,
    DeliveryKind,
    DeliveryState,
    KnownRequest,
    Outcome,
)
from tests.store.rows import (
    ADA,
    BEN,
    NOW,
    UNTIL,
    column,
    context,
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


async def test_outcome_without_a_try(database: Database) -> None:
    row = delivery(1)
    await insert(database, row)
    leased = await must_lease(database, row)
    await record(database, leased, Outcome(state=DeliveryState.PENDING, due_at=NOW, counted=False))
    assert await column(database, row, "tries") == 0


async def test_outcome_is_recorded(database: Database) -> None:
    row = delivery(1)
    await insert(database, row)
    leased = await must_lease(database, row)
    later = NOW + timedelta(seconds=5, microseconds=123)
    retry = Outcome(state=DeliveryState.PENDING, due_at=later, error="discord_unavailable")
    assert await record(database, leased, retry)
    assert await column(database, row, "due_at") == later
    assert await column(database, row, "last_error") == "discord_unavailable"
    assert await column(database, row, "finished_at") is None
    assert await database.read(lambda c: store.find_answer(c, row.id)) is None
    leased = await must_lease(database, row, now=later)
    assert leased.tries == 1
    assert await record(database, leased, DELIVERED, now=later)
    assert await column(database, row, "finished_at") == later
    assert await column(database, row, "last_error") is None
    assert await database.read(lambda c: store.find_answer(c, row.id)) == DELIVERED.answer
    assert await due(database, NOW + timedelta(days=365)) == []


async def test_first_answer_stays(database: Database) -> None:
    row = delivery(1, kind=DeliveryKind.ROLES)
    await insert(database, row)
    waiting = Outcome(state=DeliveryState.WAITING, answer=Answer(200, b"no member"))
    await record(database, await must_lease(database, row), waiting)
    await database.transaction(lambda c: leases.release_waiting(c, NOW))
    await record(database, await must_lease(database, row), DELIVERED)
    assert await database.read(lambda c: store.find_answer(c, row.id)) == waiting.answer
    assert await state(database, row) is DeliveryState.DELIVERED


@pytest.mark.parametrize("kept_open", [DeliveryState.WAITING, DeliveryState.KEPT])
async def test_what_is_owed_has_no_end(database: Database, kept_open: DeliveryState) -> None:
    row = delivery(1)
    await insert(database, row)
    await record(database, await must_lease(database, row), Outcome(state=kept_open))
    assert await column(database, row, "finished_at") is None
    assert await due(database, NOW + timedelta(days=365)) == []


async def test_answered_at_once_is_finished(database: Database) -> None:
    row = delivery(1, state=DeliveryState.STALE)
    await insert(database, row, key="k", answer=Answer(200, b"stale"))
    assert await due(database) == []
    assert await column(database, row, "finished_at") == NOW
    known = await database.read(lambda c: store.find_known(c, DeliveryKind.NOTIFY, "k"))
    assert known == KnownRequest(
        body_hash=context(body=b"{}").body_hash, answer=Answer(200, b"stale")
    )


async def test_replace_older_leaves_the_one_in_flight(database: Database) -> None:
    roles = DeliveryKind.ROLES
    rows = [delivery(n, kind=roles, user_id=ADA) for n in range(1, 4)]
    others = [delivery(4), delivery(5, kind=roles, user_id=BEN)]
    await insert(database, rows[0])
    await record(
        database, await must_lease(database, rows[0]), Outcome(state=DeliveryState.WAITING)
    )
    await insert(database, *rows[1:], *others)
    in_flight = await must_lease(database, rows[1])
    replaced = await database.transaction(lambda c: store.replace_older(c, roles, ADA, now=NOW))
    assert replaced == 2
    assert [await state(database, row) for row in rows] == [
        DeliveryState.REPLACED,
        DeliveryState.PENDING,
        DeliveryState.REPLACED,
    ]
    assert [await state(database, row) for row in others] == [DeliveryState.PENDING] * 2
    assert await column(database, rows[0], "finished_at") == NOW
    assert await record(database, in_flight, DELIVERED)


async def test_replace_older_takes_one_whose_lease_ran_out(database: Database) -> None:
    row = delivery(1, kind=DeliveryKind.ROLES)
    await insert(database, row)
    in_flight = await must_lease(database, row)
    await database.transaction(lambda c: store.replace_older(c, DeliveryKind.ROLES, ADA, now=UNTIL))
    assert await state(database, row) is DeliveryState.REPLACED
    assert await lease(database, row, now=UNTIL) is None
    assert await due(database, UNTIL) == []
    assert in_flight.leased_until == UNTIL


async def test_has_younger(database: Database) -> None:
    first, second = delivery(1), delivery(2)
    await insert(database, first, second, delivery(3, kind=DeliveryKind.ROLES))
    await insert(database, delivery(4, user_id=BEN))
    assert await database.read(lambda c: store.has_younger(c, first))
    assert not await database.read(lambda c: store.has_younger(c, second))


async def test_release_waiting(database: Database) -> None:
    rows = [delivery(n, user_id=user) for n, user in ((1, ADA), (2, BEN), (3, Snowflake(3)))]
    await insert(database, *rows)
    for row in rows[:2]:
        await record(
            database, await must_lease(database, row), Outcome(state=DeliveryState.WAITING)
        )
    later = NOW + timedelta(days=1)
    assert (
        await database.transaction(lambda c: leases.release_waiting(c, later, user_ids=[BEN])) == 1
    )
    assert await due(database, later) == [rows[1].id, rows[2].id]
    assert await database.transaction(lambda c: leases.release_waiting(c, later)) == 1
    assert await due(database, later) == [row.id for row in rows]


async def test_kept_messages_are_found_oldest_first_and_marked_shown(database: Database) -> None:
    rows = [delivery(n) for n in range(1, 4)]
    await insert(database, *rows, delivery(9, user_id=BEN))
    for row in rows:
        await record(database, await must_lease(database, row), Outcome(state=DeliveryState.KEPT))
    kept = await claim_kept(database, NOW)
    assert [one.id for one in kept] == [row.id for row in rows[:2]]
    assert [one.id for one in await claim_kept(database, NOW)] == [rows[2].id]
    later = NOW + store.LEASE
    await database.transaction(lambda c: store.mark_shown(c, [kept[0].id], later))
    # What was claimed and not shown comes back.
    assert [one.id for one in await claim_kept(database, later)] == [rows[1].id, rows[2].id]
    assert await state(database, rows[0]) is DeliveryState.SHOWN
    assert await column(database, rows[0], "finished_at") == later


async def claim_kept(database: Database, now: datetime) -> list[Delivery]:
    return await database.transaction(lambda c: store.claim_kept(c, ADA, now=now, limit=2))


async def test_leases_are_given_back_as_far_as_they_are_the_same(database: Database) -> None:
    rows = [delivery(n, user_id=Snowflake(n)) for n in range(1, 3)]
    await insert(database, *rows)
    leased = [await must_lease(database, row) for row in rows]
    held = {one.id: UNTIL for one in leased} | {rows[1].id: UNTIL + SECOND}
    await database.transaction(lambda c: leases.free(c, held, now=NOW))
    assert await due(database, NOW) == [rows[0].id]


async def test_message_ids_of_other_deliveries(database: Database) -> None:
    rows = [delivery(n) for n in range(1, 4)]
    await insert(database, *rows)
    for row, message_id in zip(rows, ("11", "12", None), strict=True):
        outcome = Outcome(state=DeliveryState.DELIVERED, message_id=message_id)
        await record(database, await must_lease(database, row), outcome)
    for since, expected in ((NOW - SECOND, {"11", "12"}), (NOW + SECOND, set())):
        found = await database.read(
            lambda c, since=since: store.find_message_ids(c, ADA, since=since)  # type: ignore[misc]
        )
        assert found == expected


async def test_idempotency_key_is_unique_per_kind(database: Database) -> None:
    await insert(database, delivery(1), key="key", body=b"1")
    await insert(database, delivery(2, kind=DeliveryKind.ROLES), key="key", body=b"2")
    with pytest.raises(IntegrityError):
        await insert(database, delivery(3), key="key")
    await insert(database, delivery(4))  # without a key there is no limit
    await insert(database, delivery(5))
    for kind, body in ((DeliveryKind.NOTIFY, b"1"), (DeliveryKind.ROLES, b"2")):
        known = await database.read(lambda c, k=kind: store.find_known(c, k, "key"))  # type: ignore[misc]
        assert known == KnownRequest(body_hash=context(body=body).body_hash, answer=None)
    assert await database.read(lambda c: store.find_known(c, DeliveryKind.NOTIFY, "other")) is None


async def test_longest_idempotency_key(database: Database) -> None:
    await insert(database, delivery(1), key="~" * 255)
    known = await database.read(lambda c: store.find_known(c, DeliveryKind.NOTIFY, "~" * 255))
    assert known is not None
    assert (
        await database.read(lambda c: store.find_known(c, DeliveryKind.NOTIFY, "~" * 254)) is None
    )
