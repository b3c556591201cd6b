"""Leaving `open_moddy` leaves no task, thread or socket."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from collections.abc import Callable, Set
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx

from moddy.app import open_moddy
from moddy.bot import ModdyBot
from moddy.config import load_settings
from moddy.gateway import connect_gateway
from tests.process.stage import Stage
from tests.standins.discord.clients import discord_py_at


def open_sockets() -> set[str]:
    """Return the names of this process's sockets."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:  # the one with which the directory is read
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


async def run_once(stage: Stage) -> None:
    """Run a whole Moddy in this loop, with a delivery, and leave it."""

    def connect(bot: ModdyBot) -> AbstractAsyncContextManager[None]:
        return connect_gateway(bot, stage.discord.token)

    alice = stage.add_member("alice")
    hanging = stage.discord.faults.add("POST", "*/messages", delay=3.5)
    with discord_py_at(stage.discord):
        async with open_moddy(load_settings(stage.settings), connect=connect) as moddy:
            headers = {"Authorization": f"Bearer {stage.backend.secret}"}
            async with httpx.AsyncClient(
                base_url=str(moddy.internal_url), headers=headers, trust_env=False
            ) as http:
                await asyncio.wait_for(moddy.bot.logged_in.wait(), 20)
                await asyncio.wait_for(moddy.bot.wait_until_ready(), 20)
                assert (await http.get("/internal/health")).json()["status"] == "healthy"
                body = {"discord_id": str(alice.id), "action": "subscription_created"}
                call = asyncio.create_task(http.post("/internal/notify", json=body, timeout=10))
                await stage.discord.wait_until(lambda: hanging.hits == 1)
                call.cancel()
                await asyncio.wait({call})


async def settle(is_settled: Callable[[], bool]) -> None:
    """Give the other ends of closed connections, all in this loop, some seconds to notice."""
    for _ in range(250):
        if is_settled():
            return
        await asyncio.sleep(0.02)


async def test_nothing_is_left(stage: Stage, database_url: str) -> None:
    stage.settings["DATABASE_URL"] = database_url
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    sockets = open_sockets()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        await run_once(stage)

        def left() -> tuple[Set[object], ...]:
            return (
                asyncio.all_tasks() - tasks,
                set(threading.enumerate()) - threads,
                open_sockets() - sockets,
            )

        await settle(lambda: not any(left()))
        gc.collect()
    assert left() == (set(), set(), set())
    assert [str(item.message) for item in caught if item.category is ResourceWarning] == []
