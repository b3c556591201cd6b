"""The PREMIUM attribute: reading it, changing it with its audit trail, and ending it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from moddy.models import NotifyAction, Snowflake
from moddy.notices import NotifyMetadata
from moddy.ports import Clock
from moddy.request_ids import new_request_id
from moddy.services.premium_terms import Terms, decide, terms_of
from moddy.services.role_repairs import RolesPayload, own_context
from moddy.services.roles import store_update
from moddy.store import premium_audit, role_grants, users
from moddy.store.database import Database
from moddy.store.premium_audit import PremiumChange
from moddy.store.transactions import Connection
from moddy.store.users import User

# How long premium stays on with a payment past due, unless told otherwise.
GRACE = timedelta(days=7)
# As many users whose end has come are looked at together.
ENDED_BATCH = 100


class PremiumStatus(Struct, frozen=True, kw_only=True):
    """Whether a user is premium now; `until` is when it ends, None while no end is known."""

    premium: bool
    until: datetime | None = None


class PremiumProfile(Struct, frozen=True, kw_only=True):
    """A user's premium with its story: since when it is on, and the plan last told of.

    `status.until` and `plan` are for the user's own eyes.
    """

    status: PremiumStatus
    since: datetime | None = None
    plan: str | None = None


def status_at(user: User, now: datetime) -> PremiumStatus:
    """Return the user's premium as of `now`: it ends at its moment, swept away yet or not."""
    terms = terms_of(user).at(now)
    return PremiumStatus(premium=terms.premium, until=terms.ends_at)


class _Change(Struct, frozen=True, kw_only=True):
    """Who changes the attribute, and why."""

    actor: str
    reason: str
    request_id: str


class Premium:
    """The one place that answers "is this user premium?", and that changes it.

    Premium that ends by itself takes the role `role_id` of the guild with it, when both are
    given; `wake_deliveries` is told when that is to be done.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        premium_plans: frozenset[str],
        grace: timedelta = GRACE,
        guild_id: Snowflake | None = None,
        role_id: Snowflake | None = None,
        wake_deliveries: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self.premium_plans = premium_plans
        self._grace = grace
        self._guild_id = guild_id
        self._role_id = role_id
        self._wake_deliveries = wake_deliveries

    async def status(self, user_id: Snowflake) -> PremiumStatus:
        """Return a user's premium now. Raises StoreUnavailable."""
        user = await self._database.read(lambda connection: users.find(connection, user_id))
        return status_at(user, self._clock.now())

    async def profile(self, user_id: Snowflake) -> PremiumProfile:
        """Return a user's premium now, and since when. Raises StoreUnavailable."""

        async def look(connection: Connection) -> tuple[User, datetime | None]:
            user = await users.find(connection, user_id)
            return user, await premium_audit.find_start(connection, user_id)

        user, started_at = await self._database.read(look)
        status = status_at(user, self._clock.now())
        return PremiumProfile(
            status=status, since=started_at if status.premium else None, plan=user.plan
        )

    async def apply(
        self,
        connection: Connection,
        user: User,
        action: NotifyAction,
        *,
        plan: str | None,
        metadata: NotifyMetadata,
        request_id: str,
    ) -> None:
        """Make the change that an accepted action asks for, in the caller's transaction."""
        now = self._clock.now()
        kept = terms_of(user)
        current = kept.at(now)
        new = decide(
            action,
            plan=plan,
            metadata=metadata,
            current=current,
            premium_plans=self.premium_plans,
            grace=self._grace,
            now=now,
        )
        if kept.premium and not current.premium and not new.premium:
            # It ended before this came, and no sweep has seen it yet.
            await self._end(connection, user.discord_id, kept, now)
            kept = current
        change = _Change(actor="backend", reason=action.value, request_id=request_id)
        await self._save(connection, user.discord_id, kept, new, change)

    async def correct(
        self, connection: Connection, user: User, terms: Terms, *, actor: str, reason: str
    ) -> None:
        """Make a locked user's premium what it was found to be, in the caller's transaction."""
        change = _Change(actor=actor, reason=reason, request_id=new_request_id())
        await self._save(connection, user.discord_id, terms_of(user), terms, change)

    async def end_due(self) -> int:
        """Turn off the premium of users whose end has come, and take their role.

        Returns how many. Raises StoreUnavailable.
        """
        now = self._clock.now()
        ended = 0
        while due := await self._database.read(
            lambda c: users.find_ended(c, now, limit=ENDED_BATCH)
        ):
            # Each user in a transaction of their own, so that one of them cannot hold up others.
            ends = (self._end_one(user_id, now) for user_id in due)
            results = await asyncio.gather(*ends, return_exceptions=True)
            ended += sum(result is True for result in results)
            self._wake_deliveries()
            for result in results:
                if isinstance(result, BaseException):
                    raise result
        return ended

    async def _end_one(self, user_id: Snowflake, now: datetime) -> bool:
        async def work(connection: Connection) -> bool:
            # Another process may have been here, or they may have paid, since they were found.
            kept = terms_of(await users.lock(connection, user_id))
            has_ended = kept.premium and not kept.at(now).premium
            if has_ended:
                await self._end(connection, user_id, kept, now)
            return has_ended

        return await self._database.transaction(work, about=user_id)

    async def _end(
        self, connection: Connection, user_id: Snowflake, kept: Terms, now: datetime
    ) -> None:
        """Turn premium off that has ended by itself, and have the role taken."""
        by_grace = kept.ends_at == kept.grace_until
        change = _Change(
            actor="moddy",
            reason="grace_ended" if by_grace else "period_ended",
            request_id=new_request_id(),
        )
        await self._save(connection, user_id, kept, kept.at(now), change)
        if self._guild_id is None or self._role_id is None:
            return
        payload = RolesPayload(guild_id=str(self._guild_id), add=(), remove=(str(self._role_id),))
        context = own_context(payload, change.request_id)
        await store_update(connection, user_id, payload, context, now=now)

    async def _save(
        self,
        connection: Connection,
        user_id: Snowflake,
        old: Terms,
        new: Terms,
        change: _Change,
    ) -> None:
        if old == new:
            return
        await users.save_premium(
            connection,
            user_id,
            premium=new.premium,
            until=new.until,
            grace_until=new.grace_until,
        )
        if (old.premium, old.ends_at) == (new.premium, new.ends_at):
            return
        if old.premium != new.premium or (new.premium and new.ends_at is None):
            await role_grants.end_orders(connection, user_id)
        audited = PremiumChange(
            discord_id=user_id,
            actor=change.actor,
            old_premium=old.premium,
            old_until=old.ends_at,
            new_premium=new.premium,
            new_until=new.ends_at,
            reason=change.reason,
            request_id=change.request_id,
            at=self._clock.now(),
        )
        await premium_audit.add(connection, audited)
