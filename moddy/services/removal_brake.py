"""The brake: where a sweep would take something from many at once, a person is asked first.

Whatever makes it want that is more often a mistake than a fact: a wrong setting, a backend that
lost its data, a row too many edited by hand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from enum import Enum

import structlog
from msgspec import Struct

from moddy.ports import Clock
from moddy.store import reconciliation as store
from moddy.store.database import Database
from moddy.store.transactions import Connection

log = structlog.get_logger(__name__)

# How long after the last post staff are told again of what is still held.
REMIND_AFTER = timedelta(days=1)

Hold = Callable[[Connection, int], Awaitable[None]]


class Removal(Enum):
    """What is taken: a role on Discord, or the PREMIUM attribute."""

    ROLE = "role"
    PREMIUM = "premium"


class Held(Struct, frozen=True, kw_only=True):
    """The users who are not to lose it without a person's word, and those with it."""

    held: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    posted_at: datetime | None = None


NOTHING = Held()


async def _tell_nobody(_connection: Connection, count: int) -> None:
    log.warning("removals held, and no channel to say so in", count=count)


class RemovalBrake:
    """Lets at most `limit` users lose something in one sweep without a person's word.

    `hold` is told how many are held, in the transaction that holds them.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        limit: int,
        hold: Hold = _tell_nobody,
    ) -> None:
        self._database = database
        self._clock = clock
        self._limit = limit
        self._hold = hold

    async def decide(
        self, removal: Removal, user_ids: Collection[str]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Return which of the users may lose it now, and which are held.

        Who was held stays so until the word, however few are left; who is no longer among
        `user_ids` is let go. Raises StoreUnavailable.
        """

        async def work(connection: Connection) -> tuple[frozenset[str], frozenset[str]]:
            kept = await self._recall(connection, removal)
            wanted = frozenset(user_ids)
            fresh = wanted - kept.held - kept.allowed
            held = wanted & kept.held
            if len(fresh) > self._limit:
                held |= fresh
            now, posted_at = self._clock.now(), kept.posted_at
            is_due = posted_at is None or now - posted_at >= REMIND_AFTER
            if held and (is_due or held - kept.held):
                posted_at = now
                await self._hold(connection, len(held))
            new = Held(held=held, allowed=kept.allowed, posted_at=posted_at if held else None)
            if new != kept:
                await store.remember(connection, _key(removal), new)
            return wanted - held, held

        return await self._database.transaction(work)

    async def find_allowed(self, removal: Removal) -> frozenset[str]:
        """Return whose removal was allowed and is to be carried out. Raises StoreUnavailable."""
        kept = await self._database.read(lambda c: store.recall(c, _key(removal), Held))
        return (kept or NOTHING).allowed

    async def finish(self, removal: Removal, user_ids: Collection[str]) -> None:
        """Let the word for these users be used up. Raises StoreUnavailable."""

        async def work(connection: Connection) -> None:
            kept = await self._recall(connection, removal)
            left = kept.allowed.difference(user_ids)
            if left != kept.allowed:
                new = Held(held=kept.held, allowed=left, posted_at=kept.posted_at)
                await store.remember(connection, _key(removal), new)

        await self._database.transaction(work)

    async def allow(self, connection: Connection) -> int:
        """Take a person's word for everything that is held; returns how many that are.

        In a transaction of the caller's, who has asked whether that person may. What of it is
        still right is carried out by the next sweep, within seconds. 0: nothing is held any
        more, or somebody else was faster.
        """
        count = 0
        for removal in Removal:
            kept = await self._recall(connection, removal)
            if kept.held:
                count += len(kept.held)
                new = Held(allowed=kept.allowed | kept.held)
                await store.remember(connection, _key(removal), new)
        return count

    async def _recall(self, connection: Connection, removal: Removal) -> Held:
        return await store.recall(connection, _key(removal), Held, lock=True) or NOTHING


def _key(removal: Removal) -> str:
    return f"held: {removal.value}"
