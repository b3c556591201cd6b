"""What a caller is told to be committed is there for others, whatever went on before."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest
import sqlalchemy as sa

from moddy.errors import StoreUnavailable
from moddy.models import Snowflake
from moddy.store import backlog, users
from moddy.store.database import Database, open_database
from moddy.store.migrate import migrate
from moddy.store.tables import users as table
from moddy.store.transactions import Connection


@pytest.fixture
async def other(migrated_url: str) -> AsyncIterator[Database]:
    """The same database, from elsewhere."""
    async with open_database(migrated_url) as opened:
        yield opened


async def add(database: Database, number: int) -> None:
    user_id = Snowflake(str(number))
    await database.transaction(
        lambda c: users.save_locale(c, user_id, "fr"), about=user_id, only_about=True
    )


async def is_there(other: Database, number: int) -> bool:
    user = await other.read(lambda c: users.find(c, Snowflake(str(number))))
    return user.locale == "fr"


async def test_after_callers_who_left_at_any_moment(database: Database, other: Database) -> None:
    """One who leaves while a transaction begins must leave nobody inside it."""
    for number in range(1000, 1200):
        use = database.read if number % 3 else database.transaction
        leaving = asyncio.create_task(use(backlog.count))
        await asyncio.sleep(random.random() * 0.003)  # noqa: S311
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await add(database, number)
        assert await is_there(other, number)


async def test_after_a_server_that_stood_still(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a BEGIN, for longer than the store waits; nobody left."""
    async with (
        open_database(postgresql_url) as other,
        open_database(postgresql_url, timeout=1.0) as database,
    ):
        await migrate(other)
        await add(database, 1)
        execute = asyncpg.Connection.execute
        stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def stand_still(self: asyncpg.Connection, query: str, *args: object) -> object:
            if query.startswith("BEGIN"):
                monkeypatch.undo()
                stopped.set_result(self.get_server_pid())
                os.kill(stopped.result(), signal.SIGSTOP)
            return await execute(self, query, *args)

        monkeypatch.setattr(asyncpg.Connection, "execute", stand_still)
        late = asyncio.create_task(add(database, 2))
        await asyncio.sleep(1.4)
        os.kill(await stopped, signal.SIGCONT)
        with pytest.raises(StoreUnavailable):
            await late
        for number in range(3, 20):
            try:
                await add(database, number)
            except StoreUnavailable:
                await asyncio.sleep(0.1)
            else:
                assert await is_there(other, number)
        assert await is_there(other, 19)


async def test_unknown_error_after_a_commit_does_nothing_twice(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Works that may be committed are not taken for somebody's fault, and done once more."""
    runs: list[int] = []

    async def work(connection: Connection, number: int) -> None:
        runs.append(number)
        await users.lock(connection, Snowflake(str(number)))

    async with open_database(postgresql_url) as database:
        await migrate(database)
        execute = asyncpg.Connection.execute

        async def fail_after_commit(self: object, query: str, *args: object) -> object:
            done = await execute(self, query, *args)
            if query == "COMMIT":
                monkeypatch.undo()
                raise asyncpg.InternalClientError("unknown protocol state")
            return done

        monkeypatch.setattr(asyncpg.Connection, "execute", fail_after_commit)
        results = await asyncio.gather(
            *(database.transaction(lambda c, n=n: work(c, n)) for n in range(3)),  # type: ignore[misc]
            return_exceptions=True,
        )
        assert all(isinstance(result, StoreUnavailable) for result in results)
        assert runs == [0, 1, 2]
        query = sa.select(sa.func.count()).select_from(table)
        assert await database.read(lambda c: c.scalar(query)) == 3


async def test_schema_that_another_process_changes(postgresql_url: str) -> None:
    """As an upgrade beside a running Moddy does: nobody is refused for it."""
    async with open_database(postgresql_url) as database:
        await migrate(database)
        await asyncio.gather(*(add(database, number) for number in range(20)))
        async with database.connect_patiently() as connection, connection.begin():
            await connection.execute(sa.text("ALTER TABLE users ALTER COLUMN locale TYPE text"))
        await asyncio.gather(*(add(database, number) for number in range(20)))
        assert await is_there(database, 7)
