"""A guild on a stand-in for Discord, and Moddys that record what happens there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import sqlalchemy as sa

from moddy.bot import ModdyBot
from moddy.cogs.member_events import MAX_KNOWN_MEMBERS, MemberEvents
from moddy.gateway import connect_gateway
from moddy.models import Snowflake
from moddy.ports import SystemClock
from moddy.services.event_batches import EventPayload
from moddy.services.event_recorder import EventRecorder
from moddy.services.events import Events
from moddy.store.database import Database
from moddy.store.tables import deliveries
from moddy.views.translator import CatalogueTranslator
from tests.fakes import FakeBackend
from tests.standins.discord import DiscordStandin, Guild, Permission, User

MAY_VIEW = Permission.MANAGE_ROLES | Permission.VIEW_AUDIT_LOG
DECODER = msgspec.json.Decoder(EventPayload)


class Town:
    """A guild on a stand-in for Discord, and the store that one or more Moddys write to."""

    def __init__(self, discord: DiscordStandin, database: Database, commits: list[str]) -> None:
        self.discord = discord
        self.database = database
        self.commits = commits
        self.guild: Guild = discord.add_guild()
        self.guild.set_bot_permissions(MAY_VIEW)
        self.role = self.guild.add_role("Premium")
        self.recorders: list[EventRecorder] = []

    def add(self, name: str) -> User:
        user = self.discord.add_user(name)
        self.discord.add_member(self.guild, user)
        return user

    @asynccontextmanager
    async def moddy(self, *, max_known_members: int = MAX_KNOWN_MEMBERS) -> AsyncIterator[ModdyBot]:
        """A bot that records what happens here, connected; it has learnt the members."""
        clock = SystemClock()
        events = Events(
            database=self.database, clock=clock, backend=FakeBackend(), wake=lambda: None
        )
        recorder = EventRecorder(store=events.store, window=0.02)
        bot = ModdyBot(
            database=self.database,
            make_cogs=lambda bot: [
                MemberEvents(
                    bot=bot,
                    recorder=recorder,
                    clock=clock,
                    guild_id=Snowflake(self.guild.id),
                    max_known_members=max_known_members,
                )
            ],
            translator=CatalogueTranslator(),
            shard_count=1,
        )
        self.recorders.append(recorder)
        recording = asyncio.create_task(recorder.run())
        try:
            async with connect_gateway(bot, self.discord.token):
                await until(lambda: bot.gateway_ready)
                if len(self.guild.members) <= max_known_members:
                    await until(lambda: all(guild.chunked for guild in bot.guilds))
                yield bot
        finally:
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)

    async def recorded(self, count: int) -> list[EventPayload]:
        """Wait until so many events are stored, and all have had their time; returns them."""
        async with asyncio.timeout(10):
            while len(found := await self.read()) < count or self.is_busy:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert len(found) == count, [event.event_type for event in found]
        return found

    @property
    def is_busy(self) -> bool:
        return any(one.held or one.attribution.settle() for one in self.recorders)

    async def read(self) -> list[EventPayload]:
        query = sa.select(deliveries.c.payload).where(deliveries.c.kind == "event")
        rows = await self.database.read(lambda c: c.execute(query.order_by(deliveries.c.sequence)))
        return [DECODER.decode(row[0]) for row in rows]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.01)
