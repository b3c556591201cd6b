"""Keeps the roles of a guild's members in the store, ahead of their leaving.

Discord does not tell which roles a leaving member had. So they are saved while the member is
there: all of them once the guild is known, and then each change. Who leaves while Moddy is
restarting, or before it knows the guild's members, is thus known as well; and who came back
meanwhile is found by having joined after what is saved of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import discord

from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.store import saved_roles
from moddy.store.database import Database
from moddy.store.saved_roles import SavedRoles
from moddy.store.transactions import Connection

# Members who are written together; others share the transaction.
BATCH = 200
# Seconds between two batches.
PAUSE = 0.05


class Keeper:
    """Saves roles; `reserved` are the roles that come with a subscription, and are never saved."""

    def __init__(self, *, database: Database, clock: Clock, reserved: frozenset[Snowflake]) -> None:
        self._database = database
        self._clock = clock
        self.reserved = reserved

    async def keep(self, member: discord.Member) -> None:
        """Save what a member has now. Raises StoreUnavailable."""
        await self._keep([member])

    async def returned(self, member: discord.Member) -> SavedRoles | None:
        """Return what a member who just joined had before. Raises StoreUnavailable."""
        guild_id, user_id = Snowflake(member.guild.id), Snowflake(member.id)
        joined_at = _joined_at(member)
        return await self._database.transaction(
            lambda c: saved_roles.mark_returned(c, guild_id, user_id, joined_at), about=user_id
        )

    async def settle(self, member: discord.Member, given: Collection[Snowflake]) -> None:
        """Note that a member has what was to be given back. Raises StoreUnavailable."""
        row = self._row(member, extra=given)
        await self._database.transaction(lambda c: saved_roles.settle(c, row), about=row.user_id)

    async def keep_all(self, guild: discord.Guild) -> Sequence[tuple[discord.Member, SavedRoles]]:
        """Save what all members of a guild have, all of whom are known.

        Returns those who came back since, each with what they had before. Raises StoreUnavailable.
        """
        guild_id = Snowflake(guild.id)
        known = await self._database.read(lambda c: saved_roles.find_all(c, guild_id))
        returned: list[tuple[discord.Member, SavedRoles]] = []
        changed: list[discord.Member] = []
        for member in guild.members:
            if member.bot or member.joined_at is None:
                continue
            row = known.get(Snowflake(member.id))
            if row is not None and row.saved_at < member.joined_at:
                returned.append((member, row))
            elif self._is_news(member, row):
                changed.append(member)
        for start in range(0, len(changed), BATCH):
            await self._keep(changed[start : start + BATCH])
            await asyncio.sleep(PAUSE)
        return returned

    async def forget(self, guild_id: Snowflake) -> None:
        """Remove what is saved of a guild. Raises StoreUnavailable."""
        await self._database.transaction(lambda c: saved_roles.forget(c, guild_id))

    def _is_news(self, member: discord.Member, row: SavedRoles | None) -> bool:
        has = set(role_ids(member)) - self.reserved
        return has != (set(row.role_ids) if row else set())

    async def _keep(self, members: Sequence[discord.Member]) -> None:
        rows = [(self._row(member), _joined_at(member)) for member in members]
        guild_id = rows[0][0].guild_id
        user_ids = [row.user_id for row, _ in rows]

        async def work(connection: Connection) -> None:
            granted = await saved_roles.find_granted(connection, guild_id, user_ids)
            kept = [(_without(row, granted), joined_at) for row, joined_at in rows]
            await saved_roles.keep(connection, kept)

        about = user_ids[0] if len(user_ids) == 1 else ""
        await self._database.transaction(work, about=about)

    def _row(self, member: discord.Member, extra: Collection[Snowflake] = ()) -> SavedRoles:
        kept = {*role_ids(member), *extra} - self.reserved
        return SavedRoles(
            guild_id=Snowflake(member.guild.id),
            user_id=Snowflake(member.id),
            role_ids=tuple(sorted(kept)),
            # Discord's clock may be ahead of this machine's; see `moddy.store.saved_roles`.
            saved_at=max(self._clock.now(), _joined_at(member)),
        )


class OldRoles:
    """Removes what was saved long ago: of members who left, as the others are saved anew."""

    def __init__(self, *, database: Database, clock: Clock, retention: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._retention = retention

    async def remove(self) -> int:
        """Remove what is old enough; returns how many. Raises StoreUnavailable."""
        before = self._clock.now() - self._retention
        removed = 0
        while True:
            batch = await self._database.transaction(
                lambda c: saved_roles.remove_old(c, before, limit=BATCH)
            )
            removed += batch
            if batch < BATCH:
                return removed
            await asyncio.sleep(PAUSE)


def role_ids(member: discord.Member) -> tuple[Snowflake, ...]:
    """Return a member's roles without @everyone."""
    return tuple(Snowflake(role.id) for role in member.roles if not role.is_default())


def _joined_at(member: discord.Member) -> datetime:
    # Only guests of a voice channel have none, and they are never asked about.
    return member.joined_at or discord.utils.utcnow()


def _without(row: SavedRoles, granted: Mapping[Snowflake, frozenset[Snowflake]]) -> SavedRoles:
    taken_out = granted.get(row.user_id, frozenset())
    kept = tuple(role_id for role_id in row.role_ids if role_id not in taken_out)
    return SavedRoles(
        guild_id=row.guild_id, user_id=row.user_id, role_ids=kept, saved_at=row.saved_at
    )
