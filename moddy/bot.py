"""The bot: its intents, its cogs, its commands on Discord, and how it is connected."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import math
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import discord
import msgspec
import structlog
from discord import app_commands
from discord.ext import commands
from yarl import URL

from moddy.cogs.command_lines import STARTED
from moddy.cogs.errors import answer_command_error
from moddy.errors import StoreUnavailable
from moddy.messenger import end_global_limit
from moddy.store import memory
from moddy.store.database import Database

log = structlog.get_logger(__name__)

# Seconds. A rate limit longer than this is raised instead of slept through; 30 is the least
# that discord.py takes.
MAX_RATE_LIMIT_WAIT = 30.0
# Seconds without a further guild after which the bot counts as ready, though Discord announced
# more: those it has troubles with do not come. discord.py itself waits for such a silence always.
GUILD_READY_TIMEOUT = 1.0
# The same once all have come; what else has been received by then is still taken.
ALL_GUILDS_TIMEOUT = 0.01
# Seconds. discord.py's own 180 for one shard's connection, and the most that a sync may take.
SHARD_CONNECT_TIMEOUT = 30.0
SYNC_TIMEOUT = 30.0
# Seconds for the answer to a heartbeat, which is sent every 41 s.
HEARTBEAT_PATIENCE = 10.0
SYNCED_COMMANDS = "synced_commands"
# White space, and marks of width and direction that come along when a mention is copied.
_UNSEEN = "[\\s\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]*"


def intents() -> discord.Intents:
    """Return what Moddy needs to hear.

    Guilds; who joins and leaves them (a privileged intent); why members leave and who changes
    their roles; that it is mentioned, in a guild or a direct message. Not the text of messages.
    """
    wanted = discord.Intents.none()
    wanted.guilds = True
    wanted.members = True
    wanted.moderation = True
    wanted.guild_messages = True
    wanted.dm_messages = True
    return wanted


def use_api_base(url: URL) -> None:
    """Send all of discord.py's REST calls to `url`, such as ``http://127.0.0.1:4000/api/v10``.

    discord.py has one address for the process, so this is to be called before a bot is made.
    """
    discord.http.Route.BASE = str(url).rstrip("/")


def _ignore(_kind: str) -> None:
    """Nobody counts."""


class ModdyBot(commands.AutoShardedBot):
    """Moddy's Discord client.

    `make_cogs` is called at every login and returns fresh cogs. `logged_in` is set while REST
    calls can be made; `gateway_ready` also asks for every shard's connection. `note_session` is
    told of each session with the gateway: new, resumed or lost. `guild_ready_timeout` is how many
    seconds without a further guild are the end of waiting for those that do not come.
    """

    def __init__(
        self,
        *,
        database: Database,
        make_cogs: Callable[[ModdyBot], Sequence[commands.Cog]],
        translator: app_commands.Translator,
        shard_count: int | None = None,
        shard_ids: Sequence[int] | None = None,
        http_trace: aiohttp.TraceConfig | None = None,
        note_session: Callable[[str], None] = _ignore,
        guild_ready_timeout: float = GUILD_READY_TIMEOUT,
    ) -> None:
        # Moddy never speaks: discord.py need not warn of missing voice packages.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        options: dict[str, Any] = {"shard_count": shard_count, "http_trace": http_trace}
        if shard_ids is not None:
            options["shard_ids"] = list(shard_ids)
        super().__init__(
            commands.when_mentioned,
            help_command=None,
            intents=intents(),
            allowed_mentions=discord.AllowedMentions.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=guild_ready_timeout,
            max_messages=None,
            max_ratelimit_timeout=MAX_RATE_LIMIT_WAIT,
            shard_connect_timeout=SHARD_CONNECT_TIMEOUT,
            **options,
        )
        self.configured_shard_count = shard_count
        self.logged_in = asyncio.Event()
        self._database = database
        self._make_cogs = make_cogs
        self._translator = translator
        self._note_session = note_session
        self._lost_shards: set[int] = set()
        self._guild_ready_timeout = guild_ready_timeout
        self._awaited_guilds: set[int] = set()
        self.tree.error(answer_command_error)

    async def get_prefix(self, message: discord.Message, /) -> list[str] | str:
        """Return Moddy's mention as it opens a message, with what cannot be seen around it.

        discord.py's own wants exactly one space after it, where people put two, or a line break.
        """
        mention = rf"{_UNSEEN}<@!?{self.user.id}>{_UNSEEN}" if self.user else ""
        opening = re.match(mention, message.content)
        return opening[0] if opening and opening[0] else await super().get_prefix(message)

    @property
    def gateway_ready(self) -> bool:
        """Whether every shard is connected, is answered, and has its guilds."""
        return self.is_ready() and not self._lost_shards and not self._is_unanswered()

    def _is_unanswered(self) -> bool:
        """Tell whether the gateway owes an answer to a heartbeat.

        discord.py itself looks only when the next one is due, 82 s after the last answer.
        """
        now = time.perf_counter()
        for shard_id in self.shards:
            beats = getattr(self._get_websocket(shard_id=shard_id), "_keep_alive", None)
            if beats is not None and now - beats._last_ack > beats.interval + HEARTBEAT_PATIENCE:
                return True
        return False

    def shard_latencies(self) -> dict[int, float]:
        """Return the heartbeats' latency in seconds by shard; infinite until it is known."""
        planned = self.shard_ids or range(self.shard_count or 0)
        return dict.fromkeys(planned, math.inf) | dict(self.latencies)

    async def setup_hook(self) -> None:
        """Load the cogs and tell Discord the commands; discord.py calls this after each login."""
        for cog in self._make_cogs(self):
            await self.add_cog(cog, override=True)
        await self.tree.set_translator(self._translator)
        await self._try_sync()
        self._lost_shards.clear()
        self.logged_in.set()

    async def _try_sync(self) -> None:
        """Sync the commands if it can be done now; messages do not wait for them.

        A failed sync is tried again at the next login.
        """
        try:
            async with asyncio.timeout(SYNC_TIMEOUT):
                await self.sync_commands()
        except (
            discord.DiscordException,
            aiohttp.ClientError,
            OSError,
            TimeoutError,
            StoreUnavailable,
        ) as error:
            end_global_limit(self)
            status = getattr(error, "status", None)
            log.warning("commands not synced", error=type(error).__name__, status=status)

    async def sync_commands(self) -> bool:
        """Tell Discord the commands when they differ from what it was told last.

        Returns whether it was told. Syncing at every start would run into Discord's limit of
        command creations per day.
        """
        payload = [
            await command.get_translated_payload(self.tree, self._translator)
            for command in self.tree.get_commands()
        ]
        encoded = msgspec.json.encode([self.application_id, payload], order="sorted")
        digest = hashlib.sha256(encoded).hexdigest()
        known = await self._database.read(lambda c: memory.recall(c, SYNCED_COMMANDS))
        if known == digest:
            return False
        synced = await self.tree.sync()
        await self._database.transaction(lambda c: memory.remember(c, SYNCED_COMMANDS, digest))
        log.info("commands synced", commands=len(synced))
        return True

    def dispatch(self, event_name: str, /, *args: Any, **kwargs: Any) -> None:
        """Start the listeners of an event; discord.py calls this.

        They run after the events that came with it were read, which change the cached members.
        So those of a member's update get the member as this event left them.
        """
        if event_name == "interaction":
            args[0].extras[STARTED] = time.perf_counter()
        if event_name == "member_update":
            before, after = args
            args = before, copy.copy(after)
        if event_name == "shard_connect":
            self._awaited_guilds = {guild.id for guild in self.guilds if guild.unavailable}
            self._bound_waiting()
        elif event_name in ("guild_available", "guild_join"):
            self._awaited_guilds.discard(args[0].id)
            self._bound_waiting()
        super().dispatch(event_name, *args, **kwargs)

    def _bound_waiting(self) -> None:
        """Say how long to wait for a further guild; discord.py looks here before it waits."""
        timeout = self._guild_ready_timeout if self._awaited_guilds else ALL_GUILDS_TIMEOUT
        self._connection.guild_ready_timeout = timeout

    async def close(self) -> None:
        """Disconnect; nothing can be sent from here on."""
        self.logged_in.clear()
        await super().close()

    async def on_shard_disconnect(self, shard_id: int) -> None:
        """Note a lost connection; discord.py tries to get it back by itself."""
        self._lost_shards.add(shard_id)
        self._note_session("lost")
        log.warning("gateway connection lost", shard_id=shard_id)

    async def on_shard_ready(self, shard_id: int) -> None:
        """Note a new session."""
        self._lost_shards.discard(shard_id)
        self._note_session("new")
        log.info("gateway ready", shard_id=shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        """Note a resumed session."""
        self._lost_shards.discard(shard_id)
        self._note_session("resumed")
        log.info("gateway resumed", shard_id=shard_id)

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        """Log a listener's failure; discord.py calls this inside the exception's handler."""
        error = sys.exception()
        if isinstance(error, StoreUnavailable):
            log.warning("store unavailable", listener=event_method, cause=str(error))
            return
        log.error("listener failed", listener=event_method, exc_info=error)
