"""Looking at a stretch of the guild's members as they really are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import structlog
from msgspec import structs

from moddy.errors import StoreUnavailable
from moddy.models import Snowflake
from moddy.ports import Clock, GuildRoles, MemberPage, Roles
from moddy.services.passes import CALL_TIMEOUT, Counters, PassState
from moddy.services.role_repairs import Repair, Repairs
from moddy.services.roles import check
from moddy.store import reconciliation as store
from moddy.store import role_grants
from moddy.store.database import Database
from moddy.store.role_grants import NO_CLAIMS
from moddy.store.transactions import Connection
from moddy.store.users import User

log = structlog.get_logger(__name__)

# With so many role updates due, no more are added: an order of the backend's must not wait long.
MAX_DUE = 200
# Seconds between two looks whether there are fewer, and after which the next slice goes on.
ROOM_PAUSE = 0.5
ROOM_TIMEOUT = 10.0
# Members whose repairs are stored at the same time.
TOGETHER = 50


class GuildLook:
    """Finds what is amiss, page by page of members."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        roles: Roles,
        repairs: Repairs,
        counters: Counters,
        max_due: int = MAX_DUE,
    ) -> None:
        self._database = database
        self._clock = clock
        self._roles = roles
        self._repairs = repairs
        self._counters = counters
        self._max_due = max_due

    async def look(self, state: PassState) -> tuple[PassState, int]:
        """Look at the next page; returns how far the pass is then, and how much was amiss.

        What is to be given is owed at once; who is to lose a role is only noted. Only stretches
        of the guild are asked for in which somebody matters.
        Raises as `Roles.read`, TimeoutError and StoreUnavailable.
        """
        guild_id = self._repairs.guild_id
        first = await self._database.read(
            lambda c: store.find_next_member(c, guild_id, after=Snowflake(state.cursor))
        )
        if first is None:
            return structs.replace(state, is_done=True), 0
        seen_at = self._clock.now()
        async with asyncio.timeout(CALL_TIMEOUT):
            guild = await self._roles.read_guild(guild_id)
        async with asyncio.timeout(CALL_TIMEOUT):
            page = await self._roles.read_members(guild_id, after=int(first) - 1)
        found = self._forget_deleted(guild, await self._find_amiss(page))
        blocked = _find_blocked(guild, found.values())
        if blocked:
            log.warning("roles that Moddy cannot manage", role_ids=sorted(blocked))
        amiss = {user_id: _without(repair, blocked) for user_id, repair in found.items()}
        await self._give(page, amiss, seen_at)
        self._counters.blocked += sum(
            len(repair.add & blocked) + len(repair.remove & blocked) for repair in found.values()
        )
        removals = {str(user_id) for user_id, repair in amiss.items() if repair.remove}
        new = structs.replace(
            state,
            removals=state.removals | removals,
            cursor=str(page.last or ""),
            is_done=page.last is None,
        )
        return new, sum(len(one.add) + len(one.remove) for one in amiss.values())

    async def take(self, user_ids: Collection[str]) -> None:
        """Owe these members the removal of what is still too much. Raises StoreUnavailable."""
        role_id, seen_at = self._repairs.premium_role_id, self._clock.now()
        has = () if role_id is None else (role_id,)

        async def take_one(user_id: Snowflake) -> None:
            await self._repairs.owe(
                user_id, has, seen_at=seen_at, trim=lambda repair: Repair(remove=repair.remove)
            )

        await self._for_each([Snowflake(user_id) for user_id in user_ids], take_one)

    async def _give(
        self, page: MemberPage, amiss: Mapping[Snowflake, Repair], seen_at: datetime
    ) -> None:
        async def give_one(user_id: Snowflake) -> None:
            seen = amiss[user_id]
            await self._repairs.owe(
                user_id,
                page.members[user_id],
                seen_at=seen_at,
                trim=lambda repair: Repair(
                    add=repair.add & seen.add, forget=repair.forget | seen.forget
                ),
            )

        concerned = [user_id for user_id, one in amiss.items() if one.add or one.forget]
        await self._for_each(concerned, give_one)

    def _forget_deleted(
        self, guild: GuildRoles, found: Mapping[Snowflake, Repair]
    ) -> dict[Snowflake, Repair]:
        """Return the repairs without roles that the guild has no more: an id never comes back.

        The premium role stays among them, to be told of: it is a setting that is wrong.
        """
        existing = {*guild.roles, self._repairs.premium_role_id}
        return {
            user_id: Repair(
                add=repair.add & existing,
                remove=repair.remove,
                forget=repair.forget | (repair.add - existing),
            )
            for user_id, repair in found.items()
        }

    async def _for_each(
        self, user_ids: Sequence[Snowflake], work: Callable[[Snowflake], Awaitable[None]]
    ) -> None:
        """Do `work` for each user; what fails with one is logged, and no other's trouble."""
        for start in range(0, len(user_ids), TOGETHER):
            await self._wait_for_room()
            together = user_ids[start : start + TOGETHER]
            results = await asyncio.gather(*map(work, together), return_exceptions=True)
            for user_id, result in zip(together, results, strict=True):
                if isinstance(result, StoreUnavailable) or not isinstance(result, Exception | None):
                    raise result
                if result is not None:
                    self._counters.failed += 1
                    log.error("member not reconciled", discord_id=user_id, exc_info=result)

    async def _wait_for_room(self) -> None:
        """Return once few enough role updates are due. Raises TimeoutError."""
        async with asyncio.timeout(ROOM_TIMEOUT):
            while await self._database.read(self._count_due) >= self._max_due:  # noqa: ASYNC110
                await asyncio.sleep(ROOM_PAUSE)  # (rows, that any process works on)

    async def _count_due(self, connection: Connection) -> int:
        return await store.count_role_updates(connection, self._clock.now())

    async def _find_amiss(self, page: MemberPage) -> dict[Snowflake, Repair]:
        user_ids = list(page.members)

        async def look(connection: Connection) -> dict[Snowflake, Repair]:
            known = await store.find_users(connection, user_ids)
            claims = await role_grants.find_many(connection, self._repairs.guild_id, user_ids)
            return {
                user_id: self._repairs.find(
                    page.members[user_id],
                    claims.get(user_id, NO_CLAIMS),
                    known.get(user_id, User(discord_id=user_id)),
                )
                for user_id in known.keys() | claims.keys()
            }

        found = await self._database.read(look)
        return {user_id: repair for user_id, repair in found.items() if repair}


def _find_blocked(guild: GuildRoles, repairs: Iterable[Repair]) -> frozenset[Snowflake]:
    """Return the roles that are amiss and cannot be changed by Moddy now."""
    concerned = frozenset[Snowflake]().union(*(one.add | one.remove for one in repairs))
    if not guild.may_manage:
        return concerned
    return frozenset(one for one in concerned if check(guild, [one]) is not None)


def _without(repair: Repair, role_ids: Collection[Snowflake]) -> Repair:
    return Repair(
        add=repair.add.difference(role_ids),
        remove=repair.remove.difference(role_ids),
        forget=repair.forget,
    )
