"""The ports that reach Discord, over discord.py; its errors turned into ours.

Everything here works over REST, also before the gateway is ready; discord.py's cache only saves
calls. The caller sets the deadline: discord.py itself may retry or wait for a long time.
"""

from moddy.messenger.calls import Connection, end_global_limit, trace_calls
from moddy.messenger.direct_messages import DiscordMessenger
from moddy.messenger.roles import DiscordRoles
from moddy.messenger.staff_log import DiscordStaffLog

__all__ = [
    "Connection",
    "DiscordMessenger",
    "DiscordRoles",
    "DiscordStaffLog",
    "end_global_limit",
    "trace_calls",
]
