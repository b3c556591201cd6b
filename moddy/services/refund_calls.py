"""Asking the backend for a refund whose intent is stored, and recording what came of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from msgspec import Struct, structs

from moddy.currencies import plain_amount
from moddy.errors import BackendError, RefundOutcomeUnknown, StoreUnavailable
from moddy.models import RefundResponse, Snowflake
from moddy.ports import Backend, Clock
from moddy.services.notifications import RefundPayload, owe_refund_message
from moddy.services.staff_audit import StaffAudit
from moddy.staff import AuditOutcome, StaffAction
from moddy.store import refunds as store
from moddy.store import users
from moddy.store.database import Database
from moddy.store.refunds import Refund, RefundState
from moddy.store.transactions import Connection

log = structlog.get_logger(__name__)

Show = Callable[[Refund], Awaitable[None]]

# From the stored intent to the call; a process that was stopped for longer asks no more.
ASK_WITHIN = timedelta(seconds=10)
# From the stored intent to an answer: `ASK_WITHIN`, the backend's 10 s, the store's 5 s.
LOST_AFTER = timedelta(seconds=30)
BATCH = 50
MAX_WORDS = 500
# Far above what Stripe takes, and small enough for the store.
MAX_MINOR = 10**12

_OUTCOMES = {
    RefundState.REFUNDED: AuditOutcome.REFUNDED,
    RefundState.FAILED: AuditOutcome.FAILED,
    RefundState.UNKNOWN: AuditOutcome.UNKNOWN,
}
# PostgreSQL keeps no NUL, and nobody wants the others.
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]+")


class Outcome(Struct, frozen=True, kw_only=True):
    """What one call to the backend came to: REFUNDED, FAILED or UNKNOWN."""

    state: RefundState
    error: str | None = None
    refunded_minor: int | None = None
    stripe_refund_id: str | None = None


class RefundCalls:
    """The one place that asks for money to be given back."""

    def __init__(
        self, *, database: Database, clock: Clock, backend: Backend, audit: StaffAudit
    ) -> None:
        self._database = database
        self._clock = clock
        self._backend = backend
        self._audit = audit

    async def ask(self, refund: Refund, actor_id: Snowflake, show: Show | None = None) -> Refund:
        """Ask once for a refund that is SENDING; return it as it stands then.

        `show` is called before. When Moddy ends in here, or the store is away, the refund stays
        as SENDING, and `mark_lost` finds it.
        """
        if show is not None:
            await show(refund)
        outcome = await self._call(refund)
        try:
            return await self._record(refund, outcome, actor_id)
        except StoreUnavailable as error:
            log.error(
                "refund outcome not recorded",
                refund_id=refund.id,
                outcome=outcome.state.value,
                cause=str(error),
            )
            return refund

    async def mark_lost(self) -> int:
        """Mark as unknown what the backend was asked for by a process that has ended since.

        Returns how many. Raises StoreUnavailable.
        """
        before = self._clock.now() - LOST_AFTER
        lost = await self._database.read(lambda c: store.find_lost(c, before, limit=BATCH))
        outcome = Outcome(state=RefundState.UNKNOWN)
        for refund in lost:
            await self._record(refund, outcome, refund.approver_id or refund.agent_id)
        return len(lost)

    async def note_result(
        self, connection: Connection, refund: Refund, actor_id: Snowflake, now: datetime
    ) -> None:
        """Have the trail say what became of a refund, and the customer be told of the money."""
        detail = plain_amount(refund.given_minor, refund.currency)
        if refund.given_minor != refund.amount_minor:
            detail += f" instead of {plain_amount(refund.amount_minor, refund.currency)}"
        await self._audit.note(
            connection,
            actor_id,
            StaffAction.REFUND_RESULT,
            _OUTCOMES[refund.state],
            subject_id=refund.customer_id,
            detail=detail,
            refund_id=refund.id,
        )
        if refund.state is RefundState.REFUNDED:
            await owe_refund_message(
                connection,
                refund.customer_id,
                RefundPayload(amount_minor=refund.given_minor, currency=refund.currency),
                key=refund.idempotency_key,
                now=now,
            )

    async def _call(self, refund: Refund) -> Outcome:
        asked_at = refund.asked_at
        if asked_at is None or self._clock.now() - asked_at > ASK_WITHIN:
            return Outcome(state=RefundState.FAILED)
        try:
            # Never "all of it": what a person saw and confirmed is what is asked for, whatever
            # has been paid since.
            response = await self._backend.refund_payment(
                refund.customer_id,
                refund.amount_minor,
                refund.reason,
                idempotency_key=refund.idempotency_key,
            )
        except RefundOutcomeUnknown as error:
            return Outcome(state=RefundState.UNKNOWN, error=words(error.reason))
        except BackendError as error:
            return Outcome(state=RefundState.FAILED, error=words(error.reason or str(error)))
        return _read(response)

    async def _record(self, asked: Refund, outcome: Outcome, actor_id: Snowflake) -> Refund:
        async def work(connection: Connection) -> Refund:
            await users.lock(connection, asked.customer_id)
            current = await store.find(connection, asked.id) or asked
            now = self._clock.now()
            changed = _after(current, asked, outcome, now)
            if changed is None or not await store.save(connection, changed, was=current.state):
                return current
            await self.note_result(connection, changed, actor_id, now)
            return changed

        recorded = await self._database.transaction(work, about=asked.customer_id)
        log.info("refund asked for", refund_id=asked.id, state=recorded.state.value)
        return recorded


def _after(current: Refund, asked: Refund, outcome: Outcome, now: datetime) -> Refund | None:
    """Return a refund with what a call for it came to, None when that changes nothing.

    `current` is how it stands, `asked` how it was when it was asked for: it may have been given
    up, asked for again or settled by hand since.
    """
    if outcome.state is RefundState.REFUNDED:
        # Whatever anybody made of the silence before: the money has gone.
        if current.state is RefundState.REFUNDED:
            return None
        return structs.replace(
            current,
            state=RefundState.REFUNDED,
            refunded_minor=outcome.refunded_minor,
            stripe_refund_id=outcome.stripe_refund_id,
            error=None,
            finished_at=now,
        )
    if current.asks != asked.asks:
        return None  # a later call has the word
    # Once asked for again, a refusal says nothing about the time before: still unknown.
    state = RefundState.UNKNOWN if current.was_asked_again else outcome.state
    if current.state not in (RefundState.SENDING, RefundState.UNKNOWN) or state is current.state:
        return None
    finished_at = now if state is RefundState.FAILED else None
    return structs.replace(current, state=state, error=outcome.error, finished_at=finished_at)


def _read(response: RefundResponse) -> Outcome:
    """Return what the backend's answer means; one that contradicts itself is no answer."""
    amount, refund_id = response.amount_refunded, words(response.refund_id)
    if response.refunded:
        plausible = amount is not None and 0 < amount <= MAX_MINOR
        return Outcome(
            state=RefundState.REFUNDED,
            refunded_minor=amount if plausible else None,
            stripe_refund_id=refund_id,
        )
    state = RefundState.UNKNOWN if amount or refund_id else RefundState.FAILED
    return Outcome(state=state, error=words(response.message))


def words(text: str | None) -> str | None:
    """Return somebody's text on one line as the store takes it, None without one."""
    return _UNPRINTABLE.sub(" ", text or "").strip()[:MAX_WORDS] or None
