"""The `StaffLog` port over discord.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import discord

from moddy.messenger.calls import Connection
from moddy.models import Snowflake
from moddy.staff import AuditEntry


class DiscordStaffLog:
    """Posts what staff did in a channel; `render` makes an entry into a message in a locale."""

    def __init__(
        self,
        connection: Connection,
        *,
        render: Callable[[AuditEntry, str | None], discord.ui.LayoutView],
        guild_locale: Callable[[], Awaitable[str | None]],
    ) -> None:
        self._connection = connection
        self._render = render
        self._guild_locale = guild_locale

    async def post(self, channel_id: Snowflake, entry: AuditEntry, *, nonce: str) -> str:
        """See `moddy.ports.StaffLog.post`."""
        view = self._render(entry, await self._guild_locale())
        with self._connection.calls():
            message = await self._connection.bot.get_partial_messageable(int(channel_id)).send(
                view=view, nonce=nonce, allowed_mentions=discord.AllowedMentions.none()
            )
        return str(message.id)
