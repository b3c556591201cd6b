"""Members who join have the roles that are theirs at once: many are looked up together."""

from __future__ import annotations

import asyncio
from itertools import islice

import structlog

from moddy.errors import StoreUnavailable
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.services.role_repairs import Repair, Repairs
from moddy.store import role_grants, users
from moddy.store.database import Database
from moddy.store.transactions import Connection

log = structlog.get_logger(__name__)

# Seconds for which those who join are gathered, and until the store is asked again.
GATHER = 0.2
PAUSE = 1.0
BATCH = 500
# Beyond so many the next sweep finds the others.
MAX_WAITING = 50_000


class Newcomers:
    """Looks at those who join. What happens on Discord does not wait for the store."""

    def __init__(self, *, database: Database, clock: Clock, repairs: Repairs) -> None:
        self._database = database
        self._clock = clock
        self._repairs = repairs
        self._joined: set[Snowflake] = set()
        self._some = asyncio.Event()

    def joined(self, user_id: Snowflake) -> None:
        """Take note of somebody who joined."""
        if len(self._joined) < MAX_WAITING:
            self._joined.add(user_id)
            self._some.set()

    async def run(self) -> None:
        """Give newcomers their roles, until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(GATHER)
            try:
                await self.settle()
            except StoreUnavailable as error:
                log.warning("store unavailable", task="newcomers", cause=str(error))
                await asyncio.sleep(PAUSE)

    async def settle(self) -> None:
        """Look at everybody who has joined so far. Raises StoreUnavailable."""
        self._some.clear()
        while self._joined:
            batch = list(islice(self._joined, BATCH))
            try:
                for user_id in await self._find_wanting(batch):
                    await self._repairs.owe(
                        user_id,
                        (),
                        seen_at=self._clock.now(),
                        trim=lambda repair: Repair(add=repair.add),
                    )
            except StoreUnavailable:
                self._some.set()
                raise
            self._joined.difference_update(batch)

    async def _find_wanting(self, user_ids: list[Snowflake]) -> list[Snowflake]:
        """Return who of them is to have a role; somebody new has none yet."""

        async def look(connection: Connection) -> list[Snowflake]:
            known = await users.find_many(connection, user_ids)
            claims = await role_grants.find_many(connection, self._repairs.guild_id, user_ids)
            return [
                user.discord_id
                for user in known
                if self._repairs.find(
                    (), claims.get(user.discord_id, role_grants.NO_CLAIMS), user
                ).add
            ]

        return await self._database.read(look)
