"""Calls to Discord: their errors turned into ours, and what has to be true around each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import aiohttp
import discord

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


class Connection:
    """The bot as the rest of this package needs it; `is_connected`: whether it is logged in."""

    def __init__(self, bot: discord.AutoShardedClient, is_connected: Callable[[], bool]) -> None:
        self.bot = bot
        self._is_connected = is_connected

    @contextmanager
    def calls(self) -> Iterator[None]:
        """Wrap calls to Discord.

        Raises:
            DiscordError: what Discord or the way to it did; DiscordUnavailable before the login.
        """
        if not self._is_connected():
            raise DiscordUnavailable("not logged in")
        try:
            with discord_errors():
                yield
        except asyncio.CancelledError:
            end_global_limit(self.bot)
            raise

    def sees(self, guild_id: Snowflake) -> bool:
        """Tell whether a guild would be this process's: it may run only some of the shards."""
        shard_ids = self.bot.shard_ids
        return shard_ids is None or (int(guild_id) >> 22) % (self.bot.shard_count or 1) in shard_ids

    @property
    def bot_id(self) -> int:
        """The bot's own user id. Raises DiscordUnavailable before the first login."""
        if self.bot.user is None:
            raise DiscordUnavailable("not logged in")
        return self.bot.user.id
