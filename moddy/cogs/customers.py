"""What every user can ask Moddy: their subscription, their invoices, a profile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

import discord
import structlog
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands
from msgspec import Meta, Struct
from yarl import URL

from moddy.cogs.cooldown import Cooldown
from moddy.cogs.presses import Handler, read_args, require_owner
from moddy.errors import BackendNotFound, BackendRefused, StoreUnavailable
from moddy.models import InvoicesResponse, Snowflake, SubscriptionInfoResponse
from moddy.ports import Backend, Clock
from moddy.services.notifications import Notifications
from moddy.services.premium import Premium
from moddy.views.invoices import MAX_INVOICES, OPEN_INVOICES, TURN_PAGE, invoices_view
from moddy.views.notifications import notification_view
from moddy.views.profile import profile_view
from moddy.views.subscription import subscription_view

log = structlog.get_logger(__name__)

# Turning pages as fast as one can read them stays below it.
USES, PER_SECONDS = 15, 30.0


class _OpenInvoices(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    owner: Snowflake


class _TurnPage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    owner: Snowflake
    limit: Annotated[int, Meta(ge=1, le=MAX_INVOICES)]
    page: Annotated[int, Meta(ge=1, le=MAX_INVOICES)]


class Customers(commands.Cog):
    """The customers' commands and buttons; every answer is for the asking user's eyes only.

    `website_url` is where subscriptions are sold and managed.
    """

    def __init__(
        self,
        *,
        backend: Backend,
        notifications: Notifications,
        premium: Premium,
        clock: Clock,
        website_url: URL | None = None,
        cooldown: Cooldown | None = None,
    ) -> None:
        self._backend = backend
        self._notifications = notifications
        self._premium = premium
        self._clock = clock
        self._website = str(website_url) if website_url is not None else None
        self._cooldown = cooldown or Cooldown(uses=USES, seconds=PER_SECONDS)

    def presses(self) -> Mapping[str, Handler]:
        """Return what the buttons of the answers do."""
        return {OPEN_INVOICES: self._open_invoices, TURN_PAGE: self._turn_page}

    @app_commands.command(
        name=locale_str("subscription"), description=locale_str("Show your subscription")
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def subscription(self, interaction: discord.Interaction[Any]) -> None:
        """Show the user's subscription."""
        async with self._answering(interaction):
            user_id = _user_id(interaction.user)
            response = await self._backend.get_subscription_info(user_id)
            await self._check(response, user_id)
            view = subscription_view(
                response,
                locale=interaction.locale.value,
                owner=user_id,
                plan=await self._find_plan(user_id) if response.has_subscription else None,
                website=self._website,
            )
            await interaction.followup.send(view=view, ephemeral=True)

    @app_commands.command(name=locale_str("invoices"), description=locale_str("Show your invoices"))
    @app_commands.rename(limit=locale_str("limit"))
    @app_commands.describe(limit=locale_str("How many invoices to show (1 to 50)"))
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def invoices(
        self,
        interaction: discord.Interaction[Any],
        limit: app_commands.Range[int, 1, MAX_INVOICES] = MAX_INVOICES,
    ) -> None:
        """Show the user's invoices, newest first."""
        async with self._answering(interaction):
            view = await self._invoices(interaction, limit=limit)
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
            found = await self._premium.profile(_user_id(shown))
            # What somebody pays for, and until when, is nobody else's business.
            is_own = shown == interaction.user
            view = profile_view(
                name=shown.display_name,
                premium=found.status.premium,
                locale=interaction.locale.value,
                premium_since=found.since,
                premium_until=found.status.until if is_own else None,
                plan=found.plan if is_own else None,
                member_since=shown.joined_at if isinstance(shown, discord.Member) else None,
                avatar=shown.display_avatar.url,
            )
            await interaction.followup.send(view=view, ephemeral=True)

    async def _open_invoices(
        self, interaction: discord.Interaction[Any], args: Sequence[str]
    ) -> None:
        """Show the invoices beside the message whose button was pressed."""
        require_owner(interaction, read_args(args, _OpenInvoices).owner)
        self._cooldown.spend(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        view = await self._invoices(interaction)
        await interaction.followup.send(view=view, ephemeral=True)

    async def _turn_page(self, interaction: discord.Interaction[Any], args: Sequence[str]) -> None:
        """Show another page in place of the one whose button was pressed, with fresh links."""
        turn = read_args(args, _TurnPage)
        require_owner(interaction, turn.owner)
        self._cooldown.spend(interaction)
        await interaction.response.defer()
        view = await self._invoices(interaction, limit=turn.limit, page=turn.page)
        await interaction.edit_original_response(view=view)

    async def _invoices(
        self, interaction: discord.Interaction[Any], *, limit: int = MAX_INVOICES, page: int = 1
    ) -> ui.LayoutView:
        user_id = _user_id(interaction.user)
        response = await self._backend.get_subscription_invoices(user_id, limit)
        await self._check(response, user_id)
        return invoices_view(
            response,
            locale=interaction.locale.value,
            now=self._clock.now(),
            owner=user_id,
            limit=limit,
            page=page,
            website=self._website,
        )

    async def _check(
        self, response: SubscriptionInfoResponse | InvoicesResponse, user_id: Snowflake
    ) -> None:
        """Raise unless the backend could look it up; its own text is not for customers."""
        if response.success:
            return
        if not (await self._backend.get_user_info(user_id)).user_found:
            raise BackendNotFound("no account is linked to the user")
        raise BackendRefused(response.message, status=200)

    async def _find_plan(self, user_id: Snowflake) -> str | None:
        """Return the plan that the backend last told of; it is worth no failed answer."""
        try:
            return (await self._premium.profile(user_id)).plan
        except StoreUnavailable:
            log.warning("plan not shown", error=StoreUnavailable.code)
            return None

    @asynccontextmanager
    async def _answering(self, interaction: discord.Interaction[Any]) -> AsyncIterator[None]:
        """Acknowledge the command at once, and show kept messages after it, come what may.

        Discord waits 3 seconds for an answer; the backend may take longer.
        """
        self._cooldown.spend(interaction)
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
