"""How long Moddy takes from process start to its first healthy answer, and what it then weighs.

Run from the repository, with the development environment: ``python -m bench.startup``. It starts
``python -m moddy`` several times against the tests' Discord stand-in, once on an empty store and
then on the one that is there, and does the same with a bare discord.py bot for comparison.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import click

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
SECRET = "bench"  # noqa: S105 (of a process that lives for seconds)


def resident_mib(pid: int) -> float:
    """Return a process's resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmRSS")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a process and wait for it."""
    process.terminate()
    await asyncio.wait_for(process.wait(), 15)


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


async def measure(rounds: int) -> None:
    """Print the table."""
    rows: dict[str, list[tuple[float, float]]] = {"moddy": [], "bare discord.py login": []}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with DiscordStandin() as discord:
            discord.add_guild()
            first, _ = await start_moddy(discord, directory)
            for _ in range(rounds):
                rows["moddy"].append(await start_moddy(discord, directory))
                rows["bare discord.py login"].append(await start_bare(discord, directory))
    click.echo(f"first start, on an empty store: {first:.2f} s")
    for label, figures in rows.items():
        seconds = [one[0] for one in figures]
        memory = statistics.median(one[1] for one in figures)
        click.echo(
            f"{label}: {statistics.median(seconds):.2f} s"
            f" ({min(seconds):.2f} to {max(seconds):.2f}), {memory:.0f} MiB"
        )


@click.command()
@click.option("--rounds", default=7, show_default=True, help="Starts of each.")
def main(rounds: int) -> None:
    """Measure start-up and idle memory, in turn with a bare discord.py bot."""
    asyncio.run(measure(rounds))


if __name__ == "__main__":
    main()
