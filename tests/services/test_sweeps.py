"""Sweeps: at their interval, in one process at a time, whatever becomes of that process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from moddy.errors import StoreUnavailable
from moddy.services.sweeps import Sweep, Sweeps
from moddy.store import claims
from moddy.store.database import Database, open_database
from tests.fakes import FixedClock, Gate

CLAIM = timedelta(seconds=20)
INTERVAL = 0.005
SOON_S = 5.0


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def other_database(database: Database, migrated_url: str) -> AsyncIterator[Database]:
    """The same store, opened as another process would."""
    async with open_database(migrated_url) as opened:
        yield opened


class Work:
    """Counts how often it is done; while `gate` is closed, it hangs."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.begun = 0
        self.done = 0
        self.errors: list[Exception] = []

    async def __call__(self) -> int:
        self.begun += 1
        await self.gate.pass_through()
        if self.errors:
            raise self.errors.pop()
        self.done += 1
        return 1

    async def wait_done(self, count: int) -> None:
        async with asyncio.timeout(SOON_S):
            while self.done < count:  # noqa: ASYNC110 (it counts what others do)
                await asyncio.sleep(0.001)


@asynccontextmanager
async def sweeping(
    database: Database,
    clock: FixedClock,
    *works: Callable[[], Awaitable[int]],
    claim: timedelta = CLAIM,
) -> AsyncIterator[asyncio.Task[None]]:
    """Have the works done as one process does them: the first is named 0, the next 1 …"""
    sweeps = [
        Sweep(name=str(number), work=work, interval=INTERVAL, claim=claim)
        for number, work in enumerate(works)
    ]
    task = asyncio.create_task(Sweeps(database=database, clock=clock, sweeps=sweeps).run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_free(database: Database, clock: FixedClock, name: str = "0") -> bool:
    """Tell whether a sweep can be claimed, and claim it until now."""
    now = clock.now()
    return await database.transaction(lambda c: claims.take(c, name, now=now, until=now))


async def test_at_once_and_again(database: Database, clock: FixedClock) -> None:
    work = Work()
    async with sweeping(database, clock, work):
        await work.wait_done(3)


async def test_one_process_at_a_time(
    database: Database, other_database: Database, clock: FixedClock
) -> None:
    one, other = Work(), Work()
    one.gate.close()
    async with sweeping(database, clock, one):
        await one.gate.reached.wait()
        async with sweeping(other_database, clock, other):
            await asyncio.sleep(20 * INTERVAL)
            assert (one.begun, other.begun) == (1, 0)
            one.gate.open()
            await asyncio.gather(one.wait_done(2), other.wait_done(2))


async def test_never_both_at_once(
    database: Database, other_database: Database, clock: FixedClock
) -> None:
    at_it = 0

    async def work() -> int:
        nonlocal at_it
        at_it += 1
        await asyncio.sleep(0.002)
        assert at_it == 1
        at_it -= 1
        finished.append(1)
        return 1

    finished: list[int] = []
    async with (
        sweeping(database, clock, work),
        sweeping(other_database, clock, work),
        asyncio.timeout(SOON_S),
    ):
        while len(finished) < 10:  # noqa: ASYNC110 (it counts what others do)
            await asyncio.sleep(0.001)
    assert at_it in (0, 1)


async def test_another_goes_on_when_one_dies_or_freezes_at_it(
    database: Database, clock: FixedClock
) -> None:
    now = clock.now()
    assert await database.transaction(
        lambda c: claims.take(c, "0", now=now, until=now + CLAIM)
    )  # and nobody ever gives it back
    work = Work()
    async with sweeping(database, clock, work):
        clock.advance(CLAIM - timedelta(microseconds=1))
        await asyncio.sleep(10 * INTERVAL)
        assert work.begun == 0
        clock.advance(timedelta(microseconds=1))
        await work.wait_done(1)


async def test_what_was_frozen_does_not_end_the_claim_of_another(
    database: Database, clock: FixedClock
) -> None:
    one = Work()
    one.gate.close()
    async with sweeping(database, clock, one):
        await one.gate.reached.wait()
        clock.advance(CLAIM)
        until = clock.now() + CLAIM
        assert await database.transaction(
            lambda c: claims.take(c, "0", now=clock.now(), until=until)
        )
        one.gate.open()
        await one.wait_done(1)
        await asyncio.sleep(10 * INTERVAL)
        assert one.begun == 1
    assert not await is_free(database, clock)


async def test_stopping_gives_the_claim_back(database: Database, clock: FixedClock) -> None:
    work = Work()
    work.gate.close()
    async with sweeping(database, clock, work):
        await work.gate.reached.wait()
        assert not await is_free(database, clock)
    assert await is_free(database, clock)


async def test_stops_with_its_claim(database: Database, clock: FixedClock) -> None:
    work = Work()
    work.gate.close()
    claim = timedelta(seconds=0.05)
    with capture_logs() as lines:
        async with sweeping(database, clock, work, claim=claim):
            async with asyncio.timeout(SOON_S):
                while work.begun < 2:  # noqa: ASYNC110 (it counts what others do)
                    await asyncio.sleep(0.001)
            assert work.done == 0
            work.gate.open()
            await work.wait_done(1)
    assert {line["event"] for line in lines} == {"sweep not done in its time", "swept"}


@pytest.mark.parametrize(
    "error", [StoreUnavailable("away"), RuntimeError("a fault"), TimeoutError("its own")]
)
async def test_goes_on_after_an_error(
    database: Database, clock: FixedClock, error: Exception
) -> None:
    failing, other = Work(), Work()
    failing.errors.append(error)
    async with sweeping(database, clock, failing, other) as task:
        await asyncio.gather(failing.wait_done(2), other.wait_done(2))
        assert not task.done()


async def test_one_does_not_hold_up_another(database: Database, clock: FixedClock) -> None:
    hanging, other = Work(), Work()
    hanging.gate.close()
    async with sweeping(database, clock, hanging, other):
        await other.wait_done(3)
    assert hanging.begun == 1
