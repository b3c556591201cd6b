"""What Moddy tells the website backend of what people do: commands and, if wanted, messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from moddy.models import EventType, Snowflake
from moddy.ports import Clock
from moddy.services.event_recorder import EventRecorder
from moddy.services.occurrences import JSON, Occurrence, event_key

# Another instance has answered this interaction, and tells of it. Source:
# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
ALREADY_ACKNOWLEDGED = 40060
# Where an interaction's `extras` have the moment it came in.
RECEIVED_AT = "received_at"
# What somebody wrote; the rest are Discord's own notices ("… joined", "… pinned a message").
WRITTEN = (discord.MessageType.default, discord.MessageType.reply)

Command = app_commands.Command[Any, ..., Any] | app_commands.ContextMenu


class EventListeners(commands.Cog):
    """Records which commands are used anywhere, and with `reports_messages` that somebody wrote
    in the main guild.

    What people write is in no event. `monotonic` measures seconds.
    """

    def __init__(
        self,
        *,
        recorder: EventRecorder,
        clock: Clock,
        guild_id: Snowflake | None,
        reports_messages: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._clock = clock
        self._guild_id = guild_id
        self._reports_messages = reports_messages
        self._monotonic = monotonic

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Note when a command came in."""
        interaction.extras[RECEIVED_AT] = self._monotonic()

    @commands.Cog.listener()
    async def on_app_command_completion(
        self, interaction: discord.Interaction[Any], command: Command
    ) -> None:
        """Record a command that worked."""
        self._record_command(interaction, command, success=True)

    @commands.Cog.listener()
    async def on_app_command_failure(
        self, interaction: discord.Interaction[Any], error: BaseException
    ) -> None:
        """Record a command that failed; `error` is what it raised."""
        command = interaction.command
        if command is not None and getattr(error, "code", None) != ALREADY_ACKNOWLEDGED:
            self._record_command(interaction, command, success=False)

    @commands.Cog.listener()
    async def on_message(self, message: discord.Message) -> None:
        """Record that a person wrote in the main guild; not what."""
        if not self._reports_messages or message.guild is None:
            return
        if str(message.guild.id) != self._guild_id or message.type not in WRITTEN:
            return
        # A webhook's author is nobody's account.
        if message.author.bot or message.webhook_id is not None:
            return
        metadata: dict[str, JSON] = {
            "guild_id": str(message.guild.id),
            "channel_id": str(message.channel.id),
            **_measure(message),
        }
        self._record(EventType.MESSAGE_SENT, message.author.id, metadata, str(message.id))

    def _record_command(
        self, interaction: discord.Interaction[Any], command: Command, *, success: bool
    ) -> None:
        metadata: dict[str, JSON] = {"command": command.qualified_name, "success": success}
        places = {"guild_id": interaction.guild_id, "channel_id": interaction.channel_id}
        metadata |= {name: str(place) for name, place in places.items() if place is not None}
        received_at = interaction.extras.get(RECEIVED_AT)
        if received_at is not None:
            metadata["execution_time_ms"] = round((self._monotonic() - received_at) * 1000)
        self._record(EventType.COMMAND_USED, interaction.user.id, metadata, str(interaction.id))

    def _record(
        self, event_type: EventType, user: int, metadata: dict[str, JSON], occurrence: str
    ) -> None:
        user_id = Snowflake(user)
        self._recorder.record(
            Occurrence(
                event_type=event_type,
                user_id=user_id,
                metadata=metadata,
                seen_at=self._clock.now(),
                key=event_key(event_type, user_id, occurrence),
            )
        )


def _measure(message: discord.Message) -> dict[str, JSON]:
    """Return the length of a message and whether it has attachments, when Discord tells.

    Without the message content intent it shows text and attachments only where Moddy is
    mentioned or answered, and else leaves both empty: then neither is known.
    """
    if not (message.content or message.attachments):
        return {}
    return {
        "message_length": len(message.content),
        "has_attachments": bool(message.attachments),
    }
