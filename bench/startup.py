"""How long Moddy takes from process start to its first healthy answer, and what it then weighs.

``python -m moddy`` is started several times against the tests' Discord stand-in, once on an empty
store and then on the one that is there, in turn with a bare discord.py bot. Of the bare bot's time
one second is discord.py's waiting for further guilds, halved already from its usual two; Moddy is
ready with the last guild that was announced.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

import aiohttp

from bench.endpoint import SECRET
from bench.processes import free_port, resident_mib, stop
from bench.tables import Row, ratios, spread
from tests.standins.discord import TOKEN, DiscordStandin

BARE_BOT = """
import os, sys, time
started = time.monotonic()
import discord
discord.http.Route.BASE = os.environ["DISCORD_API_BASE_URL"]
intents = discord.Intents.none()
intents.guilds = intents.members = True
bot = discord.AutoShardedClient(
    intents=intents, chunk_guilds_at_startup=False, guild_ready_timeout=1.0
)
@bot.event
async def on_ready():
    print("ready", flush=True)
bot.run(os.environ["DISCORD_TOKEN"], log_handler=None)
"""


async def start_moddy(discord: DiscordStandin, directory: Path) -> tuple[float, float]:
    """Return the seconds to healthy, and the resident MiB two seconds later."""
    port = free_port()
    environment = {
        **os.environ,
        "DISCORD_TOKEN": TOKEN,
        "DISCORD_API_BASE_URL": discord.rest_url,
        "INTERNAL_API_SECRET": SECRET,
        "INTERNAL_PORT": str(port),
        "BACKEND_INTERNAL_URL": "http://127.0.0.1:9",
        "DATABASE_URL": f"sqlite:///{directory / 'moddy.db'}",
        "PYTHONPATH": str(Path.cwd()),
    }
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "moddy",
        env=environment,
        cwd=directory,
        stdout=asyncio.subprocess.DEVNULL,
    )
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        while not await is_healthy(session, port):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.01)
    seconds = time.monotonic() - started
    await asyncio.sleep(2)
    memory = resident_mib(process.pid)
    await stop(process)
    return seconds, memory


async def is_healthy(session: aiohttp.ClientSession, port: int) -> bool:
    """Ask once; no answer is a no."""
    try:
        async with session.get(f"http://127.0.0.1:{port}/internal/health") as response:
            health = await response.json()
            return bool(health["status"] == "healthy")
    except aiohttp.ClientError:
        return False


async def start_bare(discord: DiscordStandin, directory: Path) -> tuple[float, float]:
    """Return the same figures for a bot that only logs in."""
    environment = {
        **os.environ,
        "DISCORD_TOKEN": TOKEN,
        "DISCORD_API_BASE_URL": discord.rest_url,
    }
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        BARE_BOT,
        env=environment,
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    if process.stdout is None or not await process.stdout.readline():
        raise RuntimeError("the bare bot ended")
    seconds = time.monotonic() - started
    await asyncio.sleep(2)
    memory = resident_mib(process.pid)
    await stop(process)
    return seconds, memory


async def measure(rounds: int, directory: Path) -> list[Row]:
    """Return the row."""
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    async with DiscordStandin() as discord:
        discord.add_guild()
        first, _ = await start_moddy(discord, directory)
        for _ in range(rounds):
            ours.append(await start_moddy(discord, directory))
            theirs.append(await start_bare(discord, directory))
    seconds = [one for one, _ in ours], [one for one, _ in theirs]
    return [
        Row(
            work="start to first healthy answer; beside it a bare discord.py login, "
            "of which 1 s is waiting for further guilds",
            moddy=f"{_cell(ours)}; on an empty store {first:.2f} s",
            comparator=_cell(theirs),
            ratio=ratios(*seconds, digits=2),
            target="1.2 x",
        )
    ]


def _cell(starts: list[tuple[float, float]]) -> str:
    memory = statistics.median(memory for _, memory in starts)
    return f"{spread([seconds for seconds, _ in starts], ' s', 2)}, {memory:.0f} MiB"
