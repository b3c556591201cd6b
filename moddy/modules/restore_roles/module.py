"""The module that gives returning members their roles back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import discord
import structlog

from moddy.errors import (
    DiscordError,
    DiscordRefused,
    DiscordUnavailable,
    MemberNotFound,
    MissingPermissions,
    RoleNotFound,
)
from moddy.models import Snowflake
from moddy.modules.base import GuildModule
from moddy.modules.calls import GuildCalls, nonce
from moddy.modules.checks import channel_problem, is_dangerous, manage_roles_problem
from moddy.modules.restore_roles.keeper import Keeper, role_ids
from moddy.modules.restore_roles.panel import panel_fields, role_problems
from moddy.modules.restore_roles.rules import Decision, RoleFacts, decide
from moddy.modules.restore_roles.settings import RestoreRolesSettings
from moddy.ports import Clock, RoleInfo
from moddy.store.saved_roles import SavedRoles
from moddy.views.language import Language, language_for
from moddy.views.modules.fields import Field
from moddy.views.modules.restored import restored_view

log = structlog.get_logger(__name__)

# Seconds that a guild's member list may take; discord.py waits for it without an end.
CHUNK_TIMEOUT = 60.0
# Somebody who has been back for so long has the roles that they are to have.
RESTORE_WITHIN = timedelta(days=7)
AUDIT_LOG_REASON = "Moddy: roles restored"


class RestoreRoles(GuildModule[RestoreRolesSettings]):
    """Saves the roles of members and gives them back to those who return.

    `prepare_later` is told of a guild in which somebody's roles could not be given yet.
    """

    name = "restore_roles"
    settings_type = RestoreRolesSettings

    def __init__(
        self,
        *,
        keeper: Keeper,
        calls: GuildCalls,
        clock: Clock,
        prepare_later: Callable[[Snowflake], None],
    ) -> None:
        self._keeper = keeper
        self._calls = calls
        self._clock = clock
        self._prepare_later = prepare_later

    def title(self, language: Language) -> str:
        """See `GuildModule.title`."""
        return language.gettext("Restore roles")

    def summary(self, language: Language) -> str:
        """See `GuildModule.summary`."""
        return language.gettext(
            "Members who leave and come back get their roles again. Roles of apps and roles above "
            "Moddy's are never given, roles with powerful permissions only if you choose them."
        )

    def fields(self, settings: RestoreRolesSettings, language: Language) -> Sequence[Field]:
        """See `GuildModule.fields`."""
        return panel_fields(settings, language)

    def problems(
        self,
        settings: RestoreRolesSettings,
        guild: discord.Guild,
        language: Language,
        *,
        actor: discord.Member | None = None,
    ) -> Sequence[str]:
        """See `GuildModule.problems`."""
        found = [manage_roles_problem(guild, language)]
        if settings.log_channel_id is not None:
            found.append(channel_problem(guild, settings.log_channel_id, language))
        found += role_problems(settings, guild, language, actor=actor)
        return [problem for problem in dict.fromkeys(found) if problem is not None]

    async def roles_changed(self, settings: RestoreRolesSettings, member: discord.Member) -> None:
        """Save what the member has now."""
        await self._keep(member)

    async def member_left(
        self,
        settings: RestoreRolesSettings,
        guild: discord.Guild,
        member: discord.Member | discord.User,
    ) -> None:
        """Save what the member left with; of one not in the cache it was saved before."""
        if isinstance(member, discord.Member):
            await self._keep(member)

    async def member_joined(self, settings: RestoreRolesSettings, member: discord.Member) -> None:
        """Give back what the member left with."""
        if member.bot or member.joined_at is None:
            return
        row = await self._keeper.returned(member)
        if row is not None and not await self._restore(settings, member, row, is_first=True):
            self._prepare_later(Snowflake(member.guild.id))

    async def prepare(self, settings: RestoreRolesSettings, guild: discord.Guild) -> bool:
        """Learn what all members have, and restore what could not be before.

        Raises: DiscordUnavailable (the members did not come), StoreUnavailable.
        """
        if not guild.chunked:
            try:
                async with asyncio.timeout(CHUNK_TIMEOUT):
                    await guild.chunk()
            except (TimeoutError, discord.DiscordException, OSError) as error:
                raise DiscordUnavailable("member list not received") from error
        settled = [
            await self._restore(settings, member, row, is_first=False)
            for member, row in await self._keeper.keep_all(guild)
        ]
        return all(settled)

    async def forget(self, guild_id: Snowflake) -> None:
        """See `GuildModule.forget`."""
        await self._keeper.forget(guild_id)

    async def _keep(self, member: discord.Member) -> None:
        if not member.bot and member.joined_at is not None:
            await self._keeper.keep(member)

    async def _restore(
        self,
        settings: RestoreRolesSettings,
        member: discord.Member,
        row: SavedRoles,
        *,
        is_first: bool,
    ) -> bool:
        """Give back what may be; returns whether that is settled, or to be tried again."""
        if self._clock.now() - (member.joined_at or row.saved_at) > RESTORE_WITHIN:
            await self._keeper.settle(member, ())
            return True
        decision = self._decide(settings, member, row)
        may_manage = member.guild.me.guild_permissions.manage_roles
        if decision.give and not may_manage:
            if is_first:
                withheld = (*decision.give, *decision.withheld)
                told = Decision(give=(), withheld=withheld)
                await self._tell(settings, member, told, may_manage=False)
            return False
        try:
            given, refused = await self._give(member, decision.give)
        except MemberNotFound:
            return True  # gone again; the row stays for the next time
        except DiscordUnavailable as error:
            log.warning("roles not restored yet", guild_id=member.guild.id, error=error.code)
            return False
        told = Decision(give=tuple(given), withheld=(*decision.withheld, *refused))
        await self._keeper.settle(member, given)
        await self._tell(settings, member, told, may_manage=True)
        return True

    def _decide(
        self, settings: RestoreRolesSettings, member: discord.Member, row: SavedRoles
    ) -> Decision:
        guild = member.guild
        top = guild.me.top_role
        return decide(
            row.role_ids,
            settings=settings,
            roles=_facts(guild),
            has=role_ids(member),
            reserved=self._keeper.reserved,
            top_rank=(top.position, -top.id),
        )

    async def _give(
        self, member: discord.Member, wanted: Sequence[Snowflake]
    ) -> tuple[list[Snowflake], list[Snowflake]]:
        """Give roles one by one; return those given and those that Discord refused.

        Raises: MemberNotFound, DiscordUnavailable.
        """
        given, refused = [], []
        for role_id in wanted:
            try:
                await self._calls.add_role(member, role_id, reason=AUDIT_LOG_REASON)
            except RoleNotFound:
                continue  # deleted a moment ago
            except (MissingPermissions, DiscordRefused) as error:
                log.warning(
                    "role not restored",
                    guild_id=member.guild.id,
                    role_id=role_id,
                    error=error.code,
                )
                refused.append(role_id)
            else:
                given.append(role_id)
        return given, refused

    async def _tell(
        self,
        settings: RestoreRolesSettings,
        member: discord.Member,
        done: Decision,
        *,
        may_manage: bool,
    ) -> None:
        if settings.log_channel_id is None or not (done.give or done.withheld):
            return
        view = restored_view(
            Snowflake(member.id),
            given=done.give,
            withheld=done.withheld,
            may_manage=may_manage,
            language=language_for(member.guild.preferred_locale.value),
        )
        key = nonce(f"restored {may_manage}", member)
        try:
            await self._calls.send(settings.log_channel_id, view, nonce=key)
        except DiscordError as error:
            log.warning("restored roles not told", guild_id=member.guild.id, error=error.code)


def _facts(guild: discord.Guild) -> Mapping[Snowflake, RoleFacts]:
    return {
        Snowflake(role.id): RoleFacts(
            info=RoleInfo(id=Snowflake(role.id), position=role.position, managed=role.managed),
            is_dangerous=is_dangerous(role),
        )
        for role in guild.roles
        if not role.is_default()
    }
