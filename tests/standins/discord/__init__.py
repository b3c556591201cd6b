"""A Discord over real sockets, for tests of a real, unmodified bot."""

from tests.standins.discord.audit_log import AuditAction, ban, kick, prune, set_roles
from tests.standins.discord.calls import Call
from tests.standins.discord.channels import DMChannel, TextChannel
from tests.standins.discord.faults import Fault
from tests.standins.discord.guilds import Guild, Member, Role
from tests.standins.discord.interactions import Interaction
from tests.standins.discord.messages import EPHEMERAL, IS_COMPONENTS_V2, Message
from tests.standins.discord.permissions import Permission
from tests.standins.discord.server import TOKEN, DiscordStandin
from tests.standins.discord.users import User

__all__ = [
    "EPHEMERAL",
    "IS_COMPONENTS_V2",
    "TOKEN",
    "AuditAction",
    "Call",
    "DMChannel",
    "DiscordStandin",
    "Fault",
    "Guild",
    "Interaction",
    "Member",
    "Message",
    "Permission",
    "Role",
    "TextChannel",
    "User",
    "ban",
    "kick",
    "prune",
    "set_roles",
]
