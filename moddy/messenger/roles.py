"""The `Roles` port over discord.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import discord

from moddy.errors import MemberNotFound, UserNotFound
from moddy.messenger.calls import Connection
from moddy.models import Snowflake
from moddy.ports import GuildRoles, MemberPage, RoleInfo

AUDIT_LOG_REASON = "Moddy: subscription"
# The most that Discord gives at once. Source:
# https://discord.com/developers/docs/resources/guild#list-guild-members
PAGE_SIZE = 1000


class DiscordRoles:
    """Reads and changes roles as the bot.

    `is_gateway_ready` tells whether the bot's cache can be trusted to know every guild.
    """

    def __init__(self, connection: Connection, *, is_gateway_ready: Callable[[], bool]) -> None:
        self._connection = connection
        self._is_gateway_ready = is_gateway_ready

    def knows_guild(self, guild_id: Snowflake) -> bool | None:
        """See `moddy.ports.Roles.knows_guild`."""
        if not self._connection.sees(guild_id) or not self._is_gateway_ready():
            return None
        return self._connection.bot.get_guild(int(guild_id)) is not None

    async def read(self, guild_id: Snowflake, user_id: Snowflake) -> GuildRoles:
        """See `moddy.ports.Roles.read`."""
        with self._connection.calls():
            guild, me = await self._fetch(guild_id)
            try:
                member = await guild.fetch_member(int(user_id))
            except discord.NotFound as error:
                if error.code not in (10007, 10013):
                    raise
                member = None
        return _guild_roles(guild, me, member)

    async def read_guild(self, guild_id: Snowflake) -> GuildRoles:
        """See `moddy.ports.Roles.read_guild`."""
        with self._connection.calls():
            guild, me = await self._fetch(guild_id)
        return _guild_roles(guild, me, None)

    async def read_members(self, guild_id: Snowflake, *, after: int) -> MemberPage:
        """See `moddy.ports.Roles.read_members`.

        Over REST: a guild that another process's shard has is read as well, and a member whose
        events were missed is what they are now. discord.py would make objects of them all.
        """
        http = self._connection.bot.http
        with self._connection.calls():
            found = await http.get_members(int(guild_id), PAGE_SIZE, after)
        members = {
            Snowflake(member["user"]["id"]): frozenset(map(Snowflake, member["roles"]))
            for member in found
        }
        last = max(members, key=int) if len(found) == PAGE_SIZE else None
        return MemberPage(members=members, last=last)

    async def _fetch(self, guild_id: Snowflake) -> tuple[discord.Guild, discord.Member]:
        guild = await self._connection.bot.fetch_guild(int(guild_id), with_counts=False)
        return guild, await guild.fetch_member(self._connection.bot_id)

    async def change(
        self,
        guild_id: Snowflake,
        user_id: Snowflake,
        *,
        add: Sequence[Snowflake],
        remove: Sequence[Snowflake],
    ) -> None:
        """See `moddy.ports.Roles.change`."""
        http, guild, user = self._connection.bot.http, int(guild_id), int(user_id)
        try:
            with self._connection.calls():
                for role_id in add:
                    await http.add_role(guild, user, int(role_id), reason=AUDIT_LOG_REASON)
                for role_id in remove:
                    await http.remove_role(guild, user, int(role_id), reason=AUDIT_LOG_REASON)
        except UserNotFound as error:  # an account deleted since we looked
            raise MemberNotFound(str(error), discord_code=error.discord_code) from error


def _guild_roles(
    guild: discord.Guild, me: discord.Member, member: discord.Member | None
) -> GuildRoles:
    top = me.top_role
    return GuildRoles(
        guild_id=Snowflake(guild.id),
        roles={role.id: role for role in map(_role_info, guild.roles)},
        member_role_ids=None if member is None else _role_ids(member),
        top_rank=(top.position, -top.id),
        may_manage=me.guild_permissions.manage_roles,
    )


def _role_info(role: discord.Role) -> RoleInfo:
    return RoleInfo(id=Snowflake(role.id), position=role.position, managed=role.managed)


def _role_ids(member: discord.Member) -> frozenset[Snowflake]:
    return frozenset(Snowflake(role.id) for role in member.roles)
