"""The `StaffLog` port over discord.py."""

from __future__ import annotations

from collections.abc import Callable

import discord

from moddy.messenger.calls import Connection
from moddy.models import Snowflake
from moddy.staff import AuditEntry


class DiscordStaffLog:
    """Posts what staff did in a channel; `render` makes an entry into a message."""

    def __init__(
        self, connection: Connection, *, render: Callable[[AuditEntry], discord.ui.LayoutView]
    ) -> None:
        self._connection = connection
        self._render = render

    async def post(self, channel_id: Snowflake, entry: AuditEntry, *, nonce: str) -> str:
        """See `moddy.ports.StaffLog.post`."""
        view = self._render(entry)
        with self._connection.calls():
            message = await self._connection.bot.get_partial_messageable(int(channel_id)).send(
                view=view, nonce=nonce, allowed_mentions=discord.AllowedMentions.none()
            )
        return str(message.id)
