"""A load of requests over many lives of Moddy, each of them killed at a named point."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import aiohttp
import sqlalchemy as sa
from msgspec import Struct, structs

from moddy.store.database import Database, open_database
from moddy.store.deliveries import DeliveryState
from moddy.store.tables import deliveries
from tests.crashes.lives import Launcher
from tests.crashes.load import PAUSE, Backend, Feed, Reply, Request, make_requests
from tests.crashes.older_store import step_back
from tests.crashes.stage import Stage
from tests.crashes.verdict import KINDS, Verdict, judge
from tests.standins.discord import DiscordStandin

POINTS = (
    "accepted",
    "before send",
    "after send",
    "after record",
    "group commit",
    "migration",
)
SENDERS = 16
IDLE = 1.0  # seconds without a crash after which there was too little to do for one
# Seconds, and more of them for each request.
DRAINED_WITHIN = 60.0
DRAINED_PER_REQUEST = 0.05
REPLAYED_WITHIN = 120.0  # seconds
REPLAYED_AGAIN = 200


class Plan(Struct, frozen=True, kw_only=True):
    """How much is done in one run; `users` are members of the guild."""

    database_url: str
    directory: Path
    seed: int
    deliveries: int
    kills: int
    users: int


class Result(Struct, frozen=True, kw_only=True):
    """What came of it."""

    plan: Plan
    kills: Counter[str]
    verdict: Verdict
    seconds: float


async def run(plan: Plan) -> Result:
    """Run the whole of it. Raises TimeoutError when something never comes to an end."""
    random, started = Random(plan.seed), time.monotonic()  # noqa: S311 (not a secret)
    async with (
        DiscordStandin() as discord,
        Launcher() as launcher,
        aiohttp.ClientSession() as session,
    ):
        stage = Stage(discord, plan.database_url, plan.directory, users=plan.users)
        requests = make_requests(random, stage.user_ids, plan.deliveries)
        backend = Backend(session, stage.url, stage.secret)
        feed = Feed(requests, SENDERS)
        async with sending(feed, backend) as senders:
            kills = await crash_all(plan, random, stage, launcher, feed)
            feed.allow(len(requests))
            await launcher.start(stage.life())
            await drain(plan, backend, requests, senders)
        changed = await replay_twice(backend, requests, stage, launcher, random)
        async with open_database(plan.database_url) as database:
            verdict = await judge(database, discord, stage.guild, stage.role, requests)
    verdict = structs.replace(
        verdict, changed_answers=changed, error_lines=count_error_lines(stage.log)
    )
    return Result(plan=plan, kills=kills, verdict=verdict, seconds=time.monotonic() - started)


@asynccontextmanager
async def sending(feed: Feed, backend: Backend) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Have the senders at work; one that fails is found in the list."""
    tasks = [asyncio.create_task(feed.send(backend, number)) for number in range(SENDERS)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def crash_all(
    plan: Plan, random: Random, stage: Stage, launcher: Launcher, feed: Feed
) -> Counter[str]:
    """Let Moddy die as often as planned, about as often at each point; returns how often where.

    Each life gets its share of the requests, so that there is work for all of them.
    """
    share = max(1, plan.deliveries // (plan.kills + 1))
    points = [POINTS[number % len(POINTS)] for number in range(plan.kills)]
    random.shuffle(points)
    killed: Counter[str] = Counter()
    for number, point in enumerate(points, start=1):
        feed.allow(number * share)
        hit = 1 if point == "migration" else random.randint(1, share)
        if point == "migration" and number > 1:
            await step_back(plan.database_url)
        await launcher.start(stage.life(point, hit))
        killed[point] += await wait_for_crash(launcher, feed, share)
    return killed


async def wait_for_crash(launcher: Launcher, feed: Feed, share: int) -> bool:
    """Return whether the life ended by its crash; with too little to do for that it gets more."""
    ending = asyncio.create_task(launcher.wait())
    while not ending.done():
        await asyncio.wait({ending}, timeout=IDLE)
        if not ending.done():
            if feed.is_over:
                launcher.send_signal(signal.SIGKILL)
                await ending
                return False
            feed.allow(feed.given + share // 2 + 1)
    code = ending.result()
    if code != -signal.SIGKILL:
        raise RuntimeError(f"Moddy ended with {code}")
    return True


async def drain(
    plan: Plan, backend: Backend, requests: list[Request], senders: list[asyncio.Task[None]]
) -> None:
    """Wait until everything is acknowledged, and nothing is left to do."""
    patience = DRAINED_WITHIN + DRAINED_PER_REQUEST * len(requests)
    async with asyncio.timeout(patience), open_database(plan.database_url) as database:
        while len(backend.acknowledged) < len(requests) or await count_open(database):
            for task in senders:
                if task.done():
                    await task
            await asyncio.sleep(0.1)


async def count_open(database: Database) -> int:
    """Return how many deliveries are still to be attempted."""
    table = deliveries.c
    query = sa.select(sa.func.count()).where(
        table.state == DeliveryState.PENDING.value, table.kind.in_(KINDS)
    )
    return await database.read(lambda c: c.scalar(query)) or 0


async def replay_twice(
    backend: Backend, requests: list[Request], stage: Stage, launcher: Launcher, random: Random
) -> int:
    """Send everything again to this life, some of it to another; then end it.

    Returns how many answers were not the first final one, byte for byte. Role updates that a newer
    one replaced before they were attempted never have one: it stays at the 202.
    """
    first = await replay(backend, requests)
    await stop(launcher)
    await launcher.start(stage.life())
    some = random.sample(requests, min(REPLAYED_AGAIN, len(requests)))
    second = await replay(backend, some)
    await stop(launcher)
    expected = {**first, **backend.finals}
    return sum(
        (reply.status, reply.body) != (expected[key].status, expected[key].body)
        or reply.replayed != (reply.status != 202)
        for replies in (first, second)
        for key, reply in replies.items()
    )


async def replay(backend: Backend, requests: list[Request]) -> dict[str, Reply]:
    """Send requests again, one after the other, and return the answers."""
    found = {}
    async with asyncio.timeout(REPLAYED_WITHIN):
        for request in requests:
            while request.key not in found:
                try:
                    found[request.key] = await backend.post(request)
                except aiohttp.ClientConnectionError:  # a life that has just begun
                    await asyncio.sleep(PAUSE)
    return found


async def stop(launcher: Launcher) -> None:
    """End a life as a deployment does."""
    launcher.send_signal(signal.SIGTERM)
    code = await launcher.wait()
    if code:
        raise RuntimeError(f"Moddy ended with {code}")


def count_error_lines(log: Path) -> int:
    """Return how many lines of the log are errors, or no log lines at all."""
    lines = log.read_text().splitlines()
    return sum(_level(line) != "warning" for line in lines)


def _level(line: str) -> object:
    try:
        return json.loads(line)["level"]
    except (ValueError, KeyError, TypeError):
        return None
