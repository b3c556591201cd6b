"""Slash commands that only premium servers have.

    class Pictures(commands.Cog):
        def __init__(self, *, premium_gate: PremiumGate) -> None:
            self.premium_gate = premium_gate

        @app_commands.command(...)
        @for_premium_servers(PremiumFeature.WELCOME_PICTURE)
        async def picture(self, interaction: discord.Interaction[Any]) -> None: ...

On another server the command answers what it is and how to get it, and is not run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, runtime_checkable

import discord
from discord import app_commands, ui

from moddy.errors import ModdyError
from moddy.services.premium_gate import PremiumFeature, PremiumGate
from moddy.views.premium import locked_view

T = TypeVar("T")


@runtime_checkable
class HasPremiumGate(Protocol):
    """A cog with commands for premium servers."""

    premium_gate: PremiumGate


class PremiumRequired(app_commands.CheckFailure):
    """A command was used on a server that is not premium."""

    def __init__(self, feature: PremiumFeature, *, website_url: str | None) -> None:
        super().__init__(feature.value)
        self._feature = feature
        self._website_url = website_url

    def view(self, locale: str) -> ui.LayoutView:
        """Return what the person is told."""
        return locked_view(self._feature, website_url=self._website_url, locale=locale)


def for_premium_servers(feature: PremiumFeature) -> Callable[[T], T]:
    """Return a decorator that lets only premium servers use a command; see the module."""

    async def check(interaction: discord.Interaction[Any]) -> bool:
        command = interaction.command
        if not isinstance(command, app_commands.Command):
            raise PremiumRequired(feature, website_url=None)
        cog, guild = command.binding, interaction.guild
        try:
            if not isinstance(cog, HasPremiumGate):
                raise TypeError("the cog of a command for premium servers has no premium_gate")
            is_open = await cog.premium_gate.is_open(guild.owner_id if guild else None)
        except (ModdyError, TypeError) as error:
            # Of what a check raises, discord.py answers only its own errors.
            raise app_commands.CommandInvokeError(command, error) from error
        if not is_open:
            raise PremiumRequired(feature, website_url=cog.premium_gate.website_url)
        return True

    return app_commands.check(check)
