"""Acts by hand while a worker is at work on the same rows."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime

from moddy.console import acts
from moddy.console.acts import Results
from moddy.models import Snowflake
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.schedule import GIVE_UP_AFTER, after_failure
from moddy.store import console
from moddy.store.console import Action, Obstacle, Row, Selection
from moddy.store.database import Database, open_database
from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState, Outcome
from tests.fakes import FixedClock
from tests.store.rows import NOW, delivery, insert, must_lease, record

ROUNDS = 50
ACTOR = "somebody@somewhere"


async def rows_of(database: Database) -> list[Row]:
    return await database.read(lambda c: console.find(c, Selection()))


async def do(database: Database, action: Action, rows: list[Row]) -> Results:
    return await acts.do(database, action, rows, now=NOW, actor=ACTOR)


def pending(row: Delivery) -> Row:
    """A new delivery as a person saw it in the list."""
    return Row(
        id=row.id,
        kind=row.kind.value,
        user_id=row.user_id,
        state="pending",
        tries=0,
        last_error=None,
        request_id=None,
        created_at=NOW,
        due_at=NOW,
        leased_until=None,
        sending_since=None,
        retried_at=None,
        finished_at=None,
    )


def fail(leased: Delivery, now: datetime) -> Outcome:
    """What becomes of a delivery when its attempt fails."""
    return after_failure(
        leased,
        now=now,
        error="timeout",
        maybe_done=True,
        retry_after=None,
        uniform=lambda low, _high: low,
    )


async def wait_until_none_is_pending(database: Database) -> None:
    # The database tells nobody.
    while any(row.state == "pending" for row in await rows_of(database)):  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def test_drop_or_lease_but_never_both(database: Database, migrated_url: str) -> None:
    """Each of many rows is either attempted once or dropped, whoever comes first."""
    attempts: Counter[str] = Counter()
    generator = random.Random(7)  # noqa: S311 (not a secret)

    async def attempt(tried: Delivery) -> Outcome:
        attempts[tried.id] += 1
        await asyncio.sleep(generator.uniform(0, 0.01))
        return Outcome(state=DeliveryState.DELIVERED)

    rows = [delivery(n, user_id=Snowflake(n)) for n in range(1, ROUNDS + 1)]
    worker = Deliveries(
        database=database,
        clock=FixedClock(NOW),
        carriers={DeliveryKind.NOTIFY: Carrier(attempt=attempt)},
    )
    results = []
    async with open_database(migrated_url) as other:
        await rows_of(other)  # connects
        running = asyncio.create_task(worker.run())
        try:
            for row in rows:
                await insert(database, row)
                worker.wake()
                await asyncio.sleep(generator.uniform(0, 0.01))
                results.append(await do(other, Action.DROP, [pending(row)]))
            async with asyncio.timeout(10):
                await wait_until_none_is_pending(database)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    dropped = {row.id for result in results for row in result.done}
    obstacles = {obstacle for result in results for _, obstacle in result.failed}
    states = {row.id: row.state for row in await rows_of(database)}
    assert obstacles <= {Obstacle.LEASED, Obstacle.CHANGED}
    assert dropped.isdisjoint(attempts)
    assert set(attempts.values()) <= {1}
    assert states == {row.id: "dropped" if row.id in dropped else "delivered" for row in rows}
    assert dropped | set(attempts) == set(states)


async def test_an_attempt_that_outlived_its_lease_does_not_undo_a_drop(
    database: Database,
) -> None:
    row = delivery(1)
    await insert(database, row)
    leased = await must_lease(database, row, until=NOW)
    results = await do(database, Action.DROP, await rows_of(database))
    assert len(results.done) == 1
    assert not await record(database, leased, Outcome(state=DeliveryState.DELIVERED))
    assert [row.state for row in await rows_of(database)] == ["dropped"]


async def test_a_retried_one_is_not_given_up_at_its_first_failure(database: Database) -> None:
    """Accepted three days ago, it has three more days from the moment it was retried."""
    row = delivery(1, created_at=NOW - GIVE_UP_AFTER)
    await insert(database, row)
    leased = await must_lease(database, row)
    await record(database, leased, fail(leased, NOW))
    assert [row.state for row in await rows_of(database)] == ["dead"]
    await do(database, Action.RETRY, await rows_of(database))
    leased = await must_lease(database, row)
    assert fail(leased, NOW).state is DeliveryState.PENDING
    assert fail(leased, NOW + GIVE_UP_AFTER).state is DeliveryState.DEAD


async def test_two_people_at_once(database: Database, migrated_url: str) -> None:
    await insert(database, delivery(1))
    seen = await rows_of(database)
    async with open_database(migrated_url) as other:
        both = await asyncio.gather(*(do(one, Action.DROP, seen) for one in (database, other)))
    assert sorted(len(results.done) for results in both) == [0, 1]
    [(_, obstacle)] = [failure for results in both for failure in results.failed]
    assert obstacle is Obstacle.CHANGED
    assert len(await database.read(lambda c: console.find_acts(c, seen[0].id))) == 1
