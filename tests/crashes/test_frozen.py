"""A process that is stopped in the middle of a delivery, for longer than its lease."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.crashes.lives import Launcher
from tests.crashes.load import NOTIFY, PREMIUM_PLAN, ROLES, Backend, Request
from tests.crashes.stage import LEASE, Stage
from tests.process.moddy_process import free_port
from tests.standins.discord import DiscordStandin

DELAY = LEASE / 2  # seconds


class Pair:
    """Two Moddys on one database; only the second one is never stopped."""

    def __init__(self, stage: Stage, launcher: Launcher, first: Backend, second: Backend) -> None:
        self.stage = stage
        self.launcher = launcher
        self.first = first
        self.second = second

    def outcomes(self) -> list[bool]:
        """Return of each attempt so far whether its outcome was recorded."""
        lines = map(json.loads, self.stage.log.read_text().splitlines())
        return [line["recorded"] for line in lines if line["message"] == "delivery attempted"]

    async def wait_outcomes(self, count: int) -> None:
        """Wait until so many attempts have ended."""
        async with asyncio.timeout(15):
            while len(self.outcomes()) < count:  # noqa: ASYNC110 (of other processes)
                await asyncio.sleep(0.05)


@pytest.fixture
async def pair(
    discord: DiscordStandin, launcher: Launcher, postgresql_url: str, tmp_path: Path
) -> AsyncIterator[Pair]:
    stage = Stage(discord, postgresql_url, tmp_path, users=1)
    stage.settings["LOG_LEVEL"] = "INFO"
    port = free_port()
    async with Launcher() as other, aiohttp.ClientSession() as session:
        await launcher.start(stage.life())
        await other.start(stage.life(port=port))
        first = Backend(session, stage.url, stage.secret)
        second = Backend(session, f"http://127.0.0.1:{port}", stage.secret)
        for backend in (first, second):
            await backend.wait_healthy()
        yield Pair(stage, launcher, first, second)


def request(key: str, user_id: int, path: str, **fields: str) -> Request:
    body = {"discord_id": str(user_id), "plan": PREMIUM_PLAN, **fields}
    return Request(key=key, user_id=user_id, path=path, body=body)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/channels/*/messages", "/users/@me/channels"])
async def test_a_message_is_sent_once(pair: Pair, path: str) -> None:
    """It is stopped while Discord has the message, or is about to get it."""
    discord, (user,) = pair.stage.discord, pair.stage.users
    slow = discord.faults.add("POST", path, delay=DELAY)
    notice = request("evt", user.id, NOTIFY, action="subscription_created")
    sending = asyncio.create_task(pair.first.post(notice))
    await discord.wait_until(lambda: slow.hits == 1)
    pair.launcher.send_signal(signal.SIGSTOP)
    await pair.wait_outcomes(1)  # the other one's, after the lease
    assert len(discord.dms[user.id]) == 1
    pair.launcher.send_signal(signal.SIGCONT)
    await pair.wait_outcomes(2)
    await asyncio.gather(sending, return_exceptions=True)
    # What the stopped one found is not recorded: the lease was not its own any more.
    assert pair.outcomes() == [True, False]
    assert len(discord.dms[user.id]) == 1
    repeated = await pair.second.post(notice)
    assert (repeated.status, repeated.replayed) == (200, True)


@pytest.mark.slow
async def test_an_older_role_update_does_not_land_after_a_newer_one(pair: Pair) -> None:
    discord, (user,) = pair.stage.discord, pair.stage.users
    slow = discord.faults.add("GET", "/guilds/*/members/*", delay=DELAY)
    older = asyncio.create_task(pair.first.post(request("on", user.id, ROLES)))
    await discord.wait_until(lambda: slow.hits == 1)
    pair.launcher.send_signal(signal.SIGSTOP)
    newer = await pair.second.post(request("off", user.id, ROLES, plan="free"))
    assert newer.status in (200, 202)
    await pair.wait_outcomes(2)
    pair.launcher.send_signal(signal.SIGCONT)
    await pair.wait_outcomes(3)
    await asyncio.gather(older, return_exceptions=True)
    assert pair.outcomes() == [True, True, False]
    changes = [call.method for call in discord.requests if "/roles/" in call.path]
    assert changes == ["PUT", "DELETE"]
    assert pair.stage.role.id not in pair.stage.guild.members[user.id].roles
