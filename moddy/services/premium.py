"""The PREMIUM attribute: what each action makes of it, its audit trail, and reading it."""

from __future__ import annotations

from datetime import datetime

import structlog
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.models import NotifyAction, Snowflake
from moddy.notices import NotifyMetadata
from moddy.ports import Clock
from moddy.store import premium_audit, users
from moddy.store.database import Database
from moddy.store.premium_audit import PremiumChange
from moddy.store.users import User

log = structlog.get_logger(__name__)

ENDED_BATCH = 100


class PremiumStatus(Struct, frozen=True, kw_only=True):
    """Whether a user is premium now; `until` is when it ends, None while no end is known."""

    premium: bool
    until: datetime | None = None


def status_at(user: User, now: datetime) -> PremiumStatus:
    """Return the user's premium as of `now`: it ends at its moment, swept away yet or not."""
    if not user.premium or (user.premium_until is not None and user.premium_until <= now):
        return PremiumStatus(premium=False)
    return PremiumStatus(premium=True, until=user.premium_until)


def effective_plan(action: NotifyAction, plan: str | None, metadata: NotifyMetadata) -> str | None:
    """Return the plan that the customer has after the action, None when it is not told.

    A plan change names it as `new_plan` as well; `plan` may then be either.
    """
    if action in (NotifyAction.PLAN_UPGRADED, NotifyAction.PLAN_DOWNGRADED):
        return metadata.new_plan or plan
    return plan


def decide(
    action: NotifyAction,
    *,
    plan: str | None,
    metadata: NotifyMetadata,
    current: PremiumStatus,
    premium_plans: frozenset[str],
    now: datetime,
) -> PremiumStatus:
    """Return what the action makes of the attribute, by the table of ``POST /internal/notify``.

    Where the action leaves premium on and the customer has cancelled at the period's end, it is
    on until then. `plan` is the effective plan.
    """
    is_premium_plan = plan in premium_plans
    if action is NotifyAction.SUBSCRIPTION_CANCELLED:
        end = period_end_ahead(metadata, now)
        if end is None:
            return PremiumStatus(premium=False)
        if is_premium_plan or current.premium:
            return PremiumStatus(premium=True, until=end)
        return current
    if is_premium_plan:
        return PremiumStatus(premium=True, until=period_end_ahead(metadata, now))
    if action is NotifyAction.PLAN_DOWNGRADED:
        return PremiumStatus(premium=False)
    return current


def period_end_ahead(metadata: NotifyMetadata, now: datetime) -> datetime | None:
    """Return the period's end when the customer has cancelled at it and it lies ahead."""
    end = metadata.current_period_end
    return end if metadata.cancel_at_period_end and end is not None and end > now else None


class Premium:
    """The one place that answers "is this user premium?", and that changes it."""

    def __init__(self, *, database: Database, clock: Clock, premium_plans: frozenset[str]) -> None:
        self._database = database
        self._clock = clock
        self.premium_plans = premium_plans

    async def status(self, user_id: Snowflake) -> PremiumStatus:
        """Return a user's premium now. Raises StoreUnavailable."""
        user = await self._database.read(lambda connection: users.find(connection, user_id))
        return status_at(user, self._clock.now())

    async def apply(
        self,
        connection: AsyncConnection,
        user: User,
        action: NotifyAction,
        *,
        plan: str | None,
        metadata: NotifyMetadata,
        request_id: str | None,
    ) -> None:
        """Make the change that an accepted action asks for, in the caller's transaction."""
        now = self._clock.now()
        new = decide(
            action,
            plan=plan,
            metadata=metadata,
            current=status_at(user, now),
            premium_plans=self.premium_plans,
            now=now,
        )
        await self._save(
            connection, user, new, actor="backend", reason=action.value, request_id=request_id
        )

    async def end_due(self) -> int:
        """Turn off the premium of users whose end has come; returns how many. Raises
        StoreUnavailable.
        """
        return await self._database.transaction(self._end_due)

    async def _end_due(self, connection: AsyncConnection) -> int:
        now = self._clock.now()
        ended = 0
        for user_id in await users.find_ended(connection, now, limit=ENDED_BATCH):
            user = await users.lock(connection, user_id)
            if user.premium and not status_at(user, now).premium:
                off = PremiumStatus(premium=False)
                await self._save(connection, user, off, actor="moddy", reason="period_ended")
                ended += 1
        return ended

    async def _save(
        self,
        connection: AsyncConnection,
        user: User,
        new: PremiumStatus,
        *,
        actor: str,
        reason: str,
        request_id: str | None = None,
    ) -> None:
        if (user.premium, user.premium_until) == (new.premium, new.until):
            return
        await users.save_premium(connection, user.discord_id, premium=new.premium, until=new.until)
        change = PremiumChange(
            discord_id=user.discord_id,
            actor=actor,
            old_premium=user.premium,
            old_until=user.premium_until,
            new_premium=new.premium,
            new_until=new.until,
            reason=reason,
            request_id=request_id,
            at=self._clock.now(),
        )
        await premium_audit.add(connection, change)
