"""A look at how Moddy stands with Discord, over REST alone: nothing is changed, nobody notices."""

from __future__ import annotations

from collections.abc import Iterable

import aiohttp
import discord
from msgspec import Struct

from moddy.models import Snowflake


class RoleSeen(Struct, frozen=True, kw_only=True):
    """A role of the guild, and whether Moddy could give it."""

    name: str
    managed: bool
    below_moddy: bool


class GuildSeen(Struct, frozen=True, kw_only=True):
    """The main guild. `role` is None when it has none of the id that was asked for."""

    name: str
    may_manage_roles: bool
    may_view_audit_log: bool
    top_role: str
    role: RoleSeen | None


class ChannelSeen(Struct, frozen=True, kw_only=True):
    """A channel, with the permissions that Moddy lacks to write there, by their names."""

    name: str
    missing: tuple[str, ...]


class Inspection(Struct, frozen=True, kw_only=True):
    """What was seen. `problem` is set when Discord could not be asked, or refused the token.

    `guild` and entries of `channels` are None where Moddy sees none.
    """

    problem: str | None = None
    token_refused: bool = False
    bot_name: str | None = None
    has_members_intent: bool = False
    guild: GuildSeen | None = None
    channels: dict[Snowflake, ChannelSeen | None] = {}


async def inspect(
    token: str,
    *,
    guild_id: Snowflake | None,
    role_id: Snowflake | None,
    channel_ids: Iterable[Snowflake],
) -> Inspection:
    """Look at the bot, its main guild and these channels. The caller sets the deadline."""
    async with discord.Client(intents=discord.Intents.none(), max_ratelimit_timeout=30.0) as client:
        try:
            await client.login(token)
            application = await client.application_info()
            flags = application.flags
            return Inspection(
                bot_name=None if client.user is None else str(client.user),
                has_members_intent=flags.gateway_guild_members
                or flags.gateway_guild_members_limited,
                guild=await _see_guild(client, guild_id, role_id) if guild_id else None,
                channels={one: await _see_channel(client, one) for one in channel_ids},
            )
        except discord.LoginFailure:
            return Inspection(problem="Discord refuses the token", token_refused=True)
        except discord.HTTPException as error:
            return Inspection(problem=f"Discord answered {error.status}, code {error.code}")
        except (aiohttp.ClientError, discord.DiscordException, OSError) as error:
            return Inspection(problem=f"Discord cannot be reached ({type(error).__name__})")


async def _see_guild(
    client: discord.Client, guild_id: Snowflake, role_id: Snowflake | None
) -> GuildSeen | None:
    found = await _fetch_guild(client, int(guild_id))
    if found is None:
        return None
    guild, me = found
    role = guild.get_role(int(role_id)) if role_id else None
    return GuildSeen(
        name=guild.name,
        may_manage_roles=me.guild_permissions.manage_roles,
        may_view_audit_log=me.guild_permissions.view_audit_log,
        top_role=me.top_role.name,
        role=None
        if role is None
        else RoleSeen(name=role.name, managed=role.managed, below_moddy=role < me.top_role),
    )


async def _see_channel(client: discord.Client, channel_id: Snowflake) -> ChannelSeen | None:
    try:
        raw = await client.http.get_channel(int(channel_id))
    except (discord.NotFound, discord.Forbidden):
        return None
    found = await _fetch_guild(client, int(str(raw.get("guild_id", 0))))
    if found is None:
        return None
    guild, me = found
    channel = await guild.fetch_channel(int(channel_id))
    if isinstance(channel, discord.Thread):
        return ChannelSeen(name=channel.name, missing=("a text channel, not a thread",))
    has = channel.permissions_for(me)
    wanted = {
        "View Channel": has.view_channel,
        "Send Messages": has.send_messages,
    }
    return ChannelSeen(name=channel.name, missing=tuple(n for n, has in wanted.items() if not has))


async def _fetch_guild(
    client: discord.Client, guild_id: int
) -> tuple[discord.Guild, discord.Member] | None:
    """Return a guild with its roles, and Moddy as its member; None where Moddy is not."""
    try:
        guild = await client.fetch_guild(guild_id, with_counts=False)
        me = await guild.fetch_member(client.user.id if client.user else 0)
    except (discord.NotFound, discord.Forbidden):
        return None
    return guild, me
