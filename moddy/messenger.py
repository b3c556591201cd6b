"""The `Messenger` and `Roles` ports over discord.py, and Discord's errors turned into ours.

Everything here works over REST, also before the gateway is ready; discord.py's cache only saves
calls. The caller sets the deadline: discord.py itself may retry or wait for a long time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import aiohttp
import discord
import structlog
from msgspec import structs

from moddy.errors import (
    DirectMessagesClosed,
    DiscordError,
    DiscordRefused,
    DiscordUnavailable,
    GuildNotFound,
    MemberNotFound,
    MissingPermissions,
    RoleNotFound,
    UserNotFound,
)
from moddy.models import Snowflake
from moddy.notices import Notice
from moddy.ports import GuildRoles, RoleInfo

log = structlog.get_logger(__name__)

# A user gets few messages from Moddy; the ones in question are the last.
HISTORY_LIMIT = 100
AUDIT_LOG_REASON = "Moddy: subscription"

# Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
_BY_CODE: dict[int, type[DiscordError]] = {
    10004: GuildNotFound,
    10007: MemberNotFound,
    10011: RoleNotFound,
    10013: UserNotFound,
    50001: MissingPermissions,
    50007: DirectMessagesClosed,
    50013: MissingPermissions,
    50278: DirectMessagesClosed,
}
# A new DM to somebody who does not exist; also to Moddy itself and other bots.
_INVALID_RECIPIENT = 50033
# Direct messages are opened too fast, or the bot was flagged for it: that is Moddy's trouble and
# passes, it says nothing about the user.
_DMS_STOPPED = (20026, 40003)


@contextmanager
def discord_errors() -> Iterator[None]:
    """Turn what discord.py raises into `DiscordError`s, without any text of Discord's answer."""
    try:
        yield
    except discord.RateLimited as error:
        raise DiscordUnavailable("rate limited", retry_after=error.retry_after) from error
    except discord.HTTPException as error:
        raise _translate(error) from error
    except aiohttp.ClientConnectorError as error:
        raise DiscordUnavailable(type(error).__name__, outage=True) from error
    except (aiohttp.ClientError, discord.DiscordException, OSError) as error:
        raise DiscordUnavailable(type(error).__name__, outage=True, maybe_done=True) from error


def trace_calls(
    asked: Callable[[int], None], answered: Callable[[int, int | None], None]
) -> aiohttp.TraceConfig:
    """Return a trace for discord.py's HTTP client that tells of each call's start and end.

    Both get the same number for the same call; the end comes with the status, None without one.
    What `asked` raises is raised instead of making the call.
    """

    async def start(_session: object, call: object, _params: object) -> None:
        asked(id(call))

    async def end(_session: object, call: object, params: aiohttp.TraceRequestEndParams) -> None:
        answered(id(call), params.response.status)

    async def fail(_session: object, call: object, _params: object) -> None:
        answered(id(call), None)

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(start)
    trace.on_request_end.append(end)
    trace.on_request_exception.append(fail)
    return trace


def end_global_limit(client: discord.Client) -> None:
    """Let REST calls go out again, after one was cancelled.

    When discord.py's call that sleeps through a global rate limit is cancelled, all others would
    wait for it for ever; should the limit still hold, Discord says so again.
    """
    client.http._global_over.set()


def _translate(error: discord.HTTPException) -> DiscordError:
    text = f"HTTP {error.status}, code {error.code}"
    known = _BY_CODE.get(error.code)
    if known is not None:
        return known(text, discord_code=error.code)
    # A 401 is about Moddy's token, not about this call.
    passing = error.status in (401, 408, 429) or error.status >= 500
    if passing or error.code in _DMS_STOPPED:
        return DiscordUnavailable(
            text,
            discord_code=error.code,
            retry_after=_retry_after(error),
            outage=error.status == 408 or error.status >= 500,
            maybe_done=error.status >= 500,
        )
    return DiscordRefused(text, discord_code=error.code)


def _retry_after(error: discord.HTTPException) -> float | None:
    try:
        return float(error.response.headers["Retry-After"])
    except (KeyError, ValueError, AttributeError):
        return None


