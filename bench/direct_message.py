"""From the backend's request to the direct message at Discord, with nothing else going on."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

from bench.tables import Row, spread
from tests.process.stage import Stage
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin

MESSAGES = 60
PAUSE = 0.1  # seconds between two, so that each finds Moddy idle


async def measure(rounds: int, directory: Path) -> list[Row]:
    """Return the row."""
    async with DiscordStandin() as discord, BackendStandin() as backend:
        stage = Stage(discord, backend, directory)
        user = stage.add_member("ada")
        path = stage.messages_path(user)
        async with stage.moddy(DM_OPENS_PER_MINUTE="100000") as moddy:
            await moddy.wait_health("healthy")
            await moddy.notify(user.id, key="first")  # opens the channel
            medians, late = [], []
            for number in range(rounds):
                times = []
                for count in range(MESSAGES):
                    await asyncio.sleep(PAUSE)
                    started = time.time()
                    answer = await moddy.notify(user.id, key=f"{number}-{count}")
                    if answer.status_code != 200:
                        raise RuntimeError(f"answered {answer.status_code}")
                    call = next(c for c in reversed(discord.requests) if c.path == path)
                    times.append((call.time - started) * 1000)
                medians.append(statistics.median(times))
                late.append(statistics.quantiles(times, n=100)[98])
    cells = f"p50 {spread(medians, ' ms', 1)}, p99 {spread(late, ' ms', 1)}"
    return [Row(work="notify to direct message, idle", moddy=cells, target="p50 15 ms")]
