"""The servers of the mixed load: an API beside a bot that is connected to the stand-in.

``python -m bench.beside``. At SIGUSR1 it writes how late gateway events were handled since the
last one, in milliseconds, to a file.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import discord
import msgspec
import uvloop
from msgspec import Struct
from yarl import URL

from bench.endpoint import SECRET, make_endpoint
from bench.processes import free_port
from moddy.app import open_moddy
from moddy.bot import ModdyBot, use_api_base
from moddy.config import LogFormat, LogLevel, load_settings
from moddy.gateway import connect_gateway
from moddy.logs import configure_logging
from moddy.store.database import open_database
from moddy.store.migrate import migrate
from moddy.web.server import serve
from tests.fakes import FakeMessenger


class Lags(Struct, frozen=True, kw_only=True):
    """Milliseconds from an event's sending to its listener."""

    count: int
    p50: float
    p99: float


class Lateness:
    """A listener that reads an event's moment of sending from the member's nickname."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lags: list[float] = []
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._report)

    async def on_member_update(self, _before: discord.Member, after: discord.Member) -> None:
        """Note one event."""
        self._lags.append(time.monotonic() - float(after.nick or 0))

    def _report(self) -> None:
        lags, self._lags = self._lags, []
        cuts = statistics.quantiles(lags or [0.0, 0.0], n=100)
        report = Lags(count=len(lags), p50=cuts[49] * 1000, p99=cuts[98] * 1000)
        part = self._path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(report))
        part.rename(self._path)


async def serve_moddy(
    port: int, discord_url: str, token: str, directory: Path, *, stored: bool
) -> None:
    """Run the whole of Moddy, and its API over a second store, if any, with Discord stubbed."""
    name = "stored" if stored else "moddy"
    lateness = Lateness(directory / f"{name}.lags")
    settings = load_settings(
        {
            "DISCORD_TOKEN": token,
            "DISCORD_API_BASE_URL": discord_url,
            "INTERNAL_API_SECRET": SECRET,
            "INTERNAL_PORT": str(free_port()),
            "BACKEND_INTERNAL_URL": "http://127.0.0.1:9",
            "DATABASE_URL": f"sqlite:///{directory}/{name}.db",
        },
        need_token=True,
    )

    @asynccontextmanager
    async def connect(bot: ModdyBot) -> AsyncIterator[None]:
        bot.add_listener(lateness.on_member_update)
        async with connect_gateway(bot, token):
            yield

    async with (
        open_database(f"sqlite:///{directory}/{name}-accepted.db") as database,
        open_moddy(settings, connect=connect, loopback=True) as moddy,
    ):
        await migrate(database)
        await moddy.bot.wait_until_ready()
        app = make_endpoint(database, FakeMessenger(), stored=stored)
        async with serve(app, port, setting="PORT", loopback=True):
            await asyncio.Event().wait()


async def serve_comparator(port: int, discord_url: str, token: str, directory: Path) -> None:
    """Run a bot, and FastAPI in a thread beside it."""
    from bench.comparator import make_api, serve_in_thread  # noqa: PLC0415 (not Moddy's memory)

    use_api_base(URL(discord_url))
    intents = discord.Intents.none()
    intents.guilds = intents.members = True
    bot = discord.AutoShardedClient(
        intents=intents, chunk_guilds_at_startup=False, guild_ready_timeout=1.0
    )
    bot.event(Lateness(directory / "comparator.lags").on_member_update)

    async def notify(_request: object) -> None:
        return None

    async def serve_when_ready() -> None:
        await bot.wait_until_ready()
        loop = asyncio.get_running_loop()
        serve_in_thread(make_api(SECRET, loop, notify=notify, is_ready=bot.is_ready), port)

    async with bot, asyncio.TaskGroup() as group:
        running = group.create_task(bot.start(token))
        await asyncio.sleep(0)  # `wait_until_ready` wants a login that has begun
        while not bot.is_ready():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        group.create_task(serve_when_ready())
        await running


@click.command()
@click.argument("kind", type=click.Choice(["moddy", "stored", "comparator"]))
@click.option("--port", type=int, required=True)
@click.option("--discord-url", required=True)
@click.option("--token", required=True)
@click.option("--directory", type=click.Path(path_type=Path), required=True)
def main(kind: str, port: int, discord_url: str, token: str, directory: Path) -> None:
    """Serve until SIGTERM."""
    configure_logging(LogLevel.INFO, LogFormat.JSON, gather=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if kind == "comparator":
            runner.run(serve_comparator(port, discord_url, token, directory))
        else:
            stored = kind == "stored"
            runner.run(serve_moddy(port, discord_url, token, directory, stored=stored))


if __name__ == "__main__":
    main()
