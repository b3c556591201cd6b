"""Transactions, and what happens to them when the database is in trouble."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from moddy.errors import StoreUnavailable
from moddy.store import memory
from moddy.store.database import BUSY_TIMEOUT, Database, open_database
from moddy.store.migrate import migrate
from moddy.store.postgresql import POOL_SIZE, PostgresqlTransactions
from moddy.store.transactions import Connection
from tests.postgres_server import Server
from tests.store.holding import Holding


async def recall(database: Database, key: str = "key") -> str | None:
    return await database.read(lambda c: memory.recall(c, key))


async def remember(database: Database, value: str, key: str = "key") -> None:
    await database.transaction(lambda c: memory.remember(c, key, value))


@contextmanager
def locked_file(url: str) -> Iterator[None]:
    """Another program writes to the SQLite file."""
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


@asynccontextmanager
async def locked_table(url: str) -> AsyncIterator[None]:
    """Another program changes the table on PostgreSQL."""
    async with open_database(url) as other, other.connect_patiently() as connection:
        await connection.execute(sa.text("LOCK TABLE memory IN ACCESS EXCLUSIVE MODE"))
        yield


async def test_result_is_returned_and_committed(database: Database, migrated_url: str) -> None:
    async def work(connection: Connection) -> int:
        await memory.remember(connection, "key", "value")
        return 7

    assert await database.transaction(work) == 7
    async with open_database(migrated_url) as other:
        assert await recall(other) == "value"


async def test_error_rolls_everything_back(database: Database) -> None:
    async def work(connection: Connection) -> None:
        await memory.remember(connection, "key", "value")
        raise LookupError("of the caller's own")

    with pytest.raises(LookupError):
        await database.transaction(work)
    assert await recall(database) is None


async def test_refused_write_rolls_back_and_is_no_outage(database: Database) -> None:
    async def work(connection: Connection) -> None:
        await memory.remember(connection, "key", "value")
        for _ in range(2):
            insert = "INSERT INTO memory (key, value) VALUES ('twice', '')"
            await connection.execute(sa.text(insert))

    with pytest.raises(IntegrityError) as refused:
        await database.transaction(work)
    assert "twice" not in str(refused.value.params)
    assert await recall(database) is None


async def test_reader_does_not_wait_for_a_writer(database: Database) -> None:
    await remember(database, "before")
    holding = Holding(database)

    async def work(connection: Connection) -> None:
        await memory.remember(connection, "key", "after")
        await holding.hold(connection)

    async with asyncio.TaskGroup() as group:
        group.create_task(database.transaction(work))
        await holding.inside.wait()
        assert await asyncio.wait_for(recall(database), BUSY_TIMEOUT / 2) == "before"
        holding.release()
    assert await recall(database) == "after"


async def test_slow_work_is_an_outage_and_is_rolled_back(migrated_url: str) -> None:
    async with open_database(migrated_url, timeout=1.0) as database:
        await remember(database, "before")
        assert await recall(database) == "before"  # connected already, when it matters
        holding = Holding(database)

        async def work(connection: Connection) -> None:
            await memory.remember(connection, "key", "value")
            await holding.hold(connection)

        with pytest.raises(StoreUnavailable):
            await database.transaction(work)
        holding.release()
        assert await recall(database) == "before"
        await remember(database, "after")


async def test_slow_statement_is_an_outage_and_stops(migrated_url: str) -> None:
    """Nothing goes on in the background that the next transaction would have to wait for."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

    async def work(connection: Connection) -> None:
        await memory.remember(connection, "key", "value")
        await connection.execute(sa.text(endless))

    async with open_database(migrated_url, timeout=1.0) as database:
        await remember(database, "before")
        for run in (database.transaction, database.read):
            with pytest.raises(StoreUnavailable):
                await run(work)
            assert await recall(database) == "before"
        await remember(database, "after")


async def test_work_that_awaits_something_else_is_refused(database: Database) -> None:
    """On a thread nothing would ever wake it, and elsewhere others would wait for it."""

    async def work(connection: Connection) -> None:
        await memory.remember(connection, "key", "value")
        await asyncio.sleep(0.01)

    # On SQLite's thread it asks for the running loop before there is anything to await.
    with pytest.raises((RuntimeError, TypeError)):
        await database.transaction(work)
    assert await recall(database) is None


