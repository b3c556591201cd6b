"""A guild's audit log, and what moderators do that is written there."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.standins.discord.events import Event, Intent
from tests.standins.discord.permissions import Permission
from tests.standins.discord.users import User

if TYPE_CHECKING:
    from tests.standins.discord.guilds import Guild


class AuditAction(IntEnum):
    """The actions that the stand-in writes down."""

    MEMBER_KICK = 20
    MEMBER_PRUNE = 21
    MEMBER_BAN_ADD = 22
    MEMBER_ROLE_UPDATE = 25


@dataclass(frozen=True)
class AuditEntry:
    """One entry; ``by`` is None where Discord names nobody."""

    id: int
    action: AuditAction
    by: User | None
    target: User | None
    changes: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)
    reason: str | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """The audit log entry object; fields that do not apply are left out."""
        more = {"changes": self.changes, "options": self.options, "reason": self.reason}
        return {
            "id": str(self.id),
            "action_type": int(self.action),
            "user_id": None if self.by is None else str(self.by.id),
            "target_id": None if self.target is None else str(self.target.id),
            **{name: value for name, value in more.items() if value},
        }


class AuditLog:
    """The entries of a guild, which a bot with View Audit Log also gets over the gateway."""

    def __init__(self, guild: "Guild") -> None:
        self._guild = guild
        self.entries: list[AuditEntry] = []

    @property
    def may_view(self) -> bool:
        """Whether the bot may see it."""
        return bool(self._guild.bot_permissions & Permission.VIEW_AUDIT_LOG)

    def add(
        self,
        action: AuditAction,
        by: User | None,
        target: User | None = None,
        *,
        changes: Collection[dict[str, Any]] = (),
        options: dict[str, str] | None = None,
        reason: str | None = None,
    ) -> AuditEntry:
        """Write an entry, and tell the bot of it if it may know."""
        entry = AuditEntry(
            self._guild.world.event_ids.next(),
            action,
            by,
            target,
            list(changes),
            options or {},
            # The header that a reason comes in is percent-encoded.
            None if reason is None else unquote(reason),
        )
        self.entries.append(entry)
        if self.may_view:
            payload = {**entry.payload, "guild_id": str(self._guild.id)}
            name = "GUILD_AUDIT_LOG_ENTRY_CREATE"
            self._guild.world.emit(Event(name, payload, self._guild.id, Intent.GUILD_MODERATION))
        return entry

    def add_roles(
        self, by: User | None, target: User, before: set[int], after: set[int], reason: str | None
    ) -> None:
        """Write which roles a member got and lost, if any."""
        kinds = {"$add": after - before, "$remove": before - after}
        changes = [
            {"key": key, "new_value": [self._role(role_id) for role_id in sorted(role_ids)]}
            for key, role_ids in kinds.items()
            if role_ids
        ]
        if changes:
            self.add(AuditAction.MEMBER_ROLE_UPDATE, by, target, changes=changes, reason=reason)

    def _role(self, role_id: int) -> dict[str, str]:
        return {"id": str(role_id), "name": self._guild.roles[role_id].name}


def kick(guild: "Guild", user: User, by: User, *, entry_first: bool = False) -> None:
    """A moderator kicks a member; Discord sends the entry before or after the departure."""
    if not entry_first:
        guild.world.remove_member(guild, user)
    guild.audit_log.add(AuditAction.MEMBER_KICK, by, user)
    if entry_first:
        guild.world.remove_member(guild, user)


def ban(guild: "Guild", user: User, by: User | None, *, entry_first: bool = False) -> None:
    """A moderator bans a user, in the guild or not."""
    if entry_first:
        guild.audit_log.add(AuditAction.MEMBER_BAN_ADD, by, user)
    if guild.bot_permissions & (Permission.BAN_MEMBERS | Permission.VIEW_AUDIT_LOG):
        payload = {"guild_id": str(guild.id), "user": user.payload}
        guild.world.emit(Event("GUILD_BAN_ADD", payload, guild.id, Intent.GUILD_MODERATION))
    if user.id in guild.members:
        guild.world.remove_member(guild, user)
    if not entry_first:
        guild.audit_log.add(AuditAction.MEMBER_BAN_ADD, by, user)


def prune(guild: "Guild", users: Collection[User], by: User) -> None:
    """A moderator removes members who were away for long; the entry names none of them."""
    options = {"delete_member_days": "7", "members_removed": str(len(users))}
    guild.audit_log.add(AuditAction.MEMBER_PRUNE, by, options=options)
    for user in users:
        guild.world.remove_member(guild, user)


def set_roles(
    guild: "Guild", user: User, roles: set[int], by: User | None, *, entry_first: bool = False
) -> None:
    """Somebody gives a member exactly these roles; Discord itself (None) writes no entry."""
    member = guild.members[user.id]
    before = set(member.roles)
    if not entry_first:
        guild.set_member_roles(member, roles)
    if by is not None:
        guild.audit_log.add_roles(by, user, before, roles, None)
    if entry_first:
        guild.set_member_roles(member, roles)
