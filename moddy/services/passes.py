"""Passes: long looks at everybody, taken in slices that outlive the process.

A slice ends well before its sweep's claim does, and says where the next one goes on; so a pass
takes as long as it needs, whichever processes take it, and none waits long for one that died.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from moddy.ports import Clock
from moddy.store import reconciliation as store
from moddy.store.database import Database

# A slice begins nothing new after this; what it has begun then fits into the rest of the claim.
SLICE = timedelta(seconds=20)
SLICE_CLAIM = timedelta(seconds=60)
# Seconds between two slices.
SLICE_INTERVAL = 15.0
# Seconds for one call in a slice.
CALL_TIMEOUT = 10.0


class Counters(Struct, kw_only=True):
    """What reconciliation has done since the start of this process.

    `passes` over the guild; `added` and `removed` roles, and `held` removals; `blocked`: roles
    amiss that Moddy cannot manage; `asked` of the backend; `premium_dated`: another end of
    premium; `failed`: members left out for an error.
    """

    passes: int = 0
    added: int = 0
    removed: int = 0
    held: int = 0
    blocked: int = 0
    asked: int = 0
    premium_on: int = 0
    premium_off: int = 0
    premium_dated: int = 0
    failed: int = 0


class PassState(Struct, frozen=True, kw_only=True):
    """How far a pass is.

    Everybody up to the id `cursor` was looked at; `removals` are the users who are to lose
    something by it. `stalls` counts slices in a row that came no further.
    """

    started_at: datetime
    cursor: str = ""
    removals: frozenset[str] = frozenset()
    stalls: int = 0
    is_done: bool = False


class Pass:
    """One kind of pass: begun when the process starts, and every `interval`."""

    def __init__(self, *, name: str, interval: timedelta, database: Database, clock: Clock) -> None:
        self._key = f"pass: {name}"
        self._interval = interval
        self._database = database
        self._clock = clock
        self._has_begun = False

    async def take_up(self, *, at_once: bool = False) -> PassState | None:
        """Return the pass to go on with, a new one when it is time or `at_once`, None if not.

        Raises StoreUnavailable.
        """
        now = self._clock.now()
        state = await self._database.read(lambda c: store.recall(c, self._key, PassState))
        if state is not None and self._has_begun:
            if not state.is_done:
                return state
            if not at_once and now - state.started_at < self._interval:
                return None
        self._has_begun = True
        return PassState(started_at=now)

    async def save(self, state: PassState) -> None:
        """Remember how far the pass is. Raises StoreUnavailable."""
        await self._database.transaction(lambda c: store.remember(c, self._key, state))
