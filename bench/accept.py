"""How many notifications a second Moddy accepts durably, and what share that is of none stored.

Run from the repository, with the development environment: ``python -m bench.accept``. The same
endpoint runs in a process of its own, once as shipped (each request committed to a SQLite file
with synchronous=FULL before it is answered) and once with a store that forgets; rounds are
interleaved. Discord is not called: every answer is the 202 of an accepted request.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import click
from aiohttp import web

from bench.startup import SECRET, free_port, stop
from moddy.config import LogFormat, LogLevel
from moddy.logs import configure_logging
from moddy.models import InternalNotifyUserRequest, Snowflake
from moddy.ports import SystemClock
from moddy.services import answers
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.health import Health
from moddy.services.intake import Accepted
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.services.roles import RoleUpdates
from moddy.store.database import Database, open_database
from moddy.store.deliveries import DeliveryKind, RequestContext
from moddy.store.migrate import migrate
from moddy.web.app import make_app
from moddy.web.server import serve
from tests.fakes import FakeMessenger, FakeRoles

CONNECTIONS = 64


class ForgetfulNotifications(Notifications):
    """Accepts without storing anything."""

    async def accept(self, request: InternalNotifyUserRequest, context: RequestContext) -> Accepted:
        """Say that it is accepted."""
        return Accepted(queued=answers.NOTIFY_QUEUED)


def make_endpoint(database: Database, *, stored: bool) -> web.Application:
    """Return the internal API over real services; Discord is never ready."""
    clock = SystemClock()
    premium = Premium(database=database, clock=clock, premium_plans=frozenset({"moddy_max"}))
    kind = Notifications if stored else ForgetfulNotifications
    notifications = kind(
        database=database,
        clock=clock,
        messenger=FakeMessenger(),
        premium=premium,
        fallback_channel_id=None,
    )
    carrier = Carrier(attempt=notifications.attempt, is_ready=lambda: False)
    return make_app(
        secret=SECRET,
        previous_secret=None,
        notifications=notifications,
        role_updates=RoleUpdates(
            database=database,
            clock=clock,
            roles=FakeRoles(Snowflake("1")),
            guild_id=None,
            premium_role_id=None,
            premium_plans=premium.premium_plans,
        ),
        premium_service=premium,
        deliveries=Deliveries(
            database=database, clock=clock, carriers={DeliveryKind.NOTIFY: carrier}
        ),
        health_service=Health(database=database, is_gateway_ready=lambda: True),
    )


async def serve_endpoint(port: int, path: str, *, stored: bool) -> None:
    """Serve until cancelled."""
    async with open_database(f"sqlite:///{path}") as database:
        await migrate(database)
        app = make_endpoint(database, stored=stored)
        async with serve(app, port, setting="INTERNAL_PORT", loopback=True):
            await asyncio.Event().wait()


@asynccontextmanager
async def endpoint(path: Path, *, stored: bool) -> AsyncIterator[str]:
    """Run the endpoint in a process of its own; yields its address."""
    port = free_port()
    command = ["-m", "bench.accept", "--serve", str(port), "--path", str(path)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--stored" if stored else "--forgetful",
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:
            while not await answers_at(session, address):  # noqa: ASYNC110 (another process)
                await asyncio.sleep(0.05)
        yield address
    finally:
        await stop(process)


async def answers_at(session: aiohttp.ClientSession, address: str) -> bool:
    """Tell whether somebody serves there."""
    try:
        async with session.get(address) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def rate(address: str, seconds: float) -> float:
    """Return the requests a second that were answered 202."""
    headers = {"Authorization": f"Bearer {SECRET}"}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    count = 0
    end = time.monotonic() + seconds

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal count
        body = {"discord_id": "1", "action": "subscription_created", "plan": "moddy_max"}
        made = 0
        while time.monotonic() < end:
            made += 1
            body["discord_id"] = str(1 + number + made * CONNECTIONS)
            key = {"Idempotency-Key": f"{end}-{number}-{made}"}
            async with session.post("/internal/notify", json=body, headers=key) as response:
                if response.status != 202:
                    raise RuntimeError(f"answered {response.status}")
                count += 1

    async with aiohttp.ClientSession(address, headers=headers, connector=connector) as session:
        await asyncio.gather(*(client(session, number) for number in range(CONNECTIONS)))
    return count / seconds


async def measure(rounds: int, seconds: float) -> None:
    """Print the table."""
    stored: list[float] = []
    forgotten: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        durable = endpoint(Path(name) / "durable.db", stored=True)
        forgetful = endpoint(Path(name) / "forgetful.db", stored=False)
        async with durable as one, forgetful as other:
            for _ in range(rounds):
                stored.append(await rate(one, seconds))
                forgotten.append(await rate(other, seconds))
    shares = [a / b for a, b in zip(stored, forgotten, strict=True)]
    click.echo(f"committed to disk: {statistics.median(stored):.0f} a second")
    click.echo(f"nothing stored: {statistics.median(forgotten):.0f} a second")
    click.echo(f"share: {statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})")


@click.command()
@click.option("--rounds", default=7, show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="Of each round.")
@click.option("--serve", "port", type=int, hidden=True)
@click.option("--path", hidden=True)
@click.option("--stored/--forgetful", default=True, hidden=True)
def main(rounds: int, seconds: float, port: int | None, path: str, stored: bool) -> None:
    """Measure durable accepts, in turn with the same endpoint that stores nothing."""
    if port is None:
        asyncio.run(measure(rounds, seconds))
        return
    configure_logging(LogLevel.INFO, LogFormat.JSON)
    asyncio.run(serve_endpoint(port, path, stored=stored))


if __name__ == "__main__":
    main()
