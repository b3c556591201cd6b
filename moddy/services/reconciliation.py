"""Reconciliation of the guild: its members have the roles that they are to have.

Events get lost, rows and roles are changed by hand, Moddy is down. So everybody who is to have a
role, or was given one, is looked at as they really are, again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import structlog
from msgspec import structs

from moddy.errors import DiscordError, DiscordUnavailable
from moddy.ports import Clock, Roles
from moddy.services.guild_look import MAX_DUE, GuildLook
from moddy.services.passes import SLICE, Counters, Pass, PassState
from moddy.services.removal_brake import Removal, RemovalBrake
from moddy.services.role_repairs import Repairs
from moddy.store.database import Database

log = structlog.get_logger(__name__)


def _always() -> bool:
    return True


class Reconciliation:
    """Compares the guild's members with what is kept of them, and has them repaired.

    A pass begins with the process and every `interval`. `is_ready` tells whether Discord can be
    asked; `wake` is called when there is something to deliver.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        roles: Roles,
        repairs: Repairs,
        brake: RemovalBrake,
        interval: timedelta,
        counters: Counters,
        is_ready: Callable[[], bool] = _always,
        wake: Callable[[], None] = lambda: None,
        max_due: int = MAX_DUE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._repairs = repairs
        self._brake = brake
        self._look = GuildLook(
            database=database,
            clock=clock,
            roles=roles,
            repairs=repairs,
            counters=counters,
            max_due=max_due,
        )
        self._pass = Pass(name="guild roles", interval=interval, database=database, clock=clock)
        self._counters = counters
        self._is_ready = is_ready
        self._wake = wake

    async def sweep(self) -> int:
        """Take the next slice of a pass over the guild, if one is due.

        Returns how many roles were found amiss. What is done stays so when this is cancelled.
        Raises StoreUnavailable.
        """
        if not self._is_ready():
            return 0
        allowed = await self._brake.find_allowed(Removal.ROLE)
        state = await self._pass.take_up(at_once=bool(allowed))
        if state is None:
            return 0
        try:
            return await self._take_slice(state)
        except (DiscordUnavailable, TimeoutError) as error:
            log.warning("guild not reconciled yet", error=type(error).__name__)
        except DiscordError as error:
            log.warning("guild not reconciled", error=error.code)
            await self._pass.save(structs.replace(state, is_done=True))
        finally:
            self._wake()
        return 0

    async def _take_slice(self, state: PassState) -> int:
        amiss, until = 0, self._clock.now() + SLICE
        while not state.is_done and self._clock.now() < until:
            state, found = await self._look.look(state)
            amiss += found
            if state.is_done:
                await self._take(state)
            await self._pass.save(state)
            self._wake()
        return amiss

    async def _take(self, state: PassState) -> None:
        """Carry out the removals that a pass came to, unless they are too many at once."""
        allowed = await self._brake.find_allowed(Removal.ROLE)
        free, held = await self._brake.decide(Removal.ROLE, state.removals)
        await self._look.take(free)
        await self._brake.finish(Removal.ROLE, allowed)
        self._counters.held += len(held)
        self._counters.passes += 1
