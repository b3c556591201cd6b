"""Reconciliation with the backend: PREMIUM is what the customers' subscriptions say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum

import structlog
from aiolimiter import AsyncLimiter
from msgspec import Struct, structs

from moddy.errors import BackendError, BackendPaused, StoreUnavailable
from moddy.models import Snowflake, SubscriptionInfoResponse
from moddy.ports import Backend, Clock
from moddy.services.passes import CALL_TIMEOUT, SLICE, Counters, Pass, PassState
from moddy.services.premium import Premium
from moddy.services.premium_terms import Terms, terms_of
from moddy.services.removal_brake import Removal, RemovalBrake
from moddy.services.role_repairs import Repair, Repairs
from moddy.services.subscription_terms import confirm, may_return
from moddy.store import premium_audit, users
from moddy.store import reconciliation as store
from moddy.store.database import Database
from moddy.store.premium_audit import PremiumChange
from moddy.store.transactions import Connection
from moddy.store.users import User

log = structlog.get_logger(__name__)

ACTOR = "reconciliation"
INTERVAL = timedelta(hours=3)
# Questions per second at most, and how many are asked at the same time.
RATE = 5.0
TOGETHER = 5
# The backend may learn of what it has just told a moment later than it told it.
SETTLE = timedelta(minutes=10)
# Slices in a row that nobody of a few customers was answered for; then the next are asked.
MAX_STALLS = 20


class Verdict(Enum):
    """What came of one customer."""

    FINE = "fine"
    CHANGED = "changed"
    ENDS = "ends"  # premium would be turned off, which may not be done yet
    FAILED = "failed"


class _Customer(Struct, frozen=True, kw_only=True):
    """What is known of a customer before the backend is asked; `last` is their newest change."""

    user: User
    last: PremiumChange | None


class SubscriptionChecks:
    """Asks the backend about everybody who is premium, or might have to be.

    A pass begins with the process and every `interval`. What would turn premium off is asked
    about once more at the end of the pass, and is done unless `brake` holds it. `grace` is how
    long premium stays on with a payment past due.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        backend: Backend,
        premium: Premium,
        repairs: Repairs | None,
        brake: RemovalBrake,
        grace: timedelta,
        counters: Counters,
        interval: timedelta = INTERVAL,
        rate: float = RATE,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._backend = backend
        self._premium = premium
        self._repairs = repairs
        self._brake = brake
        self._grace = grace
        self._pass = Pass(name="subscriptions", interval=interval, database=database, clock=clock)
        self._counters = counters
        self._limiter = AsyncLimiter(1, 1 / rate)
        self._wake = wake

    async def sweep(self) -> int:
        """Take the next slice of a pass, if one is due; returns how many were asked about.

        What is done stays so when this is cancelled. Raises StoreUnavailable.
        """
        allowed = await self._brake.find_allowed(Removal.PREMIUM)
        try:
            if allowed:
                await self._end(allowed)
                await self._brake.finish(Removal.PREMIUM, allowed)
            state = await self._pass.take_up()
            return 0 if state is None else await self._take_slice(state)
        except BackendPaused:
            return 0  # what is saved goes on from where it was
        finally:
            self._wake()

    async def _take_slice(self, state: PassState) -> int:
        asked, until = 0, self._clock.now() + SLICE
        while not state.is_done and self._clock.now() < until:
            few = await self._find_next(state.cursor)
            if not few:
                free, held = await self._brake.decide(Removal.PREMIUM, state.removals)
                await self._end(free)
                self._counters.held += len(held)
            verdicts = await self._check_all(few, may_end=False)
            asked += len(few)
            state = _move(state, verdicts)
            await self._pass.save(state)
            if state.stalls:
                log.warning("subscriptions not checked yet: the backend fails")
                break
        return asked

    async def _find_next(self, after: str) -> list[Snowflake]:
        plans = self._premium.premium_plans
        return await self._database.read(
            lambda c: store.find_subscribers(c, plans, after=after, limit=TOGETHER)
        )

    async def _end(self, user_ids: Collection[str]) -> None:
        """Turn premium off for these users, if the backend still says so."""
        ids = [Snowflake(user_id) for user_id in sorted(user_ids)]
        for start in range(0, len(ids), TOGETHER):
            await self._check_all(ids[start : start + TOGETHER], may_end=True)

    async def _check_all(
        self, user_ids: Sequence[Snowflake], *, may_end: bool
    ) -> dict[Snowflake, Verdict]:
        """Ask about a few. Raises BackendPaused and StoreUnavailable."""
        checks = (self._check(user_id, may_end=may_end) for user_id in user_ids)
        results = await asyncio.gather(*checks, return_exceptions=True)
        verdicts = {}
        for user_id, result in zip(user_ids, results, strict=True):
            if isinstance(result, Verdict):
                verdicts[user_id] = result
                continue
            if isinstance(result, BackendPaused | StoreUnavailable) or not isinstance(
                result, Exception
            ):
                raise result
            verdicts[user_id] = Verdict.FAILED
            self._counters.failed += 1
            if isinstance(result, BackendError | TimeoutError):
                log.warning(
                    "subscription not known", discord_id=user_id, error=type(result).__name__
                )
            else:
                log.error("subscription not checked", discord_id=user_id, exc_info=result)
        return verdicts

    async def _check(self, user_id: Snowflake, *, may_end: bool) -> Verdict:
        customer = await self._database.read(lambda c: _find(c, user_id))
        now = self._clock.now()
        current = terms_of(customer.user).at(now)
        last = customer.last
        if last is not None and now - last.at < SETTLE:
            return Verdict.FINE
        returns = may_return(customer.user, last, self._premium.premium_plans)
        if not current.premium and not returns:
            return Verdict.FINE
        await self._limiter.acquire()
        self._counters.asked += 1
        async with asyncio.timeout(CALL_TIMEOUT):
            answer = await self._backend.get_subscription_info(user_id)
        now = self._clock.now()
        current = terms_of(customer.user).at(now)
        terms = confirm(
            answer,
            current=current,
            returns=last if returns else None,
            grace_until=now + self._grace,
            now=now,
        )
        if terms is None or terms == current:
            return Verdict.FINE
        if current.premium and not terms.at(now).premium and not may_end:
            return Verdict.ENDS
        return await self._correct(customer, terms, reason=_reason(answer), now=now)

    async def _correct(
        self, customer: _Customer, terms: Terms, *, reason: str, now: datetime
    ) -> Verdict:
        user_id = customer.user.discord_id
        was_premium = terms_of(customer.user).at(now).premium

        async def work(connection: Connection) -> bool:
            user = await users.lock(connection, user_id)
            if structs.replace(user, locale=customer.user.locale) != customer.user:
                return False  # a newer word came while the backend was asked
            await self._premium.correct(connection, user, terms, actor=ACTOR, reason=reason)
            if self._repairs is not None and was_premium != terms.premium:
                await self._move_role(self._repairs, connection, user_id)
            return True

        if not await self._database.transaction(work, about=user_id):
            return Verdict.FINE
        if terms.premium == was_premium:
            self._counters.premium_dated += 1
        elif terms.premium:
            self._counters.premium_on += 1
        else:
            self._counters.premium_off += 1
        log.info("premium corrected", discord_id=user_id, premium=terms.premium, reason=reason)
        return Verdict.CHANGED

    async def _move_role(
        self, repairs: Repairs, connection: Connection, user_id: Snowflake
    ) -> None:
        """Owe the premium role, or its removal; nobody looks whether the member has it now."""
        role_id = repairs.premium_role_id
        if role_id is None:
            return
        only = frozenset({role_id})
        for has in ((), (role_id,)):
            await repairs.store(
                connection,
                user_id,
                has,
                seen_at=self._clock.now(),
                trim=lambda repair: Repair(add=repair.add & only, remove=repair.remove),
            )


def _move(state: PassState, verdicts: Mapping[Snowflake, Verdict]) -> PassState:
    """Return how far the pass is: where nobody was answered for, the same are asked again."""
    if not verdicts:
        return structs.replace(state, is_done=True)
    failed = all(verdict is Verdict.FAILED for verdict in verdicts.values())
    if failed and state.stalls < MAX_STALLS:
        return structs.replace(state, stalls=state.stalls + 1)
    ends = {str(user_id) for user_id, verdict in verdicts.items() if verdict is Verdict.ENDS}
    return structs.replace(
        state, cursor=str(max(verdicts)), removals=state.removals | ends, stalls=0
    )


async def _find(connection: Connection, user_id: Snowflake) -> _Customer:
    return _Customer(
        user=await users.find(connection, user_id),
        last=await premium_audit.find_last(connection, user_id),
    )


def _reason(answer: SubscriptionInfoResponse) -> str:
    if answer.subscription is None:
        return "no_subscription"
    return f"subscription_{answer.subscription.status.value}"
