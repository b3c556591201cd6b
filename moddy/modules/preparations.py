"""What modules need of a guild before they can work: done by one task, guild after guild.

It is a task of the application and not of a listener: it takes its time, and goes on over the
loss of the gateway.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import discord
import structlog

from moddy.errors import ModdyError
from moddy.models import Snowflake
from moddy.modules.active import ActiveModule, ActiveModules

log = structlog.get_logger(__name__)

# Seconds for one guild.
DEADLINE = 300.0
# Seconds until a guild is tried again, doubled each time.
FIRST_RETRY = 30.0
LAST_RETRY = 3_600.0


class Preparations:
    """Prepares guilds for the modules that are on there, and again where that was not enough.

    `get_guild` finds a guild of this process. `monotonic` measures seconds.
    """

    def __init__(
        self,
        *,
        get_guild: Callable[[int], discord.Guild | None],
        first_retry: float = FIRST_RETRY,
        deadline: float = DEADLINE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.get_guild = get_guild
        self._first_retry = first_retry
        self._deadline = deadline
        self._monotonic = monotonic
        self._due: dict[Snowflake, float] = {}
        self._failures: dict[Snowflake, int] = {}
        self._all_asked = False
        self._news = asyncio.Event()

    def ask(self, guild_id: Snowflake) -> None:
        """Have a guild prepared as soon as it may be."""
        self._due[guild_id] = self._monotonic()
        self._news.set()

    def ask_later(self, guild_id: Snowflake) -> None:
        """Have a guild prepared in a while, unless it is to be anyway."""
        self._due.setdefault(guild_id, self._monotonic() + self._first_retry)
        self._news.set()

    def ask_all(self) -> None:
        """Have all guilds prepared that have a module on."""
        self._all_asked = True
        self._news.set()

    async def run(self, active: ActiveModules) -> None:
        """Prepare what is asked for, until cancelled."""
        while True:
            next_due = min(self._due.values(), default=None)
            wait = None if next_due is None else max(0.0, next_due - self._monotonic())
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                pass  # a guild is due
            self._news.clear()
            await self._prepare_due(active)

    async def _prepare_due(self, active: ActiveModules) -> None:
        if self._all_asked:
            self._all_asked = False
            try:
                for guild_id in await active.find_guilds():
                    self.ask(guild_id)
            except ModdyError as error:
                log.warning("modules not prepared yet", error=error.code)
                self._all_asked = True
                await asyncio.sleep(self._first_retry)
                self._news.set()
        now = self._monotonic()
        for guild_id in [one for one, due in self._due.items() if due <= now]:
            del self._due[guild_id]
            guild = self.get_guild(int(guild_id))
            if guild is not None:
                await self._prepare(guild, active)

    async def _prepare(self, guild: discord.Guild, active: ActiveModules) -> None:
        guild_id = Snowflake(guild.id)
        try:
            found = await active.find(guild)
        except ModdyError as error:
            log.warning("guild not prepared yet", guild_id=guild_id, error=error.code)
            is_done = False
        else:
            is_done = all([await self._prepare_one(one, guild) for one in found])
        if is_done:
            self._failures.pop(guild_id, None)
            return
        failures = self._failures[guild_id] = self._failures.get(guild_id, 0) + 1
        delay = min(self._first_retry * 2 ** min(failures - 1, 20), LAST_RETRY)
        self._due.setdefault(guild_id, self._monotonic() + delay)

    async def _prepare_one(self, active: ActiveModule, guild: discord.Guild) -> bool:
        fields: dict[str, Any] = {"module": active.module.name, "guild_id": guild.id}
        try:
            async with asyncio.timeout(self._deadline):
                return await active.module.prepare(active.settings, guild)
        except ModdyError as error:
            log.warning("module not prepared yet", **fields, error=error.code)
        except TimeoutError:
            log.warning("module not prepared yet", **fields, error="too slow")
        except Exception:  # this task's edge: the other modules and guilds go on
            log.exception("module not prepared", **fields)
        return False
