"""Checks of what Moddy may do in a server, each with the exact fix in words.

They read discord.py's cache, which Discord keeps up to date with every change; they ask nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

import discord

from moddy.models import Snowflake
from moddy.views.language import Language
from moddy.views.modules.controls import CHANNEL_TYPES

TO_SEND = ("view_channel", "send_messages", "embed_links")
# Permissions that let a member harm others or a server. Source:
# https://discord.com/developers/docs/topics/permissions#permissions-bitwise-permission-flags
DANGEROUS = discord.Permissions(
    administrator=True,
    manage_guild=True,
    manage_roles=True,
    manage_channels=True,
    manage_webhooks=True,
    manage_messages=True,
    manage_threads=True,
    manage_nicknames=True,
    manage_expressions=True,
    manage_events=True,
    ban_members=True,
    kick_members=True,
    moderate_members=True,
    mention_everyone=True,
    mute_members=True,
    deafen_members=True,
    move_members=True,
    view_audit_log=True,
)


def is_dangerous(role: discord.Role) -> bool:
    """Tell whether a role lets its members harm others or the server."""
    return bool(role.permissions.value & DANGEROUS.value)


def permission_name(permission: str, language: Language) -> str:
    """Return a permission as Discord's own settings call it."""
    names = {
        "view_channel": language.gettext("View Channel"),
        "send_messages": language.gettext("Send Messages"),
        "embed_links": language.gettext("Embed Links"),
        "attach_files": language.gettext("Attach Files"),
        "manage_roles": language.gettext("Manage Roles"),
    }
    return f"**{names[permission]}**"


def channel_problem(
    guild: discord.Guild,
    channel_id: Snowflake,
    language: Language,
    *,
    permissions: Sequence[str] = TO_SEND,
) -> str | None:
    """Return why Moddy cannot write in a channel, and what to do; None when it can."""
    channel = guild.get_channel(int(channel_id))
    if channel is None or channel.type not in CHANNEL_TYPES:
        return language.gettext("The chosen channel is gone. Choose another one.")
    granted = channel.permissions_for(guild.me)
    lacking = [name for name in permissions if not getattr(granted, name)]
    if not lacking:
        return None
    return language.gettext(
        "In {channel} Moddy lacks: {permissions}. Open that channel's settings, Permissions, add "
        "the role {role} and allow it there, or choose another channel."
    ).format(
        channel=f"<#{channel_id}>",
        permissions=", ".join(permission_name(name, language) for name in lacking),
        role=_own_role(guild),
    )


def manage_roles_problem(guild: discord.Guild, language: Language) -> str | None:
    """Return what to do for Moddy to be able to give roles; None when it is."""
    if guild.me.guild_permissions.manage_roles:
        return None
    return language.gettext(
        "On this server Moddy lacks: {permission}. Open the server's settings, Roles, choose "
        "{role} and allow it there."
    ).format(permission=permission_name("manage_roles", language), role=_own_role(guild))


def role_problem(guild: discord.Guild, role_id: Snowflake, language: Language) -> str | None:
    """Return why Moddy can never give a role that was chosen, and what to do; None when it can."""
    role = guild.get_role(int(role_id))
    if role is None or role.is_default():
        return language.gettext("A chosen role is gone. Choose the roles anew.")
    if role.managed:
        return language.gettext(
            "{role} belongs to an app or to Discord itself, which alone can give it. Take it out."
        ).format(role=role.mention)
    if role >= guild.me.top_role:
        return language.gettext(
            "{role} stands above Moddy. Open the server's settings, Roles, and drag {own} above "
            "{role}, or take it out."
        ).format(role=role.mention, own=_own_role(guild))
    return None


def own_rank_problem(actor: discord.Member, role: discord.Role, language: Language) -> str | None:
    """Return why a member may not have a dangerous role given back; None when they may.

    Nobody can make Moddy hand out what they could not hand out themselves.
    """
    is_above = actor.guild.owner_id == actor.id or role < actor.top_role
    if is_above and actor.guild_permissions.manage_roles:
        return None
    return language.gettext(
        "{role} has powerful permissions. Only members with **Manage Roles** whose own highest "
        "role stands above it can choose it."
    ).format(role=role.mention)


def _own_role(guild: discord.Guild) -> str:
    """Return the role that Moddy came with, or its name where it came without one."""
    role = guild.self_role or guild.me.top_role
    return "**Moddy**" if role.is_default() else role.mention
