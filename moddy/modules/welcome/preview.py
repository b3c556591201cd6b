"""A member's own welcome picture, for whoever sets up a server."""

from __future__ import annotations

from io import BytesIO

import discord
from discord import ui

from moddy.models import Snowflake
from moddy.modules.base import BrokenSettings, read_settings
from moddy.modules.welcome.module import PICTURE, Welcome, accent_colour
from moddy.modules.welcome.settings import WelcomeSettings
from moddy.services.guild_modules import GuildModules
from moddy.views.language import language_for
from moddy.views.modules.welcome import welcome_view


class WelcomePreview:
    """Makes the picture with the server's colour."""

    def __init__(self, *, welcome: Welcome, store: GuildModules) -> None:
        self._welcome = welcome
        self._store = store

    async def make(self, member: discord.Member) -> tuple[ui.LayoutView, discord.File]:
        """Return a message with the picture, and the file. Raises StoreUnavailable."""
        settings = await self._settings(member.guild)
        language = language_for(member.guild.preferred_locale.value)
        picture = await self._welcome.paint(settings, member, language)
        view = welcome_view(member.mention, colour=accent_colour(settings), picture=PICTURE)
        return view, discord.File(BytesIO(picture), filename=PICTURE)

    async def _settings(self, guild: discord.Guild) -> WelcomeSettings:
        row = (await self._store.find(Snowflake(guild.id))).get(self._welcome.name)
        try:
            return read_settings(self._welcome, row.settings) if row else WelcomeSettings()
        except BrokenSettings:
            return WelcomeSettings()
