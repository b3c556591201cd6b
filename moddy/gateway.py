"""Keeping the bot connected to Discord: login, gateway, and starting over when either ends."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord
import structlog
from discord.gateway import DiscordWebSocket
from yarl import URL

from moddy.bot import ModdyBot
from moddy.errors import DiscordLoginRefused

log = structlog.get_logger(__name__)

# Seconds between attempts: doubled each time, jittered, and back to the first after a connection
# that lasted. One that only ever just succeeds would soon use up Discord's sessions of the day.
FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
# Seconds for all calls of a login; discord.py itself would wait for an answer for minutes.
LOGIN_TIMEOUT = 60.0
CLOSE_TIMEOUT = 2.0
CANCEL_AGAIN = 0.5
# Session starts that are left to a person who mends what used up the others.
SESSIONS_KEPT = 10
# A connection whose other end vanished without a word is noticed by the system within 14 s:
# heartbeats alone would take over a minute. Where the system has no such option it is left out.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3}

# Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway
_FINAL_CLOSE_CODES = {
    4004: "Discord refused the bot's token: set DISCORD_TOKEN to the one shown in the developer "
    "portal under Bot",
    4010: "Discord refused a shard number: check SHARD_IDS and SHARD_COUNT",
    4011: "Discord demands more shards: unset SHARD_COUNT or raise it",
    4012: "Discord no longer serves this gateway version: update Moddy",
    4013: "Discord refused the intents: update Moddy",
    4014: "Discord refused a privileged intent: switch on 'Server Members Intent' in the "
    "developer portal under Bot",
}


@asynccontextmanager
async def connect_gateway(bot: ModdyBot, token: str) -> AsyncIterator[None]:
    """Keep `bot` connected while the body runs; the connection may come at any time later.

    Raises:
        ExceptionGroup: of a DiscordLoginRefused; Discord will never let this bot in as it is
            configured.
    """
    # A refusal ends the body, wherever it waits.
    async with asyncio.TaskGroup() as group:
        supervisor = group.create_task(_supervise(bot, token), name="discord")
        try:
            yield
        finally:
            # One cancellation in the middle of a login was seen to get lost, somewhere below
            # discord.py's login; the bot then went on connecting.
            while not supervisor.done():
                supervisor.cancel()
                await asyncio.wait({supervisor}, timeout=CANCEL_AGAIN)
            await _close(bot)


async def _supervise(bot: ModdyBot, token: str) -> None:
    delay, limited = FIRST_DELAY, 0.0
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await _run_once(bot, token)
        except discord.LoginFailure:
            raise DiscordLoginRefused(_FINAL_CLOSE_CODES[4004]) from None
        except discord.PrivilegedIntentsRequired:
            raise DiscordLoginRefused(_FINAL_CLOSE_CODES[4014]) from None
        except discord.ConnectionClosed as error:
            if error.code in _FINAL_CLOSE_CODES:
                raise DiscordLoginRefused(_FINAL_CLOSE_CODES[error.code]) from None
            log.warning("gateway closed", close_code=error.code)
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            status = getattr(error, "status", None)
            limited = _retry_after(error)
            log.warning(
                "discord unreachable", error=type(error).__name__, status=status, wait=limited
            )
        except Exception:  # discord.py's connection dies of one malformed event; start over
            log.exception("discord connection failed")
        if loop.time() - started > LONGEST_DELAY and bot.is_ready():
            delay = FIRST_DELAY
        await _close(bot)
        bot.clear()
        # Never shorter than a rate limit.
        await asyncio.sleep(max(delay * random.uniform(0.8, 1.2), limited))  # noqa: S311
        delay, limited = min(delay * 2, LONGEST_DELAY), 0.0


async def _run_once(bot: ModdyBot, token: str) -> None:
    # Entering gives discord.py a fresh queue; without it a second connect() ends at once.
    await bot.__aenter__()
    # The last round closed the connector together with its session.
    bot.http.connector = aiohttp.TCPConnector(limit=0, socket_factory=_open_socket)
    async with asyncio.timeout(LOGIN_TIMEOUT):
        await bot.login(token)
        shards, url, limits = await bot.http.get_bot_gateway()
    await _wait_for_sessions(limits["remaining"], limits["reset_after"] / 1000)
    # discord.py asks for the address only when it chooses the shard count, and goes to its
    # default one whenever it identifies anew: both must be the address that REST names.
    DiscordWebSocket.DEFAULT_GATEWAY = URL(url)
    bot.shard_count = bot.configured_shard_count or shards
    await bot.connect()


async def _wait_for_sessions(remaining: int, reset_after: float) -> None:
    """Wait while few session starts are left; `reset_after` is in seconds.

    Discord resets the token of a bot that uses up its starts of a day. Source:
    https://discord.com/developers/docs/events/gateway#session-start-limit-object
    """
    if remaining < SESSIONS_KEPT:
        log.error("few session starts left: not connecting", remaining=remaining, wait=reset_after)
        await asyncio.sleep(reset_after)


def _retry_after(error: BaseException | None) -> float:
    """Return how long a rate limit still holds, in seconds; 0 when there is none.

    discord.py raises those that it does not wait for itself: the long ones, and those of the
    proxy in front of Discord, which come to whoever goes on asking.
    """
    if isinstance(error, discord.RateLimited):
        return error.retry_after
    if isinstance(error, discord.HTTPException) and error.status == 429:
        try:
            return max(0.0, float(error.response.headers["Retry-After"]))
        except (KeyError, ValueError):
            return LONGEST_DELAY
    # Not to be told the gateway's address is another error, and this its cause.
    return 0.0 if error is None else _retry_after(error.__cause__)


def _open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket for one of aiohttp's connections that notices when its peer is gone."""
    family, kind, protocol, _name, _address = address
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


async def _close(bot: ModdyBot) -> None:
    # The second is the last step of the first, which a silent gateway would keep it from.
    for close in (bot.close, bot.http.close):
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await close()
        except Exception:  # a broken connection may not close properly; it is dropped either way
            log.debug("closing the connection failed", exc_info=True)
