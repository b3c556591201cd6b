"""Checks of how Moddy stands with Discord."""

from __future__ import annotations

import asyncio

from moddy.config import Settings
from moddy.doctor.findings import Finding, failure, note, ok, skipped
from moddy.messenger.inspection import GuildSeen, Inspection, inspect
from moddy.models import Snowflake

TIMEOUT = 20.0
PORTAL = "https://discord.com/developers/applications"


async def check_discord(settings: Settings) -> list[Finding]:
    """Look at the token, the intents, the main guild, the premium role, and the channels."""
    token = settings.discord_token
    if token is None:
        return [skipped("Discord", "there is no token to ask with")]
    channels = _channels(settings)
    try:
        async with asyncio.timeout(TIMEOUT):
            seen = await inspect(
                token,
                guild_id=settings.moddy_guild_id,
                role_id=settings.moddy_premium_role_id,
                channel_ids=channels.values(),
            )
    except TimeoutError:
        seen = Inspection(problem="Discord did not answer in time")
    if seen.token_refused:
        return [
            failure(
                "Discord token",
                "refused",
                f"reset it under Bot in the developer portal ({PORTAL}) and set DISCORD_TOKEN",
            )
        ]
    if seen.problem is not None:
        fix = "try again; see https://discordstatus.com and DISCORD_API_BASE_URL"
        return [failure("Discord", seen.problem, fix)]
    return [
        ok("Discord token", f"{seen.bot_name} may log in"),
        _check_intent(seen),
        *_check_guild(settings, seen.guild),
        *(_check_channel(name, channel, seen) for name, channel in channels.items()),
    ]


def _channels(settings: Settings) -> dict[str, Snowflake]:
    wanted = {
        "MODDY_NOTIFY_CHANNEL_ID": settings.moddy_notify_channel_id,
        "MODDY_STAFF_LOG_CHANNEL_ID": settings.moddy_staff_log_channel_id,
    }
    return {name: channel for name, channel in wanted.items() if channel is not None}


def _check_intent(seen: Inspection) -> Finding:
    if seen.has_members_intent:
        return ok("privileged intents", "Server Members Intent is on")
    return failure(
        "privileged intents",
        "Server Members Intent is off: Discord will not let Moddy connect",
        f"switch it on under Bot, Privileged Gateway Intents, in the developer portal ({PORTAL})",
    )


def _check_guild(settings: Settings, guild: GuildSeen | None) -> list[Finding]:
    if settings.moddy_guild_id is None:
        return []
    if guild is None:
        return [
            failure(
                "main guild",
                "Moddy is not in the guild of MODDY_GUILD_ID",
                "correct the id, or invite Moddy with the scopes bot and applications.commands",
            )
        ]
    found = [ok("main guild", guild.name)]
    if guild.may_manage_roles:
        found.append(ok("Manage Roles", "granted"))
    else:
        fix = f"give the role {guild.top_role} the permission Manage Roles in {guild.name}"
        found.append(failure("Manage Roles", "not granted", fix))
    if not guild.may_view_audit_log:
        found.append(
            note(
                "View Audit Log",
                "not granted: the backend is not told why somebody left, or who changed roles",
                f"give the role {guild.top_role} the permission View Audit Log",
            )
        )
    if settings.moddy_premium_role_id is not None:
        found.append(_check_role(guild))
    return found


def _check_role(guild: GuildSeen) -> Finding:
    role = guild.role
    if role is None:
        return failure(
            "premium role", f"{guild.name} has no such role", "correct MODDY_PREMIUM_ROLE_ID"
        )
    if role.managed:
        return failure(
            "premium role",
            f"{role.name} belongs to an integration, and cannot be given",
            "make an ordinary role and set MODDY_PREMIUM_ROLE_ID to it",
        )
    if not role.below_moddy:
        return failure(
            "premium role",
            f"{role.name} does not stand below Moddy's highest role",
            f"in the server's role settings, drag {guild.top_role} above {role.name}",
        )
    return ok("premium role", f"{role.name} can be given")


def _check_channel(setting: str, channel_id: Snowflake, seen: Inspection) -> Finding:
    channel = seen.channels.get(channel_id)
    if channel is None:
        return failure(
            setting, "Moddy sees no such channel", f"correct {setting}, or let it see it"
        )
    if channel.missing:
        return failure(
            setting,
            f"Moddy cannot write in #{channel.name}",
            f"there, give Moddy: {', '.join(channel.missing)}",
        )
    return ok(setting, f"Moddy can write in #{channel.name}")
