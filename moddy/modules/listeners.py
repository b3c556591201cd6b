"""Brings what happens in a guild to the modules that are on there, each on its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import structlog
from discord.ext import commands

from moddy.errors import ModdyError
from moddy.models import Snowflake
from moddy.modules.active import ActiveModule, ActiveModules
from moddy.modules.base import GuildModule
from moddy.modules.preparations import Preparations

log = structlog.get_logger(__name__)

# Seconds for one module with one event.
DEADLINE = 45.0
# Events that one module may be busy with in one guild; what comes beyond is dropped for it, so
# that a raid of joins costs no more than this.
MAX_AT_WORK = 200

Listen = Callable[[GuildModule[Any], Any], Awaitable[None]]


class ModuleListeners(commands.Cog):
    """Hears of members for the modules.

    discord.py runs each listener in a task of its own, so nothing here holds up the gateway. One
    module's failure, slowness or flood touches neither another module nor another guild.
    """

    def __init__(
        self,
        *,
        active: ActiveModules,
        preparations: Preparations,
        deadline: float = DEADLINE,
        max_at_work: int = MAX_AT_WORK,
    ) -> None:
        self._active = active
        self._preparations = preparations
        self._deadline = deadline
        self._max_at_work = max_at_work
        self._at_work: Counter[tuple[int, str]] = Counter()
        self._is_ready = False

    @commands.Cog.listener()
    async def on_member_join(self, member: discord.Member) -> None:
        """Tell of a new member."""
        await self._bring(
            "member_joined", member.guild, lambda m, settings: m.member_joined(settings, member)
        )

    @commands.Cog.listener()
    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        """Tell of one who left, known to the cache or not."""
        guild = self._preparations.get_guild(payload.guild_id)
        if guild is not None:
            await self._bring(
                "member_left",
                guild,
                lambda m, settings: m.member_left(settings, guild, payload.user),
            )

    @commands.Cog.listener()
    async def on_member_update(self, before: discord.Member, after: discord.Member) -> None:
        """Tell of other roles; most updates are about something else."""
        if before.roles != after.roles:
            await self._bring(
                "roles_changed", after.guild, lambda m, settings: m.roles_changed(settings, after)
            )

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Have all guilds prepared; their members are unknown after a new session."""
        self._is_ready = True
        self._preparations.ask_all()

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Prepare a guild that Moddy was added to; it may have been there before."""
        self._preparations.ask(Snowflake(guild.id))

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Prepare a guild that is back after an outage; at the start all of them come together."""
        if self._is_ready:
            self._preparations.ask(Snowflake(guild.id))

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Have the modules forget a guild that Moddy is no longer in."""
        await self._bring("removed", guild, lambda module, _: module.forget(Snowflake(guild.id)))

    async def _bring(self, event: str, guild: discord.Guild, listen: Listen) -> None:
        active = await self._active.find(guild)
        await asyncio.gather(*(self._run(one, event, guild, listen) for one in active))

    async def _run(
        self, active: ActiveModule, event: str, guild: discord.Guild, listen: Listen
    ) -> None:
        module = active.module
        fields = {"module": module.name, "guild_id": guild.id, "about": event}
        place = (guild.id, module.name)
        if self._at_work[place] >= self._max_at_work:
            log.warning("module too busy, event dropped", **fields)
            return
        self._at_work[place] += 1
        try:
            async with asyncio.timeout(self._deadline):
                await listen(module, active.settings)
        except ModdyError as error:
            log.warning("module failed", **fields, error=error.code)
        except TimeoutError:
            log.warning("module failed", **fields, error="too slow")
        except Exception:  # this task's edge: the other modules go on
            log.exception("module failed", **fields)
        finally:
            self._at_work[place] -= 1
            if not self._at_work[place]:
                del self._at_work[place]
