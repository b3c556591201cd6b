"""Which modules are on in a guild, with their settings as they take effect there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import discord
import structlog
from msgspec import Struct

from moddy.models import Snowflake
from moddy.modules.base import BrokenSettings, GuildModule, read_settings, unlocked
from moddy.services.guild_modules import GuildModules
from moddy.services.premium_gate import PremiumGate
from moddy.store.guild_modules import ModuleRow

log = structlog.get_logger(__name__)

# As many broken settings are told of; then all of them may be told of again.
_MAX_TOLD = 10_000


class ActiveModule(Struct, frozen=True):
    """A module that is on in a guild, and its settings there."""

    module: GuildModule[Any]
    settings: Any


class ActiveModules:
    """Finds the modules that are on. Settings that cannot be read stop that one module only."""

    def __init__(
        self,
        modules: Collection[GuildModule[Any]],
        *,
        store: GuildModules,
        gate: PremiumGate,
    ) -> None:
        self.modules: Mapping[str, GuildModule[Any]] = {module.name: module for module in modules}
        self._store = store
        self._gate = gate
        self._told: set[ModuleRow] = set()

    async def find(self, guild: discord.Guild) -> Sequence[ActiveModule]:
        """Return what is on in a guild. Raises StoreUnavailable."""
        rows = await self._store.find(Snowflake(guild.id))
        active = []
        for name, module in self.modules.items():
            row = rows.get(name)
            if row is None or not row.enabled:
                continue
            try:
                settings = read_settings(module, row.settings)
            except BrokenSettings as error:
                self._tell_broken(row, error)
                continue
            settings = await unlocked(module, settings, guild.owner_id, self._gate)
            active.append(ActiveModule(module, settings))
        return active

    async def find_guilds(self) -> Sequence[Snowflake]:
        """Return the guilds that have any module on. Raises StoreUnavailable."""
        return await self._store.find_enabled(self.modules)

    def _tell_broken(self, row: ModuleRow, error: BrokenSettings) -> None:
        """Log broken settings once, and not for each event in a busy guild."""
        if row in self._told:
            return
        if len(self._told) >= _MAX_TOLD:
            self._told.clear()
        self._told.add(row)
        log.error(
            "module stopped: its settings cannot be read",
            module=row.module,
            guild_id=row.guild_id,
            error=str(error),
        )
