"""The `Messenger` port over discord.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime

import discord
import structlog
from msgspec import structs

from moddy.errors import DiscordError, DiscordUnavailable, MemberNotFound, UserNotFound
from moddy.messenger.calls import Connection
from moddy.models import Snowflake
from moddy.notices import AnyNotice

log = structlog.get_logger(__name__)

# A user gets few messages from Moddy; the ones in question are the last.
HISTORY_LIMIT = 100
# Seconds for which the language of a guild that another process has is remembered.
LOCALE_MEMORY = 600.0

# A new DM to somebody who does not exist; also to Moddy itself and other bots.
_INVALID_RECIPIENT = 50033


class DiscordMessenger:
    """Sends messages as the bot.

    `render` makes a notice into a message, `render_fallback` the line for the fallback channel
    from a user id and a locale; `locales` stand for the languages they know. `is_gateway_ready`
    tells whether the bot's cache can be trusted to know every guild.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        guild_id: Snowflake | None,
        render: Callable[[AnyNotice], discord.ui.LayoutView],
        render_fallback: Callable[[Snowflake, str], str],
        locales: Sequence[str],
        is_gateway_ready: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._guild_id = guild_id
        self._render = render
        self._render_fallback = render_fallback
        self._locales = locales
        self._is_gateway_ready = is_gateway_ready
        self._asked_locale: str | None = None
        self._asked_at = -LOCALE_MEMORY

    async def send_notice(self, user_id: Snowflake, notice: AnyNotice, *, nonce: str) -> str:
        """See `moddy.ports.Messenger.send_notice`."""
        view = self._render(notice)
        try:
            with self._connection.calls():
                channel = await self._open_dm(user_id)
        except DiscordUnavailable as error:
            error.maybe_done = False  # nothing was sent; opening a DM again is harmless
            raise
        with self._connection.calls():
            message = await channel.send(
                view=view, nonce=nonce, allowed_mentions=discord.AllowedMentions.none()
            )
        return str(message.id)

    async def find_notice(
        self,
        user_id: Snowflake,
        notice: AnyNotice,
        *,
        since: datetime,
        besides: Collection[str],
    ) -> str | None:
        """See `moddy.ports.Messenger.find_notice`."""
        # The user's language may have changed meanwhile.
        wanted = {
            _text(self._render(structs.replace(notice, locale=locale)).walk_children())
            for locale in (notice.locale, *self._locales)
        }
        with self._connection.calls():
            channel = await self._open_dm(user_id)
            async for message in channel.history(after=since, limit=HISTORY_LIMIT):
                own = (
                    message.author.id == self._connection.bot_id and str(message.id) not in besides
                )
                if own and _text(_walk(message.components)) in wanted:
                    return str(message.id)
        return None

    def has_open_dm(self, user_id: Snowflake) -> bool:
        """Tell whether a message to this user needs no new DM channel."""
        cached = self._connection.bot._connection._get_private_channel_by_user(int(user_id))
        return cached is not None

    async def _open_dm(self, user_id: Snowflake) -> discord.DMChannel:
        try:
            return await self._connection.bot.create_dm(discord.Object(int(user_id)))
        except discord.HTTPException as error:
            if error.code == _INVALID_RECIPIENT:
                await self._connection.bot.fetch_user(
                    int(user_id)
                )  # raises 10013 when there is nobody
            raise

    async def send_fallback(
        self, user_id: Snowflake, *, channel_id: Snowflake, locale: str, nonce: str
    ) -> bool:
        """See `moddy.ports.Messenger.send_fallback`."""
        if not self._is_gateway_ready():
            raise DiscordUnavailable("the gateway is not ready")
        try:
            with self._connection.calls():
                channel = await self._find_channel(int(channel_id))
                if channel is None:
                    log.warning("fallback channel unusable", setting="MODDY_NOTIFY_CHANNEL_ID")
                    return False
                member = await channel.guild.fetch_member(int(user_id))
                if not channel.permissions_for(member).view_channel:
                    return False
                await channel.send(
                    self._render_fallback(user_id, locale),
                    nonce=nonce,
                    allowed_mentions=discord.AllowedMentions(
                        everyone=False, roles=False, users=[member]
                    ),
                )
        except (MemberNotFound, UserNotFound):
            return False
        except DiscordUnavailable:
            raise
        except DiscordError as error:
            log.warning(
                "fallback channel unusable",
                setting="MODDY_NOTIFY_CHANNEL_ID",
                error=error.code,
            )
            return False
        return True

    async def _find_channel(self, channel_id: int) -> discord.TextChannel | None:
        """Return a text channel; over REST when another process has its guild."""
        bot = self._connection.bot
        channel: object = bot.get_channel(channel_id)
        if channel is None and bot.shard_ids is not None:
            channel = await bot.fetch_channel(channel_id)
            if isinstance(channel, discord.TextChannel):
                # Of its guild the answer has the id alone; who may see it is up to the roles.
                channel.guild = await bot.fetch_guild(channel.guild.id, with_counts=False)
        return channel if isinstance(channel, discord.TextChannel) else None

    async def guild_locale(self) -> str | None:
        """See `moddy.ports.Messenger.guild_locale`."""
        if self._guild_id is None:
            return None
        guild = self._connection.bot.get_guild(int(self._guild_id))
        if guild is not None:
            return guild.preferred_locale.value
        if self._connection.sees(self._guild_id):
            return None
        await self._ask_for_locale(int(self._guild_id))
        return self._asked_locale

    async def _ask_for_locale(self, guild_id: int) -> None:
        """Ask for the locale of a guild that another process has, now and then."""
        now = time.monotonic()
        if now - self._asked_at < LOCALE_MEMORY:
            return
        self._asked_at = now
        try:
            with self._connection.calls():
                guild = await self._connection.bot.fetch_guild(guild_id, with_counts=False)
        except DiscordError as error:  # a message does not wait for its language
            log.warning("main guild's language unknown", error=error.code)
        else:
            self._asked_locale = guild.preferred_locale.value


def _walk(components: Iterable[object]) -> Iterator[object]:
    for component in components:
        yield component
        yield from _walk(getattr(component, "children", ()))


def _text(components: Iterable[object]) -> str:
    """Return the words of a message, whatever Discord made of the white space between them."""
    found = (getattr(component, "content", None) for component in components)
    return " ".join(word for text in found if isinstance(text, str) for word in text.split())
