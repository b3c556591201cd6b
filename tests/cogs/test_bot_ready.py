"""When the bot counts as ready: once it has the guilds that Discord announced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord as discord_py
import pytest
from discord.ext import commands

from moddy.bot import ModdyBot
from moddy.gateway import connect_gateway
from moddy.store.database import Database
from moddy.views.translator import CatalogueTranslator
from tests.standins.discord import DiscordStandin
from tests.standins.discord.clients import discord_py_at
from tests.standins.discord.world import guild_create_payload

# Seconds. No test lasts so long: who waits for it fails.
FOR_EVER = 3600.0
# Seconds, more than it takes to become ready when nothing is waited for.
A_MOMENT = 0.2


class Arrivals(commands.Cog):
    """Notes the guilds that the listeners are told of."""

    def __init__(self) -> None:
        self.ids: asyncio.Queue[int] = asyncio.Queue()

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord_py.Guild) -> None:
        self.ids.put_nowait(guild.id)


@pytest.fixture
async def discord() -> AsyncIterator[DiscordStandin]:
    async with DiscordStandin() as standin:
        with discord_py_at(standin):
            yield standin


@asynccontextmanager
async def connecting(
    discord: DiscordStandin, database: Database, arrivals: Arrivals, *, patience: float
) -> AsyncIterator[ModdyBot]:
    """Connect a bot that waits `patience` seconds for guilds that do not come."""
    bot = ModdyBot(
        database=database,
        make_cogs=lambda _: [arrivals],
        translator=CatalogueTranslator(),
        guild_ready_timeout=patience,
    )
    async with connect_gateway(bot, discord.token):
        await bot.logged_in.wait()
        yield bot


@pytest.mark.parametrize("count", [0, 1, 20])
async def test_ready_as_soon_as_all_have_come(
    discord: DiscordStandin, database: Database, count: int
) -> None:
    guilds = {discord.add_guild().id for _ in range(count)}
    arrivals = Arrivals()
    async with connecting(discord, database, arrivals, patience=FOR_EVER) as bot:
        await bot.wait_until_ready()
        assert bot.gateway_ready
        assert {await arrivals.ids.get() for _ in range(count)} == guilds


async def test_not_ready_before_the_last_has_come(
    discord: DiscordStandin, database: Database
) -> None:
    late, punctual = discord.add_guild(), discord.add_guild()
    discord.gateway.in_outage.add(late.id)
    arrivals = Arrivals()
    async with connecting(discord, database, arrivals, patience=FOR_EVER) as bot:
        assert await arrivals.ids.get() == punctual.id
        await asyncio.sleep(A_MOMENT)
        assert not bot.is_ready()
        payload = guild_create_payload(late) | {"unavailable": False}
        await discord.gateway.send_raw("GUILD_CREATE", payload)
        await bot.wait_until_ready()
        assert await arrivals.ids.get() == late.id


async def test_who_does_not_come_is_not_waited_for_for_ever(
    discord: DiscordStandin, database: Database
) -> None:
    discord.gateway.in_outage.add(discord.add_guild().id)
    async with connecting(discord, database, Arrivals(), patience=A_MOMENT) as bot:
        await bot.wait_until_ready()
        assert [guild.unavailable for guild in bot.guilds] == [True]
