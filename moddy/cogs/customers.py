"""What every user can ask Moddy: their subscription, their invoices, a profile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import structlog
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from moddy.errors import StoreUnavailable
from moddy.models import Snowflake
from moddy.ports import Backend
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.views.invoices import invoices_view
from moddy.views.notifications import notification_view
from moddy.views.profile import profile_view
from moddy.views.subscription import subscription_view

log = structlog.get_logger(__name__)

DEFAULT_INVOICES = 10
MAX_INVOICES = 25


class Customers(commands.Cog):
    """The customers' commands; every answer is for the asking user's eyes only."""

    def __init__(self, *, backend: Backend, notifications: Notifications, premium: Premium) -> None:
        self._backend = backend
        self._notifications = notifications
        self._premium = premium

    @app_commands.command(
        name=locale_str("subscription"), description=locale_str("Show your subscription")
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def subscription(self, interaction: discord.Interaction[Any]) -> None:
        """Show the user's subscription."""
        async with self._answering(interaction):
            response = await self._backend.get_subscription_info(_user_id(interaction.user))
            view = subscription_view(response, locale=interaction.locale.value)
            await interaction.followup.send(view=view, ephemeral=True)

    @app_commands.command(name=locale_str("invoices"), description=locale_str("Show your invoices"))
    @app_commands.rename(limit=locale_str("limit"))
    @app_commands.describe(limit=locale_str("How many invoices to show (1 to 25)"))
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def invoices(
        self,
        interaction: discord.Interaction[Any],
        limit: app_commands.Range[int, 1, MAX_INVOICES] = DEFAULT_INVOICES,
    ) -> None:
        """Show the user's invoices, newest first."""
        async with self._answering(interaction):
            user_id = _user_id(interaction.user)
            response = await self._backend.get_subscription_invoices(user_id, limit)
            view = invoices_view(response, locale=interaction.locale.value)
            await interaction.followup.send(view=view, ephemeral=True)

    @app_commands.command(name=locale_str("profile"), description=locale_str("Show a profile"))
    @app_commands.rename(user=locale_str("user"))
    @app_commands.describe(user=locale_str("Whose profile to show"))
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def profile(
        self,
        interaction: discord.Interaction[Any],
        user: discord.User | discord.Member | None = None,
    ) -> None:
        """Show a user's premium and how long they have been a member."""
        async with self._answering(interaction):
            shown = user or interaction.user
            status = await self._premium.status(_user_id(shown))
            view = profile_view(
                name=shown.display_name,
                premium=status.premium,
                # Until when somebody has paid is nobody else's business.
                premium_until=status.until if shown == interaction.user else None,
                member_since=shown.joined_at if isinstance(shown, discord.Member) else None,
                locale=interaction.locale.value,
            )
            await interaction.followup.send(view=view, ephemeral=True)

    @asynccontextmanager
    async def _answering(self, interaction: discord.Interaction[Any]) -> AsyncIterator[None]:
        """Acknowledge the command at once, and show kept messages after it, come what may.

        Discord waits 3 seconds for an answer; the backend may take longer.
        """
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            yield
        finally:
            await self._show_kept(interaction)

    async def _show_kept(self, interaction: discord.Interaction[Any]) -> None:
        """Show what could not be told in a DM, once."""
        user_id, locale = _user_id(interaction.user), interaction.locale.value
        try:
            for delivery_id, notice in await self._notifications.claim_kept(user_id, locale):
                await interaction.followup.send(view=notification_view(notice), ephemeral=True)
                await self._notifications.mark_shown([delivery_id])
        except StoreUnavailable:
            # They come with a later command; this one has its answer.
            log.warning("kept messages not shown", error=StoreUnavailable.code)


def _user_id(user: discord.abc.User) -> Snowflake:
    return Snowflake(user.id)
