"""What PostgreSQL is left with when Moddy has gone, or has given something up."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from moddy.store.postgresql import SERVER_PATIENCE, open_engine

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
SECONDS = 1.5  # in which a busy machine connects as well
AT_WORK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE $1
"""


@asynccontextmanager
async def driver_of_moddy(url: str, *, seconds: float) -> AsyncIterator[asyncpg.Connection]:
    """Give a connection as Moddy makes it."""
    engine = open_engine(url, connect_within=5, seconds=seconds, autocommit=True)
    try:
        async with engine.connect() as connection:
            yield (await connection.get_raw_connection()).driver_connection
    finally:
        await engine.dispose()


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Any]:
    """Give a function that waits until no other connection is in a state, a LIKE pattern."""
    watcher = await asyncpg.connect(url, timeout=10)

    async def wait_for_none(state: str) -> None:
        async with asyncio.timeout(20):
            while await watcher.fetchval(AT_WORK, state):  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.05)

    try:
        yield wait_for_none
    finally:
        await watcher.close()


async def test_a_statement_that_is_given_up_stops_there(postgresql_url: str) -> None:
    """Also when the connection is dropped at once; and no error is left to be told of later."""
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: said.append(about["message"]))
    async with watching(postgresql_url) as wait_for_none:
        for steps in range(12):
            async with driver_of_moddy(postgresql_url, seconds=60) as driver:
                asking = asyncio.create_task(driver.fetch(ENDLESS))
                await asyncio.sleep(0.02)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                for _ in range(steps):
                    await asyncio.sleep(0)
                driver.terminate()
        await wait_for_none("active")
    gc.collect()
    assert said == []


async def test_the_server_gives_up_a_statement_that_nobody_stops(postgresql_url: str) -> None:
    async with driver_of_moddy(postgresql_url, seconds=SECONDS) as driver:
        with pytest.raises(asyncpg.QueryCanceledError, match="statement timeout"):
            await driver.fetch(ENDLESS, timeout=20)


async def test_the_locks_of_one_that_vanished_are_given_back(postgresql_url: str) -> None:
    """Its connection stays open, as when the network between them is cut."""
    async with (
        watching(postgresql_url) as wait_for_none,
        driver_of_moddy(postgresql_url, seconds=SECONDS) as driver,
    ):
        await driver.execute("CREATE TABLE held (id integer)")
        await driver.execute("BEGIN")
        await driver.execute("LOCK TABLE held")
        await wait_for_none("idle in transaction%")


async def test_who_waits_gives_up_first(postgresql_url: str) -> None:
    """So that it is always told of in the same way."""
    assert SERVER_PATIENCE > 1
    async with driver_of_moddy(postgresql_url, seconds=SECONDS) as driver:
        with pytest.raises(TimeoutError):
            await driver.fetch(ENDLESS)
