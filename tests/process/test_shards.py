"""One bot over two processes with two of four shards each, which share a PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.process.answers import (
    DELIVERED,
    FALLBACK,
    NO_USER,
    QUEUED,
    notify_answer,
    roles_answer,
)
from tests.process.moddy_process import ModdyProcess, free_port
from tests.process.stage import Stage
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin, Guild, Interaction

SHARDS = 4
UPDATED = (200, True, "Roles updated successfully", True)
ABSENT = (200, False, "User not found in Discord server", False)


class Split:
    """The two processes: `home` has the main guild's shard, `away` has not."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.channel = stage.guild.add_text_channel("news")
        self.guilds = {shard_of(stage.guild): stage.guild}
        while len(self.guilds) < SHARDS:
            guild = stage.discord.add_guild()
            self.guilds[shard_of(guild)] = guild
        stage.settings |= {
            "SHARD_COUNT": str(SHARDS),
            "MODDY_NOTIFY_CHANNEL_ID": str(self.channel.id),
        }
        self.home_ids = (0, 1) if shard_of(stage.guild) < 2 else (2, 3)
        self.away_ids = tuple({0, 1, 2, 3}.difference(self.home_ids))
        self.home = self.start(self.home_ids)
        self.away = self.start(self.away_ids)

    @property
    def both(self) -> tuple[ModdyProcess, ModdyProcess]:
        """Both processes."""
        return self.home, self.away

    def start(self, shard_ids: tuple[int, ...]) -> ModdyProcess:
        """Return a process for some shards, to be entered."""
        ids = ",".join(map(str, shard_ids))
        return self.stage.moddy(SHARD_IDS=ids, INTERNAL_PORT=str(free_port()))

    async def use_command(self, guild: Guild) -> Interaction:
        """Have a member of a guild use a command there."""
        user = self.stage.discord.add_user(f"member-of-{guild.id}")
        self.stage.discord.add_member(guild, user)
        return await self.stage.discord.interaction(user, "subscription", guild)


