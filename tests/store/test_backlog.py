"""Counting what waits and what was given up."""

from __future__ import annotations

from datetime import timedelta

from moddy.store import backlog
from moddy.store.backlog import STATES, Count
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind, DeliveryState
from tests.store.rows import NOW, delivery, insert


async def test_nothing_waits(database: Database) -> None:
    assert await database.read(backlog.count) == []


async def test_counts_by_kind_and_state(database: Database) -> None:
    ages = [
        (DeliveryKind.NOTIFY, DeliveryState.PENDING, 5),
        (DeliveryKind.NOTIFY, DeliveryState.PENDING, 60),
        (DeliveryKind.NOTIFY, DeliveryState.DEAD, 7),
        (DeliveryKind.ROLES, DeliveryState.WAITING, 3),
        (DeliveryKind.EVENT, DeliveryState.PENDING, 9),
    ]
    rows = [
        delivery(number, kind=kind, state=state, created_at=NOW - timedelta(seconds=age))
        for number, (kind, state, age) in enumerate(ages)
    ]
    await insert(database, *rows)
    assert await database.read(backlog.count) == [
        Count(kind="event", state="pending", count=1, oldest=NOW - timedelta(seconds=9)),
        Count(kind="notify", state="dead", count=1, oldest=NOW - timedelta(seconds=7)),
        Count(kind="notify", state="pending", count=2, oldest=NOW - timedelta(seconds=60)),
        Count(kind="roles", state="waiting", count=1, oldest=NOW - timedelta(seconds=3)),
    ]


async def test_what_is_finished_is_not_counted(database: Database) -> None:
    rows = [delivery(number, state=state) for number, state in enumerate(DeliveryState)]
    await insert(database, *rows)
    found = await database.read(backlog.count)
    assert {one.state for one in found} == {state.value for state in STATES}
    finished = {"delivered", "shown", "refused", "replaced", "stale", "dropped"}
    assert {one.state for one in found} == {one.value for one in DeliveryState} - finished
