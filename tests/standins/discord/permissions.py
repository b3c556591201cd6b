"""Discord's permission bits and how they add up."""

from enum import IntFlag
from typing import Any


class Permission(IntFlag):
    """The permissions that the stand-in enforces or gives by default."""

    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    VIEW_AUDIT_LOG = 1 << 7
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    READ_MESSAGE_HISTORY = 1 << 16
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31


EVERYONE_DEFAULT = (
    Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_APPLICATION_COMMANDS
)
BOT_DEFAULT = EVERYONE_DEFAULT | Permission.MANAGE_ROLES
ALL_PERMISSIONS = (1 << 53) - 1


def add_up(role_permissions: list[int]) -> int:
    """The guild-wide permissions of somebody with these roles."""
    total = 0
    for permissions in role_permissions:
        total |= permissions
    return ALL_PERMISSIONS if total & Permission.ADMINISTRATOR else total


def in_channel(
    base: int,
    overwrites: list[dict[str, Any]],
    guild_id: int,
    role_ids: list[int],
    member_id: int,
) -> int:
    """Guild-wide permissions after a channel's overwrites: everyone, then roles, then member."""
    if base & Permission.ADMINISTRATOR:
        return ALL_PERMISSIONS
    steps = ({guild_id}, set(role_ids) - {guild_id}, {member_id})
    for ids in steps:
        concerned = [overwrite for overwrite in overwrites if int(overwrite["id"]) in ids]
        for overwrite in concerned:
            base &= ~int(overwrite["deny"])
        for overwrite in concerned:
            base |= int(overwrite["allow"])
    return base