async def final(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask with the same key until there is a final answer.

    The process that accepts a request may find that the other one is at it already.
    """
    async with asyncio.timeout(10):
        while (answer := await ask()).status_code == 202:  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)
    return answer


def shard_of(guild: Guild) -> int:
    """Return the shard that gets a guild's events."""
    return (guild.id >> 22) % SHARDS


def connected_shards(moddy: ModdyProcess) -> set[int]:
    """Return the shards that a process says it has connected."""
    return {line["shard_id"] for line in moddy.lines if line["message"] == "gateway ready"}


@pytest.fixture
async def split(tmp_path: Path, postgresql_url: str) -> AsyncIterator[Split]:
    """The processes, not started yet."""
    async with DiscordStandin(shard_count=SHARDS) as discord, BackendStandin() as backend:
        stage = Stage(discord, backend, tmp_path)
        stage.settings["DATABASE_URL"] = postgresql_url
        yield Split(stage)
        assert discord.unknown_routes == []


@asynccontextmanager
async def running(split: Split) -> AsyncIterator[None]:
    """Run both."""
    async with split.home, split.away:
        await asyncio.gather(*(moddy.wait_healthy() for moddy in split.both))
        yield


async def test_both_answer_alike(split: Split) -> None:
    stage, discord = split.stage, split.stage.discord
    async with running(split):
        # As soon as both are healthy.
        connected = {one.shard for one in discord.gateway.sessions}
        assert connected == {(number, SHARDS) for number in range(SHARDS)}
        for moddy, ids in ((split.home, split.home_ids), (split.away, split.away_ids)):
            await moddy.wait_until(
                lambda one=moddy, own=ids: connected_shards(one) == set(own),  # type: ignore[misc]
                what="its own shards, and no other",
            )
        for number, moddy in enumerate(split.both):
            member, absent = (
                stage.add_member(f"member-{number}"),
                discord.add_user(f"absent-{number}"),
            )
            closed = stage.add_member(f"closed-{number}")
            closed.dms = "closed"
            for user_id, row in (
                (member.id, DELIVERED),
                (closed.id, FALLBACK),
                (10**17 + number, NO_USER),
            ):
                told = await final(partial(moddy.notify, user_id, key=f"evt_{user_id}"))
                assert notify_answer(told) == row
            for user, row in ((member, UPDATED), (absent, ABSENT)):
                changed = await final(partial(moddy.update_roles, user.id, key=f"evt_{user.id}"))
                assert roles_answer(changed, stage.guild.id) == row
            await discord.wait_until(lambda user=member: stage.has_premium_role(user), 10)  # type: ignore[misc]
            assert stage.message_count(member) == 1
            # What one was told, the other knows.
            for other in split.both:
                found = await other.http.get(f"/internal/users/{member.id}/premium")
                assert found.json()["premium"] is True
            # Whoever joins is seen by one of them, whichever was asked.
            discord.add_member(stage.guild, absent)
            await discord.wait_until(lambda user=absent: stage.has_premium_role(user), 10)  # type: ignore[misc]


async def test_what_comes_to_both_is_done_once(split: Split) -> None:
    stage, discord = split.stage, split.stage.discord
    users = [stage.add_member(f"user-{number}") for number in range(10)]
    async with running(split):
        answers = await asyncio.gather(
            *(moddy.notify(user.id, key=f"evt_{user.id}") for user in users for moddy in split.both)
        )
        assert {notify_answer(answer) for answer in answers} <= {DELIVERED, QUEUED}
        await discord.wait_until(lambda: all(stage.message_count(user) == 1 for user in users), 15)
        for user in users:
            [first, second] = [
                await moddy.notify(user.id, key=f"evt_{user.id}") for moddy in split.both
            ]
            assert first.content == second.content
            assert first.headers["Idempotent-Replayed"] == "true"
        newcomer = discord.add_user("newcomer")
        discord.add_member(stage.guild, newcomer)

        def told() -> list[str]:
            calls = stage.backend.calls_to("/internal/event/notify")
            about = [call for call in calls if call.json["discord_id"] == str(newcomer.id)]
            return [call.json["event_type"] for call in about]

        await split.home.wait_until(lambda: "member_joined" in told(), what="the event")
        uses = [await split.use_command(guild) for guild in split.guilds.values()]
        for used in uses:
            await used.wait_messages(1, timeout=10)
        # Time for a second one of each.
        await asyncio.sleep(2)
        assert told() == ["member_joined"]
        assert [len(used.callbacks) for used in uses] == [1] * SHARDS
        assert [stage.message_count(user) for user in users] == [1] * len(users)


async def test_one_dies_and_the_other_goes_on(split: Split) -> None:
    stage, discord = split.stage, split.stage.discord
    kept, alice = stage.add_member("kept"), stage.add_member("alice")
    failing = discord.faults.add("POST", stage.messages_path(kept), status=503, times=None)
    async with running(split):
        assert notify_answer(await split.home.notify(kept.id)) == QUEUED
        assert failing.hits
        await split.home.kill()
        discord.faults.clear()
        assert await split.away.health() == "healthy"
        assert notify_answer(await split.away.notify(alice.id)) == DELIVERED
        roles = await final(partial(split.away.update_roles, alice.id, key="roles"))
        assert roles_answer(roles, stage.guild.id) == UPDATED
        # What the other one had accepted.
        await discord.wait_until(lambda: stage.message_count(kept) == 1, 60)
        # It has its own guilds, and not those of the other one.
        lost = await split.use_command(split.guilds[split.home_ids[0]])
        served = await split.use_command(split.guilds[split.away_ids[0]])
        await served.wait_messages(1, timeout=10)
        await asyncio.sleep(1)
        assert not lost.callbacks
        # Who joins meanwhile is given their role once the guild's process is back.
        absent = discord.add_user("absent")
        assert (await split.away.update_roles(absent.id)).status_code == 200
        discord.add_member(stage.guild, absent)
        async with split.start(split.home_ids) as again:
            await again.wait_healthy()
            await discord.wait_until(lambda: stage.has_premium_role(absent), 20)
            told = await final(partial(again.notify, alice.id, key="again"))
            assert notify_answer(told) == DELIVERED
