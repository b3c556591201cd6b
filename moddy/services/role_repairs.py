"""Which of a member's roles are amiss, and having that repaired through a delivery.

A member is to have the roles that Moddy gave them and, while they are premium, the premium role.
The backend's newest word on the premium role stands above PREMIUM until that changes. Nothing but
the premium role is ever taken without an order, and that only where Moddy gave it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from moddy.errors import DiscordRefused
from moddy.models import Snowflake
from moddy.ports import Clock
from moddy.request_ids import new_request_id
from moddy.services.intake import new_delivery_id
from moddy.services.passes import Counters
from moddy.services.premium_terms import is_premium
from moddy.store import deliveries, reconciliation, role_grants, users
from moddy.store.database import Database
from moddy.store.deliveries import Delivery, DeliveryKind, DeliveryState, RequestContext
from moddy.store.role_grants import Claims
from moddy.store.transactions import Connection
from moddy.store.users import User

# How long a member is left alone whose roles Discord refused to change, for a reason of its own.
REFUSED_PAUSE = timedelta(hours=1)


class RolesPayload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A role update as stored: the ids are digits.

    With `repair` it is what Moddy itself found to be amiss, rather than an order, and holds only
    as far as that is still so when it is carried out.
    """

    guild_id: str
    add: tuple[str, ...]
    remove: tuple[str, ...]
    repair: bool = False


class Repair(Struct, frozen=True, kw_only=True):
    """What is to be done about a member's roles.

    `forget`: Moddy gave it, it is gone already, and Moddy does not want it there either.
    """

    add: frozenset[Snowflake] = frozenset()
    remove: frozenset[Snowflake] = frozenset()
    forget: frozenset[Snowflake] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.add or self.remove or self.forget)


def find_repair(
    has: Collection[Snowflake],
    claims: Claims,
    *,
    premium: bool,
    premium_role_id: Snowflake | None,
) -> Repair:
    """Return what a member with the roles `has` lacks and has too much."""
    wanted, unwanted = set(claims.granted), set()
    if premium_role_id is not None:
        if claims.orders.get(premium_role_id, premium):
            wanted.add(premium_role_id)
        elif premium_role_id in claims.granted:
            wanted.discard(premium_role_id)
            unwanted.add(premium_role_id)
    return Repair(
        add=frozenset(wanted.difference(has)),
        remove=frozenset(unwanted.intersection(has)),
        forget=frozenset(unwanted.difference(has)),
    )


class Repairs:
    """Stores what is to be done about the members of one guild."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        guild_id: Snowflake,
        premium_role_id: Snowflake | None,
        counters: Counters,
    ) -> None:
        self._database = database
        self._clock = clock
        self.guild_id = guild_id
        self.premium_role_id = premium_role_id
        self._counters = counters

    def find(self, has: Collection[Snowflake], claims: Claims, user: User) -> Repair:
        """Return what is amiss with a member."""
        return find_repair(
            has,
            claims,
            premium=is_premium(user, self._clock.now()),
            premium_role_id=self.premium_role_id,
        )

    async def owe(
        self,
        user_id: Snowflake,
        has: Collection[Snowflake],
        *,
        seen_at: datetime,
        trim: Callable[[Repair], Repair],
    ) -> Repair:
        """Do `store` in a transaction of its own. Raises StoreUnavailable."""

        async def work(connection: Connection) -> Repair:
            return await self.store(connection, user_id, has, seen_at=seen_at, trim=trim)

        stored = await self._database.transaction(work, about=user_id)
        self._counters.added += len(stored.add)
        self._counters.removed += len(stored.remove)
        return stored

    async def store(
        self,
        connection: Connection,
        user_id: Snowflake,
        has: Collection[Snowflake],
        *,
        seen_at: datetime,
        trim: Callable[[Repair], Repair],
    ) -> Repair:
        """Owe a member what is amiss as of now, as far as `trim` leaves it; returns what is owed.

        `has` are the roles that they had at `seen_at`. While another role update of theirs is
        still to be done nothing is stored: what it leaves amiss is found later.
        """
        user = await users.lock(connection, user_id)
        claims = await role_grants.find(connection, self.guild_id, user_id)
        repair = trim(self.find(has, claims, user))
        if repair.forget:
            await role_grants.remove(
                connection, self.guild_id, user_id, repair.forget, before=seen_at
            )
        now = self._clock.now()
        if not (repair.add or repair.remove) or await self._must_wait(connection, user_id, now):
            return Repair(forget=repair.forget)
        payload = RolesPayload(
            guild_id=str(self.guild_id),
            add=tuple(sorted(map(str, repair.add))),
            remove=tuple(sorted(map(str, repair.remove))),
            repair=True,
        )
        await insert(connection, user_id, payload, own_context(payload), now=now)
        return repair

    async def _must_wait(self, connection: Connection, user_id: Snowflake, now: datetime) -> bool:
        if await reconciliation.is_role_update_under_way(connection, user_id):
            # One that waits for them to join was missed, as they are in the guild.
            await reconciliation.release_role_update(connection, user_id, now)
            return True
        return await reconciliation.was_refused(
            connection, user_id, error=DiscordRefused.code, since=now - REFUSED_PAUSE
        )


def own_context(payload: RolesPayload, request_id: str | None = None) -> RequestContext:
    """Return the context of a role update that nobody but Moddy asked for."""
    return RequestContext(
        request_id=request_id or new_request_id(),
        body_hash=hashlib.sha256(msgspec.json.encode(payload)).digest(),
    )


async def insert(
    connection: Connection,
    user_id: Snowflake,
    payload: RolesPayload,
    context: RequestContext,
    *,
    now: datetime,
) -> Delivery:
    """Store a role update, due at once."""
    delivery = Delivery(
        id=new_delivery_id(),
        kind=DeliveryKind.ROLES,
        user_id=user_id,
        state=DeliveryState.PENDING,
        payload=msgspec.json.encode(payload),
        created_at=now,
        request_id=context.request_id,
    )
    await deliveries.insert(connection, delivery, context)
    return delivery
