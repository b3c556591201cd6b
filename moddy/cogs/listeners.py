"""What Moddy does when something happens on Discord."""

from __future__ import annotations

from typing import Any

import discord
from discord.ext import commands

from moddy.models import Snowflake
from moddy.services.deliveries import Deliveries
from moddy.services.newcomers import Newcomers
from moddy.services.notifications import Notifications


class Listeners(commands.Cog):
    """Remembers languages, and gives whoever joins the main guild the roles that are theirs."""

    def __init__(
        self,
        *,
        notifications: Notifications,
        deliveries: Deliveries,
        guild_id: Snowflake | None,
        newcomers: Newcomers | None = None,
    ) -> None:
        self._notifications = notifications
        self._deliveries = deliveries
        self._guild_id = guild_id
        self._newcomers = newcomers

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Remember the language that the user sees Discord in."""
        await self._notifications.remember_locale(
            Snowflake(interaction.user.id), interaction.locale.value
        )

    @commands.Cog.listener()
    async def on_member_join(self, member: discord.Member) -> None:
        """Apply the role update that waits for this member, and give back what they are to have."""
        if str(member.guild.id) != self._guild_id:
            return
        self._deliveries.release_waiting(Snowflake(member.id))
        if self._newcomers is not None:
            self._newcomers.joined(Snowflake(member.id))

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Look for members who joined while Moddy was not there to see it."""
        self._deliveries.release_waiting()
