"""What Moddy tells the website backend of the main guild's members: who comes, who goes and why,
whose roles change and by whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

import discord
import structlog
from discord.ext import commands

from moddy.models import EventType, Snowflake
from moddy.ports import Clock
from moddy.services.attribution import Departure
from moddy.services.event_recorder import EventRecorder
from moddy.services.occurrences import (
    JSON,
    Occurrence,
    RoleChange,
    audit_key,
    departure_key,
    event_key,
)

log = structlog.get_logger(__name__)

# Role changes without an entry in the audit log show only against the member as known before, so
# Moddy learns the members of a guild of up to this size, at about 1 KB each. Of a larger one it
# knows those whom it has seen something of.
MAX_KNOWN_MEMBERS = 20_000
# Seconds; Discord sends a thousand members at once.
LEARN_TIMEOUT = 60.0

_CAUSES = {
    discord.AuditLogAction.kick: Departure.KICK,
    discord.AuditLogAction.ban: Departure.BAN,
}
_ABOUT_MEMBERS = {*_CAUSES, discord.AuditLogAction.member_role_update}


class MemberEvents(commands.Cog):
    """Records joins, departures and role changes of the main guild; the listeners wait for nothing.

    Why somebody left and who changed roles is in the guild's audit log, which Discord sends to
    those with the permission View Audit Log. Without it, both are left out.
    """

    def __init__(
        self,
        *,
        bot: discord.Client,
        recorder: EventRecorder,
        clock: Clock,
        guild_id: Snowflake | None,
        max_known_members: int = MAX_KNOWN_MEMBERS,
    ) -> None:
        self._bot = bot
        self._recorder = recorder
        self._attribution = recorder.attribution
        self._clock = clock
        self._guild_id = guild_id
        self._max_known_members = max_known_members

    @commands.Cog.listener()
    async def on_member_join(self, member: discord.Member) -> None:
        """Record that somebody joined."""
        # Who was only invited to a voice channel has no such moment, and is no member.
        if self._guild_id != str(member.guild.id) or member.joined_at is None:
            return
        user_id, joined_at = Snowflake(member.id), _iso(member.joined_at)
        self._attribution.joined(
            self._occurrence(
                EventType.MEMBER_JOINED,
                user_id,
                {"joined_at": joined_at},
                key=event_key(EventType.MEMBER_JOINED, user_id, joined_at, guild_id=self._guild_id),
            )
        )

    @commands.Cog.listener()
    async def on_raw_member_remove(self, payload: discord.RawMemberRemoveEvent) -> None:
        """Record that somebody left, known to the cache or not."""
        if self._guild_id is None or str(payload.guild_id) != self._guild_id:
            return
        user_id = Snowflake(payload.user.id)
        joined_at = getattr(payload.user, "joined_at", None)
        key = None
        if joined_at is not None:
            key = departure_key(user_id, _iso(joined_at), guild_id=self._guild_id)
        permissions = self._permissions
        self._attribution.departed(
            self._occurrence(
                EventType.MEMBER_LEFT, user_id, {"left_at": _iso(self._clock.now())}, key=key
            ),
            # Discord tells of bans whoever may ban.
            patient=permissions.view_audit_log or permissions.ban_members,
            otherwise=Departure.LEFT if permissions.view_audit_log else None,
        )

    @commands.Cog.listener()
    async def on_member_ban(
        self, guild: discord.Guild, user: discord.User | discord.Member
    ) -> None:
        """Note why somebody leaves."""
        if self._guild_id == str(guild.id):
            self._attribution.explain_departure(Snowflake(user.id), Departure.BAN)

    @commands.Cog.listener()
    async def on_member_update(self, before: discord.Member, after: discord.Member) -> None:
        """Record a role change of a member whom the cache knows."""
        if self._guild_id != str(after.guild.id):
            return
        change = RoleChange.between(_role_ids(before.roles), _role_ids(after.roles))
        if change.roles:
            if after == after.guild.me:
                self._attribution.doubt()
            self._attribution.roles_changed(
                self._occurrence(
                    EventType.ROLE_UPDATED,
                    Snowflake(after.id),
                    change.metadata,
                    membership=None if after.joined_at is None else _iso(after.joined_at),
                ),
                change,
                patient=self._permissions.view_audit_log,
            )

    @commands.Cog.listener()
    async def on_audit_log_entry_create(self, entry: discord.AuditLogEntry) -> None:
        """Note why members leave, and record role changes, whether the cache knows them or not."""
        if self._guild_id != str(entry.guild.id):
            return
        if entry.action is discord.AuditLogAction.member_prune:
            self._attribution.note_prune()
        if entry.action not in _ABOUT_MEMBERS or entry.target is None:
            return
        user_id = Snowflake(entry.target.id)
        cause = _CAUSES.get(entry.action)
        if cause is None:
            self._explain_roles(entry, user_id, self._guild_id)
        else:
            self._attribution.explain_departure(user_id, cause)

    def _explain_roles(
        self, entry: discord.AuditLogEntry, user_id: Snowflake, guild_id: Snowflake
    ) -> None:
        change = RoleChange(
            added=frozenset(_role_ids(getattr(entry.changes.after, "roles", ()))),
            removed=frozenset(_role_ids(getattr(entry.changes.before, "roles", ()))),
        )
        if not change.roles:
            return
        metadata = change.metadata
        if entry.user_id is not None:
            metadata["updated_by"] = str(entry.user_id)
        key = audit_key(user_id, entry.id, guild_id=guild_id)
        self._attribution.explain_change(
            self._occurrence(EventType.ROLE_UPDATED, user_id, metadata, key=key), change
        )

    @commands.Cog.listener()
    async def on_guild_role_update(self, before: discord.Role, after: discord.Role) -> None:
        """Note that Moddy may have begun or ceased to see the audit log."""
        if self._guild_id == str(after.guild.id) and before.permissions != after.permissions:
            self._attribution.doubt()

    @commands.Cog.listener()
    async def on_shard_disconnect(self, _shard_id: int) -> None:
        """Note that entries of the audit log may be missed from here on."""
        self._attribution.doubt()

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Learn the members, to see what changes about them."""
        guild = self._guild
        if guild is not None:
            await self.learn_members(guild)

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Learn the members after an outage of the guild."""
        await self.learn_members(guild)

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Learn the members after Moddy was invited."""
        await self.learn_members(guild)

    async def learn_members(self, guild: discord.Guild) -> None:
        """Have Discord tell all members of the main guild, unless they are known or too many."""
        if self._guild_id != str(guild.id) or guild.chunked:
            return
        if (guild.member_count or 0) > self._max_known_members:
            log.info("members not learnt: too many", members=guild.member_count)
            return
        try:
            async with asyncio.timeout(LEARN_TIMEOUT):
                members = await guild.chunk()
        except (TimeoutError, discord.DiscordException, ConnectionError) as error:
            log.warning("members not learnt", error=type(error).__name__)
        else:
            log.info("members learnt", members=len(members or ()))

    def _occurrence(
        self,
        event_type: EventType,
        user_id: Snowflake,
        metadata: dict[str, JSON],
        *,
        key: str | None = None,
        membership: str | None = None,
    ) -> Occurrence:
        guild = self._guild
        place = {"guild_id": str(self._guild_id)}
        if guild is not None:
            place["guild_name"] = guild.name
        return Occurrence(
            event_type=event_type,
            user_id=user_id,
            metadata={**place, **metadata},
            seen_at=self._clock.now(),
            key=key,
            membership=membership,
        )

    @property
    def _guild(self) -> discord.Guild | None:
        return None if self._guild_id is None else self._bot.get_guild(int(self._guild_id))

    @property
    def _permissions(self) -> discord.Permissions:
        """What Moddy may do in the guild, as far as it knows; roles may change at any time."""
        me = getattr(self._guild, "me", None)
        return discord.Permissions.none() if me is None else me.guild_permissions


def _role_ids(roles: Iterable[discord.abc.Snowflake]) -> list[Snowflake]:
    return [Snowflake(role.id) for role in roles]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
