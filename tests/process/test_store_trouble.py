"""The database cannot be written for a while: nothing is acknowledged that is not stored."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import asyncpg
import httpx
import pytest

from tests.postgres_server import Server
from tests.process.answers import DELIVERED, NO_STORE, QUEUED, notify_answer
from tests.process.full_disk import Store, postgresql_store, sqlite_store
from tests.process.moddy_process import ModdyProcess
from tests.process.outages import locked
from tests.process.stage import Stage, open_stage
from tests.standins.discord import User

LOCKED_SECONDS = 30.0
# Requests at once when the lock begins, and seconds between those that follow until its end.
AT_ONCE = 8
INTERVAL = 0.5
WHILE_FULL = 40
# Seconds within which a recovered Moddy has sent what it acknowledged.
SENT_BY = 30.0
READ_KEYS = "SELECT idempotency_key FROM deliveries WHERE idempotency_key IS NOT NULL"


class Asked(NamedTuple):
    """A request about a user and its answer; the user's id is its Idempotency-Key."""

    user: User
    answer: httpx.Response

    @property
    def is_refused(self) -> bool:
        """Whether it is the contract's refusal; AssertionError when it is anything unforeseen."""
        if self.answer.status_code != 503:
            assert notify_answer(self.answer) in (DELIVERED, QUEUED)
            return False
        assert notify_answer(self.answer) == NO_STORE
        assert int(self.answer.headers["Retry-After"]) > 0
        return True


async def ask(moddy: ModdyProcess, user: User) -> Asked:
    """Notify a user of something that needs room on a disk; for a user always of the same."""
    message = hashlib.shake_256(str(user.id).encode()).hexdigest(600)
    answer = await moddy.notify(
        user.id,
        key=str(user.id),
        action="subscription_updated",
        metadata={"message": message},
    )
    return Asked(user, answer)


async def read_keys(url: str) -> set[str]:
    """Return the keys of the requests that are stored."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.partition("///")[2])) as file:
            return {key for (key,) in file.execute(READ_KEYS)}
    connection = await asyncpg.connect(url)
    try:
        return {row[0] for row in await connection.fetch(READ_KEYS)}
    finally:
        await connection.close()


async def check_recovery(
    stage: Stage, moddy: ModdyProcess, url: str, asked: Sequence[Asked]
) -> None:
    """What was acknowledged is there; the rest is accepted now; everybody is told once."""
    refused = [one.user for one in asked if one.is_refused]
    acknowledged = {str(one.user.id) for one in asked if not one.is_refused}
    assert acknowledged <= await read_keys(url)
    await moddy.wait_healthy()
    for user in refused:
        assert notify_answer((await ask(moddy, user)).answer) == DELIVERED
    users = [one.user for one in asked]
    await stage.discord.wait_until(lambda: all(map(stage.message_count, users)), SENT_BY)
    assert [stage.message_count(user) for user in users] == [1] * len(users)


async def have_locked(stage: Stage, url: str) -> None:
    """Lock the database of a Moddy that is busy, and see it through."""
    number = AT_ONCE + round(LOCKED_SECONDS / INTERVAL)
    users = [stage.add_member(f"user-{number}") for number in range(number)]
    async with stage.moddy(DATABASE_URL=url, DM_OPENS_PER_MINUTE="100000") as moddy:
        await moddy.wait_healthy()
        asking = [asyncio.create_task(ask(moddy, user)) for user in users[:AT_ONCE]]
        async with locked(url):
            ends_at = time.monotonic() + LOCKED_SECONDS
            for user in users[AT_ONCE:]:
                await asyncio.sleep(INTERVAL)
                asking.append(asyncio.create_task(ask(moddy, user)))
            await asyncio.sleep(ends_at - time.monotonic())
        asked = await asyncio.gather(*asking)
        # Only the first and the last ones may have come in time.
        assert sum(one.is_refused for one in asked) > number / 2
        await check_recovery(stage, moddy, url, asked)


@pytest.mark.slow
async def test_locked_for_half_a_minute(
    tmp_path: Path, sqlite_url: str, postgresql_url: str
) -> None:
    """Both kinds of database, side by side."""

    async def run(name: str, url: str) -> None:
        directory = tmp_path / name
        directory.mkdir()
        async with open_stage(directory) as stage:
            await have_locked(stage, url)

    async with asyncio.TaskGroup() as both:
        both.create_task(run("sqlite", sqlite_url))
        both.create_task(run("postgresql", postgresql_url))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database on a disk that can be filled."""
    if request.param == "sqlite":
        opening = sqlite_store(tmp_path)
    else:
        server: Server = request.getfixturevalue("postgresql_server")
        opening = postgresql_store(server.binaries)
    with opening as opened:
        yield opened


async def test_a_full_disk(stage: Stage, store: Store) -> None:
    users = [stage.add_member(f"user-{number}") for number in range(WHILE_FULL)]
    async with stage.moddy(DATABASE_URL=store.url, DM_OPENS_PER_MINUTE="100000") as moddy:
        await moddy.wait_healthy()
        store.fill(moddy.pid)
        asked = [await ask(moddy, user) for user in users]
        # The rest of a page that the database has already may have taken the first ones.
        assert sum(one.is_refused for one in asked) > WHILE_FULL / 2
        stored = await read_keys(store.url)
        assert not {str(one.user.id) for one in asked if one.is_refused} & stored
        store.clear()
        await check_recovery(stage, moddy, store.url, asked)
