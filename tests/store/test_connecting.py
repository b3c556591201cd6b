"""Making connections: early, as far as there are any, and cancelled in the middle."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from yarl import URL

from moddy.errors import StoreUnavailable
from moddy.store import memory
from moddy.store.database import Database, open_database
from moddy.store.postgresql import CONNECTED_EARLY
from moddy.store.transactions import Connection
from tests.open_files import open_files
from tests.postgres_server import Server


@contextmanager
def no_file_left() -> Iterator[None]:
    """Let this process open nothing more."""
    lowest_free = os.dup(0)
    os.close(lowest_free)
    with open_files(lowest_free):
        yield


@pytest.mark.parametrize("early", [True, False])
async def test_connections_made_early_need_no_file_later(database: Database, early: bool) -> None:
    both = threading.Barrier(2)

    async def read(connection: Connection) -> None:
        if database.is_sqlite:
            both.wait(5)  # on threads
        else:
            await connection.execute(sa.text("SELECT pg_sleep(0.2)"))

    async def remember(connection: Connection) -> None:
        await memory.remember(connection, "key", "value")

    if early:
        await database.connect()
    with no_file_left():
        works = database.read(read), database.read(read), database.transaction(remember)
        results = await asyncio.gather(*works, return_exceptions=True)
    failed = [error for error in results if error is not None]
    assert bool(failed) != early
    assert all(isinstance(error, StoreUnavailable) for error in failed)


async def test_connecting_that_is_cancelled_leaves_no_error_behind() -> None:
    """Of which asyncio would write a line, later and without a place."""
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: said.append(about["message"]))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        url = f"postgresql://moddy@127.0.0.1:{server.sockets[0].getsockname()[1]}/moddy"
        for steps in range(40):
            async with open_database(url) as database:
                asking = asyncio.create_task(database.ping())
                for _ in range(steps):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)  # they fail by themselves
    gc.collect()
    assert said == []


@pytest.mark.parametrize("places", [0, 1, 2, 9])
async def test_connecting_early_takes_what_there_is(
    postgresql_server: Server, postgresql_url: str, places: int
) -> None:
    role = f"crowded_{uuid.uuid4().hex}"
    postgresql_server.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT {places}")
    url = str(URL(postgresql_url).with_user(role))
    try:
        async with open_database(url) as database:
            if places == 0:
                with pytest.raises(StoreUnavailable):
                    await database.connect()
                return
            await database.connect()
            await database.ping()
            name = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'"  # noqa: S608
            connected = await database.read(lambda c: c.scalar(sa.text(name)))
            assert connected == min(places, CONNECTED_EARLY)
    finally:
        postgresql_server.execute(f"DROP ROLE {role}")
