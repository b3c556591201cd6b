"""What Moddy does while Discord hangs, and with events in the wrong order.

Run from the repository, with the development environment: ``python -m bench.outages``. Discord is
the tests' stand-in, which answers no call for a minute while the backend goes on notifying; the
events go straight into the services over a SQLite file.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from random import Random

import click

from moddy.ports import SystemClock
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.store.database import open_database
from moddy.store.migrate import migrate
from tests.fakes import FakeMessenger
from tests.process.stage import Stage
from tests.services.convergence import accept_all, count_wrong, make_arrivals
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin

USERS = 400
REQUESTS_PER_SECOND = 50
# Seconds until Moddy has noticed that Discord hangs; the requests before are counted apart.
NOTICED = 1.0


async def hang(seconds: float) -> tuple[list[float], float, set[int]]:
    """Return the seconds of each answer while Discord hangs, the longest before Moddy knew of
    that, and all statuses."""
    with tempfile.TemporaryDirectory() as name:
        async with DiscordStandin() as discord, BackendStandin() as backend:
            stage = Stage(discord, backend, Path(name))
            users = [stage.add_member(f"user-{number}") for number in range(USERS)]
            async with stage.moddy(LOG_LEVEL="ERROR", DM_OPENS_PER_MINUTE="100000") as moddy:
                await asyncio.sleep(3)  # it says so in its log, which is at level ERROR
                if await moddy.health() != "healthy":
                    raise click.ClickException("Moddy is not healthy")
                discord.faults.add(delay=seconds, times=None)
                taken: list[tuple[float, float, int]] = []
                started = time.monotonic()

                async def notify(number: int) -> None:
                    asked = time.monotonic()
                    answer = await moddy.notify(users[number % USERS].id, key=f"evt_{number}")
                    taken.append((asked, time.monotonic() - asked, answer.status_code))

                async with asyncio.TaskGroup() as group:
                    for number in range(int(seconds * REQUESTS_PER_SECOND)):
                        group.create_task(notify(number))
                        await asyncio.sleep(1 / REQUESTS_PER_SECOND)
                discord.faults.clear()
    noticed = started + NOTICED
    return (
        [lasted for asked, lasted, _ in taken if asked >= noticed],
        max(lasted for asked, lasted, _ in taken if asked < noticed),
        {status for _, _, status in taken},
    )


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
    lasted, first, statuses = asyncio.run(hang(seconds))
    quantiles = statistics.quantiles(lasted, n=100)
    click.echo(
        f"Discord hangs for {seconds:g} s, {REQUESTS_PER_SECOND} requests/s: statuses"
        f" {sorted(statuses)}, p50 {quantiles[49] * 1000:.0f} ms, p99 {quantiles[98] * 1000:.0f}"
        f" ms, longest {max(lasted) * 1000:.0f} ms; in its first {NOTICED:g} s {first:.1f} s"
    )
    wrong, took = asyncio.run(converge(users, events, seed))
    click.echo(
        f"{events:,} shuffled and repeated events about {users:,} users:"
        f" {wrong} users wrong, {took:.0f} s"
    )


if __name__ == "__main__":
    main()
