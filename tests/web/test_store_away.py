"""The store is away: 503 with Retry-After in time, nothing accepted, then recovery."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from yarl import URL

from moddy.store.database import open_database
from moddy.store.migrate import migrate
from tests.postgres_server import Server
from tests.web.api import GUILD, Api, open_api

NOTIFY = {"discord_id": "42", "action": "subscription_created", "plan": "moddy_max"}
ROLES = {"discord_id": "42", "plan": "moddy_max"}
KEY = {"Idempotency-Key": "evt_1"}
Outage = Callable[[], AbstractContextManager[None]]


async def check_outage(api: Api, outage: Outage, *, reads: bool) -> None:
    """Check all answers during an outage and after it; `reads` tells whether reading fails too."""
    api.roles.add_member("42")
    with outage():
        started = time.monotonic()
        notify, roles, premium, health = await asyncio.gather(
            api.notify(NOTIFY, KEY),
            api.update_roles(ROLES, KEY),
            api.client.get("/internal/users/42/premium"),
            api.client.get("/internal/health"),
        )
        assert time.monotonic() - started < 9
        assert is_unavailable(notify)
        assert notify.json() == {
            "success": False,
            "message": "Store unavailable",
            "notification_sent": False,
        }
        assert is_unavailable(roles)
        assert roles.json() == {
            "success": False,
            "message": "Store unavailable",
            "roles_updated": False,
            "guild_id": GUILD,
        }
        assert is_unavailable(premium) == reads
        assert premium.json() == {"error": "Store unavailable"} or not reads
        assert health.status_code == 200
        assert (health.json()["status"] == "unhealthy") == reads
        assert (await api.client.get("/")).status_code == 200
    assert not api.messenger.asked
    assert not api.roles.changes
    await _until_healthy(api)
    assert not await api.rows()
    notify = await api.notify(NOTIFY, KEY)
    assert (notify.status_code, notify.headers.get("Idempotent-Replayed")) == (200, None)
    assert (await api.update_roles(ROLES, KEY)).json()["roles_updated"] is True
    assert (await api.read_premium("42"))["premium"] is True


def is_unavailable(response: httpx.Response) -> bool:
    """Tell whether an answer says to come back later."""
    return response.status_code == 503 and int(response.headers["Retry-After"]) > 0


@pytest.mark.slow
async def test_a_sqlite_file_that_another_program_has_locked(tmp_path: Path) -> None:
    path = tmp_path / "moddy.db"

    @contextmanager
    def lock() -> Iterator[None]:
        other = sqlite3.connect(f"file:{path}?mode=rw", uri=True, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()

    async with open_over(f"sqlite:///{path}") as api:
        await check_outage(api, lock, reads=False)


async def test_postgresql_that_takes_no_connections(
    postgresql_server: Server, postgresql_url: str
) -> None:
    """As while it starts, is full, or is being replaced."""
    name = URL(postgresql_url).path.removeprefix("/")
    end_others = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608

    @contextmanager
    def refuse() -> Iterator[None]:
        postgresql_server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        postgresql_server.execute(end_others)
        yield
        postgresql_server.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")

    async with open_over(postgresql_url) as api:
        await check_outage(api, refuse, reads=True)


async def test_postgresql_that_cannot_be_reached(postgresql_url: str) -> None:
    async with open_proxy(postgresql_url) as proxy, open_over(proxy.url) as api:
        await check_outage(api, proxy.refuse, reads=True)


@pytest.mark.slow
async def test_postgresql_that_falls_silent(postgresql_url: str) -> None:
    async with open_proxy(postgresql_url) as proxy, open_over(proxy.url) as api:
        await check_outage(api, proxy.fall_silent, reads=True)


@asynccontextmanager
async def open_over(url: str) -> AsyncIterator[Api]:
    """Open the API over a database of its own."""
    async with open_database(url) as database:
        await migrate(database)
        async with open_api(database) as api:
            yield api


class Proxy:
    """A way to PostgreSQL that can be cut, or lead nowhere."""

    def __init__(self, target: URL) -> None:
        self._target = target
        self._passing = asyncio.Event()
        self._passing.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    @contextmanager
    def refuse(self) -> Iterator[None]:
        """Reset every connection, old and new."""
        self._refusing = True
        self._cut()
        yield
        self._refusing = False

    @contextmanager
    def fall_silent(self) -> Iterator[None]:
        """Take everything and pass nothing on."""
        self._passing.clear()
        yield
        self._cut()
        self._passing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on both ways."""
        if self._refusing:
            writer.transport.abort()
            return
        assert self._target.host
        there = await asyncio.open_connection(self._target.host, self._target.port)
        self._writers |= {writer, there[1]}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(reader, there[1]))
            group.create_task(self._pass_on(there[0], writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def open_proxy(url: str) -> AsyncIterator[Proxy]:
    """Open a proxy to the database at `url`."""
    target = URL(url)
    proxy = Proxy(target)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        proxy.url = str(target.with_port(port))
        yield proxy


async def _until_healthy(api: Api) -> None:
    async with asyncio.timeout(15):
        while True:
            if (await api.client.get("/internal/health")).json()["status"] == "healthy":
                return
            await asyncio.sleep(0.1)
