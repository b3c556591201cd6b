"""Role updates: what is asked, what must hold before a role is changed, and changing it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import msgspec

from moddy.errors import (
    DiscordError,
    DiscordUnavailable,
    GuildNotFound,
    MemberNotFound,
    MissingPermissions,
    RoleNotFound,
)
from moddy.models import InternalUpdateRolesRequest, Snowflake
from moddy.ports import Clock, GuildRoles, Roles
from moddy.services import answers, intake
from moddy.services.intake import Accepted
from moddy.services.premium_terms import is_premium
from moddy.services.role_repairs import Repair, RolesPayload, find_repair, insert
from moddy.store import deliveries as store
from moddy.store import role_grants, users
from moddy.store.database import Database
from moddy.store.deliveries import (
    Answer,
    Delivery,
    DeliveryKind,
    DeliveryState,
    Outcome,
    RequestContext,
)
from moddy.store.transactions import Connection

__all__ = ["RoleUpdates", "RolesPayload", "check", "store_update"]

# Discord's answer to asking for a guild that Moddy is not in.
MISSING_ACCESS = 50001


async def store_update(
    connection: Connection,
    user_id: Snowflake,
    payload: RolesPayload,
    context: RequestContext,
    *,
    now: datetime,
) -> Delivery:
    """Store an order, due at once; it replaces older updates of the user that still wait."""
    await users.lock(connection, user_id)
    await store.replace_older(connection, DeliveryKind.ROLES, user_id, now=now)
    return await insert(connection, user_id, payload, context, now=now)


class RoleUpdates:
    """``POST /internal/roles/update`` and what follows from it."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        roles: Roles,
        guild_id: Snowflake | None,
        premium_role_id: Snowflake | None,
        premium_plans: frozenset[str],
    ) -> None:
        self._database = database
        self._clock = clock
        self._roles = roles
        self.guild_id = guild_id
        self._premium_role_id = premium_role_id
        self._premium_plans = premium_plans
        self._decoder = msgspec.json.Decoder(RolesPayload)

    async def accept(
        self, request: InternalUpdateRolesRequest, context: RequestContext
    ) -> Accepted:
        """Store a request; it replaces an older one of the same user that still waits.

        Raises:
            IdempotencyConflict: the key came before with another body.
            StoreUnavailable: nothing was accepted.
        """
        if self.guild_id is None:
            refusal = answers.ROLES_NO_GUILD_ID
            return Accepted(queued=refusal, answer=refusal)
        payload = self._payload(request, self.guild_id)
        if payload is None:
            refusal = answers.roles_no_premium_role(self.guild_id)
            return Accepted(queued=refusal, answer=refusal)
        queued = answers.roles_queued(self.guild_id)

        async def store_new(connection: Connection) -> Accepted:
            await self._note_order(connection, request.discord_id, payload)
            delivery = await store_update(
                connection, request.discord_id, payload, context, now=self._clock.now()
            )
            return Accepted(queued=queued, delivery=delivery)

        return await intake.accept(
            self._database,
            DeliveryKind.ROLES,
            context,
            user_id=request.discord_id,
            queued=queued,
            store_new=store_new,
        )

    def _payload(
        self, request: InternalUpdateRolesRequest, guild_id: Snowflake
    ) -> RolesPayload | None:
        """Return the roles that are asked for; None when the premium role is not configured."""
        add, remove = _unique(request.add_roles), _unique(request.remove_roles)
        if not add and not remove:
            if self._premium_role_id is None:
                return None
            role = (str(self._premium_role_id),)
            add, remove = (role, ()) if request.plan in self._premium_plans else ((), role)
        return RolesPayload(guild_id=str(guild_id), add=add, remove=remove)

    async def _note_order(
        self, connection: Connection, user_id: Snowflake, payload: RolesPayload
    ) -> None:
        """Keep what is ordered about the premium role, where PREMIUM says otherwise.

        The order may come before the notice that it belongs to, or without one. Any other role
        that is to go is not Moddy's to give again, whatever becomes of the order.
        """
        guild_id, role_id = Snowflake(payload.guild_id), self._premium_role_id
        others = [Snowflake(removed) for removed in payload.remove if removed != role_id]
        if others:
            await role_grants.remove(connection, guild_id, user_id, others)
        if role_id is None or role_id not in (*payload.add, *payload.remove):
            return
        user = await users.lock(connection, user_id)
        now, is_given = self._clock.now(), role_id in payload.add
        await role_grants.set_order(
            connection,
            guild_id,
            user_id,
            role_id,
            is_given=None if is_given == is_premium(user, now) else is_given,
            now=now,
        )

    async def attempt(self, delivery: Delivery) -> Outcome:
        """Try once to make the roles as asked. Raises DiscordUnavailable to be tried again."""
        payload = self._decoder.decode(delivery.payload)
        guild_id = Snowflake(payload.guild_id)
        try:
            answer = await self._apply(guild_id, delivery.user_id, payload)
        except MemberNotFound as error:
            return Outcome(
                state=DeliveryState.WAITING,
                answer=answers.roles_no_member(guild_id),
                error=error.code,
            )
        except DiscordUnavailable:
            raise
        except DiscordError as error:
            return self._refused(guild_id, error)
        if answer is not None:
            return Outcome(state=DeliveryState.REFUSED, answer=answer)
        return Outcome(state=DeliveryState.DELIVERED, answer=answers.roles_updated(guild_id))

    async def _apply(
        self, guild_id: Snowflake, user_id: Snowflake, payload: RolesPayload
    ) -> Answer | None:
        """Make the change; returns the refusal when a role must not be changed."""
        if self._roles.knows_guild(guild_id) is False:
            raise GuildNotFound("Moddy is not in the guild")
        guild = await self._roles.read(guild_id, user_id)
        has = guild.member_role_ids
        if has is None:
            raise MemberNotFound("not in the guild")
        add = [Snowflake(role_id) for role_id in payload.add]
        remove = [Snowflake(role_id) for role_id in payload.remove]
        if payload.repair:
            repair = await self._find_repair(guild_id, user_id, has)
            add = [role_id for role_id in add if role_id in repair.add]
            remove = [role_id for role_id in remove if role_id in repair.remove]
        refusal = check(guild, [*add, *remove])
        if refusal is not None:
            return refusal
        missing = [role_id for role_id in add if role_id not in has]
        surplus = [role_id for role_id in remove if role_id in has]
        if (missing or surplus) and not guild.may_manage:
            return answers.roles_forbidden(guild_id)
        if missing or surplus:
            await self._change(guild_id, user_id, add=missing, remove=surplus)
        if remove:
            await self._forget(guild_id, user_id, remove)
        return None

    async def _find_repair(
        self, guild_id: Snowflake, user_id: Snowflake, has: Collection[Snowflake]
    ) -> Repair:
        """Return what is amiss by now."""

        async def look(connection: Connection) -> Repair:
            user = await users.find(connection, user_id)
            return find_repair(
                has,
                await role_grants.find(connection, guild_id, user_id),
                premium=is_premium(user, self._clock.now()),
                premium_role_id=self._premium_role_id,
            )

        return await self._database.read(look)

    async def _change(
        self,
        guild_id: Snowflake,
        user_id: Snowflake,
        *,
        add: Sequence[Snowflake],
        remove: Sequence[Snowflake],
    ) -> None:
        """Change the roles. That Moddy gives some is noted first: a crash must not hide it."""
        now = self._clock.now()
        if add:
            await self._database.transaction(
                lambda c: role_grants.add(c, guild_id, user_id, add, now=now), about=user_id
            )
        try:
            await self._roles.change(guild_id, user_id, add=add, remove=remove)
        except DiscordUnavailable:
            raise
        except DiscordError:
            if add:
                await self._forget(guild_id, user_id, add)
            raise

    async def _forget(
        self, guild_id: Snowflake, user_id: Snowflake, role_ids: Collection[Snowflake]
    ) -> None:
        await self._database.transaction(
            lambda c: role_grants.remove(c, guild_id, user_id, role_ids), about=user_id
        )

    def _refused(self, guild_id: Snowflake, error: DiscordError) -> Outcome:
        unknown = isinstance(error, GuildNotFound) or error.discord_code == MISSING_ACCESS
        if unknown and self._roles.knows_guild(guild_id) is None:
            # Not certain before the gateway is ready: it may be an outage of the guild.
            raise DiscordUnavailable("guild not known yet") from error
        match error:
            case GuildNotFound():
                answer = answers.roles_no_guild(guild_id)
            case RoleNotFound():
                answer = answers.roles_no_role(guild_id)
            case MissingPermissions():
                answer = answers.roles_forbidden(guild_id)
            case _:
                answer = answers.roles_refused(guild_id)
        return Outcome(state=DeliveryState.REFUSED, answer=answer, error=error.code)


def check(guild: GuildRoles, role_ids: Iterable[Snowflake]) -> Answer | None:
    """Return the refusal when one of the roles cannot be given or taken by Moddy."""
    role_ids = list(role_ids)
    if any(role_id not in guild.roles for role_id in role_ids):
        return answers.roles_no_role(guild.guild_id)
    roles = [guild.roles[role_id] for role_id in role_ids]
    # The role with the guild's own id is @everyone.
    if any(role.managed or role.id == guild.guild_id for role in roles):
        return answers.roles_unassignable(guild.guild_id)
    if any(role.rank >= guild.top_rank for role in roles):
        return answers.roles_forbidden(guild.guild_id)
    return None


def _unique(role_ids: list[Snowflake] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, role_ids or ())))
