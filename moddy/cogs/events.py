"""What Moddy tells the website backend of what happens on Discord."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from moddy.models import EventType, Snowflake
from moddy.ports import Clock
from moddy.services.events import JSON, Events, event_key

# Another instance has answered this interaction, and tells of it. Source:
# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
ALREADY_ACKNOWLEDGED = 40060
# Where an interaction's `extras` have the moment it came in.
RECEIVED_AT = "received_at"

Command = app_commands.Command[Any, ..., Any] | app_commands.ContextMenu


class EventListeners(commands.Cog):
    """Records who joins and leaves the main guild, and which commands are used anywhere.

    What people write is in no event. `monotonic` measures seconds.
    """

    def __init__(
        self,
        *,
        bot: discord.Client,
        events: Events,
        clock: Clock,
        guild_id: Snowflake | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bot = bot
        self._events = events
        self._clock = clock
        self._guild_id = guild_id
        self._monotonic = monotonic

    @commands.Cog.listener()
    async def on_member_join(self, member: discord.Member) -> None:
        """Record that somebody joined the main guild."""
        # Who was only invited to a voice channel has no such moment, and is no member.
        if str(member.guild.id) != self._guild_id or member.joined_at is None:
            return
        user_id, joined_at = Snowflake(member.id), _iso(member.joined_at)
        await self._events.record(
            EventType.MEMBER_JOINED,
            user_id,
            {
                "guild_id": str(member.guild.id),
                "guild_name": member.guild.name,
                "joined_at": joined_at,
            },
            key=event_key(EventType.MEMBER_JOINED, user_id, joined_at, guild_id=self._guild_id),
        )

    @commands.Cog.listener()
    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        """Record that somebody left the main guild, known to the cache or not."""
        if self._guild_id is None or str(payload.guild_id) != self._guild_id:
            return
        metadata = {"guild_id": str(payload.guild_id), "left_at": _iso(self._clock.now())}
        guild = self._bot.get_guild(payload.guild_id)
        if guild is not None:
            metadata["guild_name"] = guild.name
        await self._events.record_departure(
            Snowflake(payload.user.id), metadata, guild_id=self._guild_id
        )

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Note when a command came in."""
        interaction.extras[RECEIVED_AT] = self._monotonic()

    @commands.Cog.listener()
    async def on_app_command_completion(
        self, interaction: discord.Interaction[Any], command: Command
    ) -> None:
        """Record a command that worked."""
        await self._record_command(interaction, command, success=True)

    @commands.Cog.listener()
    async def on_app_command_failure(
        self, interaction: discord.Interaction[Any], error: BaseException
    ) -> None:
        """Record a command that failed; `error` is what it raised."""
        command = interaction.command
        if command is not None and getattr(error, "code", None) != ALREADY_ACKNOWLEDGED:
            await self._record_command(interaction, command, success=False)

    async def _record_command(
        self, interaction: discord.Interaction[Any], command: Command, *, success: bool
    ) -> None:
        user_id = Snowflake(interaction.user.id)
        metadata: dict[str, JSON] = {"command": command.qualified_name, "success": success}
        places = {"guild_id": interaction.guild_id, "channel_id": interaction.channel_id}
        metadata |= {name: str(place) for name, place in places.items() if place is not None}
        received_at = interaction.extras.get(RECEIVED_AT)
        if received_at is not None:
            metadata["execution_time_ms"] = round((self._monotonic() - received_at) * 1000)
        key = event_key(EventType.COMMAND_USED, user_id, str(interaction.id))
        await self._events.record(EventType.COMMAND_USED, user_id, metadata, key=key)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