async def test_sqlite_is_durable(sqlite_url: str) -> None:
    async def pragma(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [await connection.scalar(sa.text(f"PRAGMA {name}")) for name in names]

    async with open_database(sqlite_url) as database:
        await migrate(database)
        everywhere = await asyncio.gather(*(database.read(pragma) for _ in range(3)))
    assert everywhere == [["wal", 2, 1]] * 3


@pytest.mark.slow
async def test_sqlite_locked_by_another_program(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        await migrate(database)
        await remember(database, "before")
        with locked_file(sqlite_url):
            started = time.perf_counter()
            with pytest.raises(StoreUnavailable):
                await remember(database, "during")
            waited = time.perf_counter() - started
            assert await recall(database) == "before"
        assert BUSY_TIMEOUT - 0.1 <= waited < BUSY_TIMEOUT + 2
        await remember(database, "after")
        assert await recall(database) == "after"


async def test_sqlite_locked_for_a_moment(sqlite_url: str) -> None:
    async with open_database(sqlite_url) as database:
        await migrate(database)
        with locked_file(sqlite_url):
            waiting = asyncio.create_task(remember(database, "value"))
            await asyncio.sleep(0.3)
            assert not waiting.done()
        await waiting
        assert await recall(database) == "value"


async def test_sqlite_threads_end_with_the_database(sqlite_url: str) -> None:
    before = threading.active_count()
    async with open_database(sqlite_url) as database:
        await migrate(database)
        await asyncio.gather(*(recall(database) for _ in range(5)))
        assert threading.active_count() > before
    async with asyncio.timeout(2):  # the loop hears of the end just before it
        while threading.active_count() > before:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)


async def test_sqlite_file_that_is_no_database(sqlite_url: str) -> None:
    with open(sqlite_url.removeprefix("sqlite:///"), "wb") as file:  # noqa: PTH123, ASYNC230
        file.write(b"not a database" * 1000)
    async with open_database(sqlite_url) as database:
        with pytest.raises(StoreUnavailable):
            await database.ping()


async def test_postgresql_locked_by_another_program(postgresql_url: str) -> None:
    async with open_database(postgresql_url) as database:
        await migrate(database)
        async with open_database(postgresql_url, timeout=1.0) as hurried:
            async with locked_table(postgresql_url):
                with pytest.raises(StoreUnavailable):
                    await remember(hurried, "during")
            await remember(hurried, "after")
            assert await recall(hurried) == "after"


async def test_postgresql_connections_cut(postgresql_url: str, postgresql_server: Server) -> None:
    async with open_database(postgresql_url) as database:
        await migrate(database)
        holding = Holding(database)

        async def work(connection: Connection) -> None:
            await memory.remember(connection, "key", "during")
            await holding.hold(connection)

        cut = asyncio.create_task(database.transaction(work))
        await holding.inside.wait()
        await asyncio.to_thread(_terminate, postgresql_server, postgresql_url)
        with pytest.raises(StoreUnavailable):
            await cut
        assert await recall(database) is None  # the next one connects anew by itself
        await remember(database, "after")


async def test_postgresql_takes_no_connections_for_a_while(
    postgresql_url: str, postgresql_server: Server
) -> None:
    """As while it starts, stops or is full: it answers, and what it answers is no."""
    name = postgresql_url.rpartition("/")[2]
    async with open_database(postgresql_url) as database:
        await migrate(database)
        await remember(database, "before")
        execute = postgresql_server.execute
        await asyncio.to_thread(execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await asyncio.to_thread(_terminate, postgresql_server, postgresql_url)
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                await recall(database)
        with pytest.raises(StoreUnavailable):
            await migrate(database)
        await asyncio.to_thread(execute, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert await recall(database) == "before"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
async def test_postgresql_addresses_as_railway_gives_them(postgresql_url: str, scheme: str) -> None:
    address = postgresql_url.partition("://")[2]
    async with open_database(f"{scheme}://{address}?sslmode=disable") as database:
        await migrate(database)


async def test_postgresql_without_free_connection(postgresql_url: str) -> None:
    async with open_database(postgresql_url) as database:
        await migrate(database)
        engine = database.engine
        hurried = Database(
            engine, PostgresqlTransactions(engine), patient=lambda: engine, timeout=1.0
        )
        holding = Holding(database)
        async with asyncio.TaskGroup() as group:
            for _ in range(POOL_SIZE):
                group.create_task(database.read(holding.hold))
            await asyncio.sleep(0.3)
            with pytest.raises(StoreUnavailable):
                await hurried.ping()
            holding.release()
        await hurried.ping()


def _terminate(server: Server, url: str) -> None:
    name = url.rpartition("/")[2]
    server.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    )
