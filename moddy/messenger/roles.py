"""The `Roles` port over discord.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import discord

from moddy.errors import MemberNotFound, UserNotFound
from moddy.messenger.calls import Connection
from moddy.models import Snowflake
from moddy.ports import GuildRoles, RoleInfo

AUDIT_LOG_REASON = "Moddy: subscription"


class DiscordRoles:
    """Reads and changes roles as the bot.

    `is_gateway_ready` tells whether the bot's cache can be trusted to know every guild.
    """

    def __init__(self, connection: Connection, *, is_gateway_ready: Callable[[], bool]) -> None:
        self._connection = connection
        self._is_gateway_ready = is_gateway_ready

    def knows_guild(self, guild_id: Snowflake) -> bool | None:
        """See `moddy.ports.Roles.knows_guild`."""
        shard_ids, shard_count = (
            self._connection.bot.shard_ids,
            self._connection.bot.shard_count or 1,
        )
        elsewhere = shard_ids is not None and (int(guild_id) >> 22) % shard_count not in shard_ids
        if elsewhere or not self._is_gateway_ready():
            return None
        return self._connection.bot.get_guild(int(guild_id)) is not None

    async def read(self, guild_id: Snowflake, user_id: Snowflake) -> GuildRoles:
        """See `moddy.ports.Roles.read`."""
        with self._connection.calls():
            guild = await self._connection.bot.fetch_guild(int(guild_id), with_counts=False)
            me = await guild.fetch_member(self._connection.bot_id)
            try:
                member = await guild.fetch_member(int(user_id))
            except discord.NotFound as error:
                if error.code not in (10007, 10013):
                    raise
                member = None
        top = me.top_role
        return GuildRoles(
            guild_id=guild_id,
            roles={role.id: role for role in map(_role_info, guild.roles)},
            member_role_ids=None if member is None else _role_ids(member),
            top_rank=(top.position, -top.id),
            may_manage=me.guild_permissions.manage_roles,
        )

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


def _role_info(role: discord.Role) -> RoleInfo:
    return RoleInfo(id=Snowflake(role.id), position=role.position, managed=role.managed)


def _role_ids(member: discord.Member) -> frozenset[Snowflake]:
    return frozenset(Snowflake(role.id) for role in member.roles)
