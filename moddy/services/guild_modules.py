"""Guild modules: which are on in a guild, and their settings as stored."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import structlog
from msgspec import Struct, structs

from moddy.errors import StoreUnavailable
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.store import guild_modules
from moddy.store.database import Database
from moddy.store.guild_modules import ModuleRow
from moddy.store.transactions import Connection

log = structlog.get_logger(__name__)

# How long another process's change may stay unseen; one of this process is seen at once.
FRESH_FOR = timedelta(seconds=30)
MAX_CACHED_GUILDS = 5_000

Rows = Mapping[str, ModuleRow]


class _Cached(Struct, frozen=True):
    rows: Rows
    read_at: datetime


class GuildModules:
    """Reads and changes what guilds have of modules.

    Of at most `max_cached` guilds the rows are remembered, and asked for anew after `fresh_for`;
    while the store is away they stay.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        fresh_for: timedelta = FRESH_FOR,
        max_cached: int = MAX_CACHED_GUILDS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._fresh_for = fresh_for
        self._max_cached = max_cached
        self._cache: OrderedDict[Snowflake, _Cached] = OrderedDict()
        self._changes = 0

    async def find(self, guild_id: Snowflake) -> Rows:
        """Return the guild's modules by name. Raises StoreUnavailable."""
        cached = self._cache.get(guild_id)
        if cached is not None and self._clock.now() - cached.read_at < self._fresh_for:
            self._cache.move_to_end(guild_id)
            return cached.rows
        changes = self._changes
        try:
            found = await self._database.read(lambda c: guild_modules.find(c, guild_id))
        except StoreUnavailable:
            if cached is None:
                raise
            log.warning("guild modules not read anew", guild_id=guild_id)
            return cached.rows
        rows = {row.module: row for row in found}
        # What was changed meanwhile must not be covered by what was read before.
        if changes == self._changes:
            self._remember(guild_id, rows)
        return rows

    async def find_enabled(self, modules: Collection[str]) -> list[Snowflake]:
        """Return the guilds in which any of these modules is on. Raises StoreUnavailable."""
        return await self._database.read(lambda c: guild_modules.find_enabled(c, modules))

    async def change(
        self,
        guild_id: Snowflake,
        module: str,
        change: Callable[[ModuleRow], ModuleRow],
        *,
        default: bytes,
        by: Snowflake,
    ) -> ModuleRow:
        """Have `change` turn the module's row into another, and return that once it is committed.

        A module never touched is off, with the settings `default`. `change` may run twice, and
        does nothing else; what it raises is raised, and nothing is changed then.
        Raises StoreUnavailable.
        """
        now = self._clock.now()
        untouched = ModuleRow(
            guild_id=guild_id,
            module=module,
            enabled=False,
            settings=default,
            updated_by=by,
            updated_at=now,
        )

        async def work(connection: Connection) -> ModuleRow:
            row = await guild_modules.lock(connection, untouched)
            changed = structs.replace(change(row), updated_by=by, updated_at=now)
            await guild_modules.save(connection, changed)
            return changed

        try:
            return await self._database.transaction(work, about=guild_id)
        finally:
            # Also when it failed: a commit may have come too late to be told of.
            self._changes += 1
            self._cache.pop(guild_id, None)

    def _remember(self, guild_id: Snowflake, rows: Rows) -> None:
        self._cache[guild_id] = _Cached(rows, self._clock.now())
        self._cache.move_to_end(guild_id)
        while len(self._cache) > self._max_cached:
            self._cache.popitem(last=False)
