"""Guilds with their roles and members."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.standins.discord.audit_log import AuditLog
from tests.standins.discord.channels import TextChannel
from tests.standins.discord.events import Event, Intent
from tests.standins.discord.permissions import BOT_DEFAULT, EVERYONE_DEFAULT, add_up
from tests.standins.discord.snowflakes import now_text
from tests.standins.discord.users import User

if TYPE_CHECKING:
    from tests.standins.discord.world import World


@dataclass(eq=False)
class Role:
    """A role; ``tags`` say which bot or feature a managed role belongs to."""

    id: int
    name: str
    position: int
    managed: bool = False
    permissions: int = 0
    tags: dict[str, str] | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """The role object."""
        payload: dict[str, Any] = {
            "id": str(self.id),
            "name": self.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "icon": None,
            "unicode_emoji": None,
            "position": self.position,
            "permissions": str(int(self.permissions)),
            "managed": self.managed,
            "mentionable": False,
            "flags": 0,
        }
        if self.tags is not None:
            payload["tags"] = self.tags
        return payload


@dataclass(eq=False)
class Member:
    """A user in a guild; ``roles`` are role ids, without @everyone."""

    user: User
    roles: set[int] = field(default_factory=set)
    nick: str | None = None
    joined_at: str = field(default_factory=now_text)

    @property
    def payload(self) -> dict[str, Any]:
        """The member object, with the user in it."""
        return {**self.partial_payload, "user": self.user.payload}

    @property
    def partial_payload(self) -> dict[str, Any]:
        """The member object without the user, as a message event has it."""
        return {
            "roles": [str(role_id) for role_id in sorted(self.roles)],
            "nick": self.nick,
            "avatar": None,
            "banner": None,
            "joined_at": self.joined_at,
            "premium_since": None,
            "communication_disabled_until": None,
            "deaf": False,
            "mute": False,
            "pending": False,
            "flags": 0,
        }


class Guild:
    """A guild that the bot is in, with a managed role for the bot."""

    def __init__(
        self,
        world: "World",
        *,
        guild_id: int,
        name: str,
        preferred_locale: str,
        owner: User,
        bot_position: int,
    ) -> None:
        self.id = guild_id
        self.world: World = world
        self.name = name
        self.preferred_locale = preferred_locale
        self.owner = owner
        self.channels: dict[int, TextChannel] = {}
        self.everyone = Role(guild_id, "@everyone", 0, permissions=EVERYONE_DEFAULT)
        self.bot_role = Role(
            world.entity_ids.next(),
            world.bot.username,
            bot_position,
            managed=True,
            permissions=BOT_DEFAULT,
            tags={"bot_id": str(world.bot.id)},
        )
        self.roles: dict[int, Role] = {role.id: role for role in (self.everyone, self.bot_role)}
        self.members: dict[int, Member] = {owner.id: Member(owner)}
        self.bot_member = Member(world.bot, {self.bot_role.id})
        self.members[world.bot.id] = self.bot_member
        self.audit_log = AuditLog(self)

    def add_role(
        self,
        name: str,
        position: int | None = None,
        managed: bool = False,
        permissions: int = 0,
        id: int | None = None,  # noqa: A002 - the name Discord uses
    ) -> Role:
        """A new role; without a position just above @everyone, so below the bot's role."""
        role_id = id or self.world.entity_ids.next()
        role = Role(role_id, name, 0, managed=managed, permissions=permissions)
        self.roles[role.id] = role
        self._place(role, position or 1)
        self._emit("GUILD_ROLE_CREATE", {"role": role.payload})
        return role

    def remove_role(self, role: Role) -> None:
        """Delete a role, and take it from everyone who has it."""
        del self.roles[role.id]
        for member in self.members.values():
            member.roles.discard(role.id)
        self._emit("GUILD_ROLE_DELETE", {"role_id": str(role.id)})

    def move_role(self, role: Role, position: int) -> None:
        """Put a role at a position; a role that is there moves up by one, as Discord does it."""
        self._place(role, position)
        self._emit("GUILD_ROLE_UPDATE", {"role": role.payload})

    def _place(self, role: Role, position: int) -> None:
        role.position = position
        for other in self.roles.values():
            if other is not role and other.position == position:
                self._place(other, position + 1)
                self._emit("GUILD_ROLE_UPDATE", {"role": other.payload})

    def set_bot_permissions(self, permissions: int) -> None:
        """The permissions of the bot's managed role (@everyone keeps its own)."""
        self.bot_role.permissions = permissions
        self._emit("GUILD_ROLE_UPDATE", {"role": self.bot_role.payload})

    def set_everyone_permissions(self, permissions: int) -> None:
        """The permissions of @everyone, which the bot has too."""
        self.everyone.permissions = permissions
        self._emit("GUILD_ROLE_UPDATE", {"role": self.everyone.payload})

    def set_bot_position(self, position: int) -> None:
        """Where the bot's managed role stands in the hierarchy."""
        self.move_role(self.bot_role, position)

    def add_text_channel(
        self,
        name: str,
        *,
        deny_bot: int = 0,
        deny_everyone: int = 0,
        allow_bot: int = 0,
        id: int | None = None,  # noqa: A002 - the name Discord uses
    ) -> TextChannel:
        """A new text channel, with overwrites when something is denied or allowed."""
        everyone = (0, self.id, 0, deny_everyone)
        bot = (1, self.world.bot.id, allow_bot, deny_bot)
        overwrites = [
            {"id": str(target), "type": kind, "allow": str(int(allow)), "deny": str(int(deny))}
            for kind, target, allow, deny in (everyone, bot)
            if allow or deny
        ]
        channel = TextChannel(id or self.world.entity_ids.next(), self, name, overwrites)
        self.channels[channel.id] = channel
        self.world.emit(Event("CHANNEL_CREATE", channel.payload, self.id, Intent.GUILDS))
        return channel

    def set_member_roles(self, member: Member, roles: set[int]) -> None:
        """Give a member exactly these roles, and tell the bot about it."""
        if roles == member.roles:
            return
        member.roles = set(roles)
        # The bot hears about itself even without the members intent.
        intent = Intent.GUILDS if member is self.bot_member else Intent.GUILD_MEMBERS
        payload = {**member.payload, "guild_id": str(self.id)}
        self.world.emit(Event("GUILD_MEMBER_UPDATE", payload, self.id, intent))

    def permissions_of(self, member: Member) -> int:
        """Guild-wide permissions of a member."""
        if member.user is self.owner:
            return add_up([8])
        roles = [self.roles[role_id].permissions for role_id in member.roles]
        return add_up([self.everyone.permissions, *roles])

    @property
    def bot_permissions(self) -> int:
        """Guild-wide permissions of the bot."""
        return self.permissions_of(self.bot_member)

    @property
    def bot_top_position(self) -> int:
        """The position of the bot's highest role."""
        return max(self.roles[role_id].position for role_id in self.bot_member.roles or {self.id})

    def _emit(self, name: str, payload: dict[str, Any]) -> None:
        full = {"guild_id": str(self.id), **payload}
        self.world.emit(Event(name, full, self.id, Intent.GUILDS))
