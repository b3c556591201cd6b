"""What Moddy does while Discord hangs, and with events in the wrong order.

Run from the repository, with the development environment: ``python -m bench.outages``. Discord is
the tests' stand-in, which answers no call for a minute while the backend goes on notifying; the
events go straight into the services over a SQLite file.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import click
import httpx

from moddy.ports import SystemClock
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.store.database import open_database
from moddy.store.migrate import migrate
from tests.fakes import FakeMessenger
from tests.process.moddy_process import START_SECONDS, ModdyProcess
from tests.process.stage import Stage
from tests.services.convergence import accept_all, count_wrong, make_arrivals
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin

USERS = 400
REQUESTS_PER_SECOND = 50
# Seconds by which Moddy has long noticed that Discord hangs; what comes later is told apart.
NOTICED = 1.0


class Taken(NamedTuple):
    """One answer: seconds from the hang's begin to the request, seconds it took, status."""

    asked_at: float
    lasted: float
    status: int


async def hang(seconds: float) -> list[Taken]:
    """Return the answers to the requests that are made while Discord hangs."""
    with tempfile.TemporaryDirectory() as name:
        async with DiscordStandin() as discord, BackendStandin() as backend:
            stage = Stage(discord, backend, Path(name))
            users = [stage.add_member(f"user-{number}") for number in range(USERS)]
            async with stage.moddy(LOG_LEVEL="ERROR", DM_OPENS_PER_MINUTE="100000") as moddy:
                await wait_healthy(moddy)
                discord.faults.add(delay=seconds, times=None)
                taken: list[Taken] = []
                started = time.monotonic()

                async def notify(number: int) -> None:
                    asked = time.monotonic()
                    answer = await moddy.notify(users[number % USERS].id, key=f"evt_{number}")
                    lasted = time.monotonic() - asked
                    taken.append(Taken(asked - started, lasted, answer.status_code))

                async with asyncio.TaskGroup() as group:
                    for number in range(int(seconds * REQUESTS_PER_SECOND)):
                        group.create_task(notify(number))
                        await asyncio.sleep(1 / REQUESTS_PER_SECOND)
                discord.faults.clear()
                return taken


async def wait_healthy(moddy: ModdyProcess) -> None:
    """Ask for the health until it is good; the log, at level ERROR, does not tell."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            with suppress(httpx.TransportError):
                if await moddy.health() == "healthy":
                    return
            await asyncio.sleep(0.1)


def describe(taken: Sequence[Taken]) -> str:
    """Return median, 99th percentile and maximum of how long the answers took."""
    quantiles = statistics.quantiles((one.lasted for one in taken), n=100)
    longest = max(one.lasted for one in taken)
    named = (("p50", quantiles[49]), ("p99", quantiles[98]), ("longest", longest))
    return ", ".join(f"{name} {lasted * 1000:.1f} ms" for name, lasted in named)


async def converge(users: int, events: int, seed: int) -> tuple[int, float]:
    """Return how many users are wrong after the events, and the seconds that these took."""
    with tempfile.TemporaryDirectory() as name:
        async with open_database(f"sqlite:///{name}/moddy.db") as database:
            await migrate(database)
            clock = SystemClock()
            premium = Premium(
                database=database, clock=clock, premium_plans=frozenset({"moddy_max"})
            )
            notifications = Notifications(
                database=database,
                clock=clock,
                messenger=FakeMessenger(),
                premium=premium,
                fallback_channel_id=None,
            )
            arrivals = make_arrivals(Random(seed), users=users, events=events)  # noqa: S311
            started = time.monotonic()
            await accept_all(notifications, arrivals)
            return await count_wrong(premium, arrivals), time.monotonic() - started


@click.command()
@click.option("--seconds", default=60.0, show_default=True, help="How long Discord hangs.")
@click.option("--events", default=100_000, show_default=True, help="Shuffled and repeated.")
@click.option("--users", default=1_000, show_default=True, help="Customers of the events.")
@click.option("--seed", default=1, show_default=True, help="Chooses the events and their order.")
def main(seconds: float, events: int, users: int, seed: int) -> None:
    """Measure the answers while Discord hangs, and whether events converge."""
    taken = asyncio.run(hang(seconds))
    click.echo(
        f"Discord hangs for {seconds:g} s, {REQUESTS_PER_SECOND} requests/s: {len(taken):,}"
        f" answers, statuses {sorted({one.status for one in taken})}; {describe(taken)}"
    )
    later = [one for one in taken if one.asked_at >= NOTICED]
    click.echo(f"without its first {NOTICED:g} s: {describe(later)}")
    click.echo(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    wrong, took = asyncio.run(converge(users, events, seed))
    click.echo(
        f"{events:,} shuffled and repeated events about {users:,} users:"
        f" {wrong} users wrong, {took:.0f} s"
    )


if __name__ == "__main__":
    main()
