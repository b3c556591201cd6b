"""Moddy's bot, connected to a Discord over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord as discord_py
import pytest

from moddy.messenger import Connection, DiscordMessenger, DiscordRoles
from moddy.models import Snowflake
from moddy.views.notifications import fallback_text, notification_view
from tests.standins.discord import DiscordStandin, Guild
from tests.standins.discord.clients import discord_py_at

READY_S = 10


class SmallBot(discord_py.AutoShardedClient):
    """As much of a bot as the messenger needs."""

    def __init__(self, shard_ids: list[int] | None = None, shard_count: int | None = None) -> None:
        intents = discord_py.Intents(guilds=True, members=True)
        shards: dict[str, Any] = {} if shard_ids is None else {"shard_ids": shard_ids}
        super().__init__(
            intents=intents,
            guild_ready_timeout=0.05,
            chunk_guilds_at_startup=False,
            max_ratelimit_timeout=30.0,
            shard_count=shard_count,
            **shards,
        )
        self.up = asyncio.Event()

    async def on_ready(self) -> None:
        self.up.set()


@asynccontextmanager
async def connected(bot: SmallBot, standin: DiscordStandin) -> AsyncIterator[None]:
    """Have `bot` logged in and ready."""
    running = asyncio.create_task(bot.start(standin.token))
    up = asyncio.create_task(bot.up.wait())
    try:
        await asyncio.wait({running, up}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED)
        assert bot.up.is_set(), running
        yield
    finally:
        up.cancel()
        await bot.close()
        await asyncio.gather(running, return_exceptions=True)


def make_connection(bot: SmallBot) -> Connection:
    return Connection(bot, lambda: not bot.is_closed())


def make_roles(bot: SmallBot) -> DiscordRoles:
    return DiscordRoles(make_connection(bot), is_gateway_ready=bot.is_ready)


def make_messenger(bot: SmallBot, guild_id: int | None) -> DiscordMessenger:
    return DiscordMessenger(
        make_connection(bot),
        guild_id=Snowflake(guild_id) if guild_id else None,
        render=notification_view,
        render_fallback=fallback_text,
        locales=("en-US", "fr"),
        is_gateway_ready=bot.is_ready,
    )


@pytest.fixture
async def standin() -> AsyncIterator[DiscordStandin]:
    async with DiscordStandin() as standin:
        with discord_py_at(standin):
            yield standin
        assert standin.unknown_routes == []


@pytest.fixture
def guild(standin: DiscordStandin) -> Guild:
    return standin.add_guild(preferred_locale="fr")


@pytest.fixture
async def bot(standin: DiscordStandin, guild: Guild) -> AsyncIterator[SmallBot]:
    del guild  # it is there before the bot is
    bot = SmallBot()
    async with connected(bot, standin):
        yield bot


@pytest.fixture
def messenger(bot: SmallBot, guild: Guild) -> DiscordMessenger:
    return make_messenger(bot, guild.id)


@pytest.fixture
def roles(bot: SmallBot) -> DiscordRoles:
    return make_roles(bot)
