"""Calls to Discord for modules: each with a deadline, its errors turned into Moddy's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import discord
from discord import ui

from moddy.errors import DiscordUnavailable
from moddy.messenger import Connection
from moddy.models import Snowflake

# Seconds for one call, waits for Discord's rate limits included.
CALL_TIMEOUT = 10.0
AVATAR_TIMEOUT = 3.0
# Pixels; a power of two.
AVATAR_SIZE = 128


class GuildCalls:
    """What modules ask of Discord. Every call raises one of the `DiscordError`s."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def send(
        self,
        channel_id: Snowflake,
        view: ui.LayoutView,
        *,
        nonce: str,
        mention: discord.abc.Snowflake | None = None,
        picture: tuple[str, bytes] | None = None,
    ) -> None:
        """Send to a channel. Nobody is mentioned but `mention`; `picture` is a name and a PNG."""
        async with self._call(CALL_TIMEOUT):
            channel = self._connection.bot.get_partial_messageable(int(channel_id))
            await _send(channel, view, nonce, mention, picture)

    async def send_dm(
        self,
        member: discord.Member,
        view: ui.LayoutView,
        *,
        nonce: str,
        picture: tuple[str, bytes] | None = None,
    ) -> None:
        """Send a direct message."""
        async with self._call(CALL_TIMEOUT):
            await _send(await member.create_dm(), view, nonce, member, picture)

    async def add_role(self, member: discord.Member, role_id: Snowflake, *, reason: str) -> None:
        """Give a member one role; their others stay as they are."""
        async with self._call(CALL_TIMEOUT):
            http = self._connection.bot.http
            await http.add_role(member.guild.id, member.id, int(role_id), reason=reason)

    async def read_avatar(self, member: discord.Member) -> bytes:
        """Return a member's picture as a PNG of `AVATAR_SIZE`."""
        async with self._call(AVATAR_TIMEOUT):
            asset = member.display_avatar.replace(
                size=AVATAR_SIZE, static_format="png", format="png"
            )
            return await asset.read()

    @asynccontextmanager
    async def _call(self, seconds: float) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds):
                with self._connection.calls():
                    yield
        except TimeoutError as error:
            raise DiscordUnavailable("timed out", maybe_done=True) from error


def nonce(kind: str, member: discord.Member) -> str:
    """Return the same nonce for the same arrival of the same member, told once or twice.

    Discord drops a repeat of a nonce for a few minutes.
    """
    arrival = f"{kind}:{member.guild.id}:{member.id}:{member.joined_at}"
    return hashlib.blake2s(arrival.encode(), digest_size=12).hexdigest()


async def _send(
    channel: discord.abc.Messageable,
    view: ui.LayoutView,
    message_nonce: str,
    mention: discord.abc.Snowflake | None,
    picture: tuple[str, bytes] | None,
) -> None:
    allowed = discord.AllowedMentions(
        everyone=False, roles=False, replied_user=False, users=[mention] if mention else False
    )
    files = [discord.File(BytesIO(picture[1]), filename=picture[0])] if picture else []
    await channel.send(view=view, nonce=message_nonce, allowed_mentions=allowed, files=files)