class DiscordMessenger:
    """Sends messages and changes roles as the bot.

    `render` makes a notice into a message, `render_fallback` the line for the fallback channel
    from a user id and a locale; `locales` stand for the languages they know. `is_connected` tells
    whether the bot is logged in, and `is_gateway_ready` whether its cache can be trusted to know
    every guild.
    """

    def __init__(
        self,
        *,
        bot: discord.AutoShardedClient,
        guild_id: Snowflake | None,
        render: Callable[[Notice], discord.ui.LayoutView],
        render_fallback: Callable[[Snowflake, str], str],
        locales: Sequence[str],
        is_connected: Callable[[], bool],
        is_gateway_ready: Callable[[], bool],
    ) -> None:
        self._bot = bot
        self._guild_id = guild_id
        self._render = render
        self._render_fallback = render_fallback
        self._locales = locales
        self._is_connected = is_connected
        self._is_gateway_ready = is_gateway_ready

    async def send_notice(self, user_id: Snowflake, notice: Notice, *, nonce: str) -> str:
        """See `moddy.ports.Messenger.send_notice`."""
        view = self._render(notice)
        self._require_connection()
        try:
            with self._calls():
                channel = await self._open_dm(user_id)
        except DiscordUnavailable as error:
            error.maybe_done = False  # nothing was sent; opening a DM again is harmless
            raise
        with self._calls():
            message = await channel.send(
                view=view, nonce=nonce, allowed_mentions=discord.AllowedMentions.none()
            )
        return str(message.id)

    async def find_notice(
        self,
        user_id: Snowflake,
        notice: Notice,
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
        self._require_connection()
        with self._calls():
            channel = await self._open_dm(user_id)
            async for message in channel.history(after=since, limit=HISTORY_LIMIT):
                own = message.author.id == self._bot_id and str(message.id) not in besides
                if own and _text(_walk(message.components)) in wanted:
                    return str(message.id)
        return None

    def has_open_dm(self, user_id: Snowflake) -> bool:
        """Tell whether a message to this user needs no new DM channel."""
        cached = self._bot._connection._get_private_channel_by_user(int(user_id))
        return cached is not None

    async def _open_dm(self, user_id: Snowflake) -> discord.DMChannel:
        try:
            return await self._bot.create_dm(discord.Object(int(user_id)))
        except discord.HTTPException as error:
            if error.code == _INVALID_RECIPIENT:
                await self._bot.fetch_user(int(user_id))  # raises 10013 when there is nobody
            raise

    async def send_fallback(
        self, user_id: Snowflake, *, channel_id: Snowflake, locale: str, nonce: str
    ) -> bool:
        """See `moddy.ports.Messenger.send_fallback`."""
        if not self._is_gateway_ready():
            raise DiscordUnavailable("the gateway is not ready")
        channel = self._bot.get_channel(int(channel_id))
        if not isinstance(channel, discord.TextChannel):
            log.warning("fallback channel unusable", setting="MODDY_NOTIFY_CHANNEL_ID")
            return False
        try:
            with self._calls():
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

    def guild_locale(self) -> str | None:
        """See `moddy.ports.Messenger.guild_locale`."""
        guild = self._bot.get_guild(int(self._guild_id)) if self._guild_id else None
        return guild.preferred_locale.value if guild is not None else None

    def knows_guild(self, guild_id: Snowflake) -> bool | None:
        """See `moddy.ports.Roles.knows_guild`."""
        shard_ids, shard_count = self._bot.shard_ids, self._bot.shard_count or 1
        elsewhere = shard_ids is not None and (int(guild_id) >> 22) % shard_count not in shard_ids
        if elsewhere or not self._is_gateway_ready():
            return None
        return self._bot.get_guild(int(guild_id)) is not None

    async def read(self, guild_id: Snowflake, user_id: Snowflake) -> GuildRoles:
        """See `moddy.ports.Roles.read`."""
        self._require_connection()
        with self._calls():
            guild = await self._bot.fetch_guild(int(guild_id), with_counts=False)
            me = await guild.fetch_member(self._bot_id)
            try:
                member = await guild.fetch_member(int(user_id))
            except discord.NotFound as error:
                if error.code not in (10007, 10013):
                    raise
                member = None
        top = me.top_role
        return GuildRoles(
            guild_id=guild_id,
            roles={role.id: role for role in map(_role_info, guild.roles)},
            member_role_ids=None if member is None else _role_ids(member),
            top_rank=(top.position, -top.id),
            may_manage=me.guild_permissions.manage_roles,
        )

    async def change(
        self,
        guild_id: Snowflake,
        user_id: Snowflake,
        *,
        add: Sequence[Snowflake],
        remove: Sequence[Snowflake],
    ) -> None:
        """See `moddy.ports.Roles.change`."""
        self._require_connection()
        http, guild, user = self._bot.http, int(guild_id), int(user_id)
        try:
            with self._calls():
                for role_id in add:
                    await http.add_role(guild, user, int(role_id), reason=AUDIT_LOG_REASON)
                for role_id in remove:
                    await http.remove_role(guild, user, int(role_id), reason=AUDIT_LOG_REASON)
        except UserNotFound as error:  # an account deleted since we looked
            raise MemberNotFound(str(error), discord_code=error.discord_code) from error

    @contextmanager
    def _calls(self) -> Iterator[None]:
        try:
            with discord_errors():
                yield
        except asyncio.CancelledError:
            end_global_limit(self._bot)
            raise

    @property
    def _bot_id(self) -> int:
        if self._bot.user is None:
            raise DiscordUnavailable("not logged in")
        return self._bot.user.id

    def _require_connection(self) -> None:
        if not self._is_connected():
            raise DiscordUnavailable("not logged in")


def _walk(components: Iterable[object]) -> Iterator[object]:
    for component in components:
        yield component
        yield from _walk(getattr(component, "children", ()))


def _text(components: Iterable[object]) -> str:
    """Return the words of a message, whatever Discord made of the white space between them."""
    found = (getattr(component, "content", None) for component in components)
    return " ".join(word for text in found if isinstance(text, str) for word in text.split())


def _role_info(role: discord.Role) -> RoleInfo:
    return RoleInfo(id=Snowflake(role.id), position=role.position, managed=role.managed)


def _role_ids(member: discord.Member) -> frozenset[Snowflake]:
    return frozenset(Snowflake(role.id) for role in member.roles)
