"""Refunds that cannot go wrong: proposed, confirmed, approved where needed, asked for once.

The intent is stored with its idempotency key before the backend is asked. What may have been
done stands in the way of the next refund for that customer until a person has settled it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from msgspec import Struct

from moddy.currencies import plain_amount
from moddy.errors import StaffRefused
from moddy.models import Invoice, Snowflake
from moddy.ports import Backend, Clock
from moddy.services import refund_rules as rules
from moddy.services.intake import new_delivery_id
from moddy.services.refund_calls import RefundCalls, Show, words
from moddy.services.refund_invoices import find_newest_paid
from moddy.services.refund_rules import Limits
from moddy.services.staff import Authority, Description, Staff
from moddy.services.staff_audit import StaffAudit
from moddy.staff import Refusal, StaffAction
from moddy.store import refunds as store
from moddy.store import users
from moddy.store.database import Database
from moddy.store.refunds import Refund, RefundState
from moddy.store.transactions import Connection

Decision = Callable[[Connection, Refund, datetime], Awaitable[Refund]]

DEFAULT_REASON = "requested_by_customer"


class Proposal(Struct, frozen=True, kw_only=True):
    """A refund to be shown. Not `is_new`: it was there before, and has to be settled first."""

    refund: Refund
    is_new: bool


class Refunds:
    """What staff can do about refunds. Every step and every refusal is in the trail.

    The steps raise StaffRefused, with nothing done, and StoreUnavailable. Those that ask the
    backend return the refund as it is afterwards: REFUNDED, FAILED or UNKNOWN; SENDING where the
    store went away before it could hold the answer. Just before the call they await `show` with
    the refund that is SENDING.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        backend: Backend,
        staff: Staff,
        audit: StaffAudit,
        limits: Limits,
    ) -> None:
        self._database = database
        self._clock = clock
        self._backend = backend
        self._staff = staff
        self._limits = limits
        self._calls = RefundCalls(database=database, clock=clock, backend=backend, audit=audit)

    async def propose(
        self, agent_id: Snowflake, customer_id: Snowflake, amount: str, reason: str = ""
    ) -> Proposal:
        """Store the intent to refund the customer's newest paid invoice, or a part of it.

        `amount` is what the agent wrote: a decimal in the invoice's currency, or `rules.FULL`.
        A refund of this customer that is still open is returned instead of a new one.

        Raises:
            BackendError: the customer's invoices could not be read.
        """
        action = StaffAction.PROPOSE_REFUND
        is_clear, is_own = rules.is_clear(amount), agent_id == customer_id
        authority = await self._database.read(lambda c: self._staff.authority(c, agent_id))
        invoice = None
        if is_clear and not is_own and authority.refusal(action) is None:
            invoice = await find_newest_paid(self._backend, customer_id)

        async def work(connection: Connection, _authority: Authority) -> Proposal:
            if is_own:
                raise StaffRefused(Refusal.OWN_MONEY)
            if not is_clear:
                raise StaffRefused(Refusal.AMOUNT_UNCLEAR)
            now = self._clock.now()
            await _lock(connection, agent_id, customer_id)
            open_one = await store.find_open(connection, customer_id, now)
            if open_one is not None:
                return Proposal(refund=open_one, is_new=False)
            refund = await rules.draft(
                connection,
                new_delivery_id(),
                agent_id=agent_id,
                customer_id=customer_id,
                amount=amount,
                invoice=invoice,
                reason=words(reason) or DEFAULT_REASON,
                limits=self._limits,
                now=now,
            )
            await store.insert(connection, refund)
            return Proposal(refund=refund, is_new=True)

        return await self._staff.act(
            agent_id,
            action,
            work,
            subject_id=customer_id,
            # What is no amount may be anything, and does not belong into the trail.
            detail=amount if is_clear else None,
            describe=lambda proposal: _described(proposal.refund),
        )

    def possible(self, refund: Refund) -> frozenset[StaffAction]:
        """Return what can be said to a refund now, by whoever may."""
        return rules.possible(refund, self._clock.now())

    async def find(self, refund_id: str) -> Refund | None:
        """Return a refund."""
        return await self._database.read(lambda c: store.find(c, refund_id))

    async def look(self, person_id: Snowflake, refund_id: str) -> Refund:
        """Return a refund to somebody who may see it."""
        refund = await self.find(refund_id)
        await self._staff.require(
            person_id,
            StaffAction.VIEW_REFUND,
            subject_id=refund.customer_id if refund else None,
        )
        if refund is None:
            raise StaffRefused(Refusal.GONE)
        return refund

    async def confirm(
        self, agent_id: Snowflake, refund_id: str, *, show: Show | None = None
    ) -> Refund:
        """Say yes to one's own proposal: it is asked for, or waits for the second person.

        Raises:
            BackendError: whether what was shown still holds could not be read; nothing was done.
        """
        action = StaffAction.CONFIRM_REFUND
        invoice = await self._invoice_now(agent_id, action, refund_id)

        async def decide(connection: Connection, refund: Refund, now: datetime) -> Refund:
            second = await rules.needs_second_person(connection, refund, self._limits, now)
            changed = rules.confirmed(refund, agent_id, now, needs_second=second)
            await rules.require_as_shown(connection, refund, invoice, self._limits, now)
            return changed

        refund = await self._step(agent_id, action, refund_id, decide)
        return await self._ask_if_sending(refund, agent_id, show)

    async def cancel(self, agent_id: Snowflake, refund_id: str) -> Refund:
        """Take one's own refund back, before the backend is asked."""

        async def decide(_: Connection, refund: Refund, now: datetime) -> Refund:
            return rules.cancelled(refund, agent_id, now)

        return await self._step(agent_id, StaffAction.CANCEL_REFUND, refund_id, decide)

    async def approve(
        self, person_id: Snowflake, refund_id: str, *, show: Show | None = None
    ) -> Refund:
        """Say yes as the second person: the backend is asked. Raises as `confirm`."""
        action = StaffAction.APPROVE_REFUND
        invoice = await self._invoice_now(person_id, action, refund_id)

        async def decide(connection: Connection, refund: Refund, now: datetime) -> Refund:
            changed = rules.approved(refund, person_id, now)
            agent = await self._staff.authority(connection, refund.agent_id)
            if agent.refusal(StaffAction.CONFIRM_REFUND) is not None:
                raise StaffRefused(Refusal.AGENT_MAY_NOT)
            await rules.require_as_shown(connection, refund, invoice, self._limits, now)
            return changed

        refund = await self._step(person_id, action, refund_id, decide)
        return await self._ask_if_sending(refund, person_id, show)

    async def reject(self, person_id: Snowflake, refund_id: str) -> Refund:
        """Say no as the second person."""

        async def decide(_: Connection, refund: Refund, now: datetime) -> Refund:
            return rules.rejected(refund, person_id, now)

        return await self._step(person_id, StaffAction.REJECT_REFUND, refund_id, decide)

    async def ask_again(
        self, person_id: Snowflake, refund_id: str, *, show: Show | None = None
    ) -> Refund:
        """Ask the backend again, under the same key, for a refund of unknown outcome."""

        async def decide(_: Connection, refund: Refund, now: datetime) -> Refund:
            return rules.asked_again(refund, now)

        refund = await self._step(person_id, StaffAction.ASK_REFUND_AGAIN, refund_id, decide)
        return await self._ask_if_sending(refund, person_id, show)

    async def settle(self, person_id: Snowflake, refund_id: str, *, refunded: bool) -> Refund:
        """Say what became of a refund of unknown outcome, after a look at Stripe."""
        state = RefundState.REFUNDED if refunded else RefundState.FAILED

        async def decide(_: Connection, refund: Refund, now: datetime) -> Refund:
            return rules.settled(refund, state, now)

        return await self._step(person_id, StaffAction.SETTLE_REFUND, refund_id, decide)

    async def mark_lost(self) -> int:
        """Mark as unknown what the backend was asked for by a process that has ended since.

        Returns how many. Raises StoreUnavailable.
        """
        return await self._calls.mark_lost()

    async def _step(
        self, actor_id: Snowflake, action: StaffAction, refund_id: str, decide: Decision
    ) -> Refund:
        known = await self.find(refund_id)

        async def work(connection: Connection, _authority: Authority) -> Refund:
            if known is None:
                raise StaffRefused(Refusal.GONE)
            if actor_id == known.customer_id:
                raise StaffRefused(Refusal.OWN_MONEY)
            await _lock(connection, known.agent_id, known.customer_id)
            refund = await store.find(connection, refund_id) or known
            now = self._clock.now()
            changed = await decide(connection, refund, now)
            if not await store.save(connection, changed, was=refund.state):
                raise StaffRefused(Refusal.ALREADY_DECIDED)
            if action is StaffAction.SETTLE_REFUND:
                await self._calls.note_result(connection, changed, actor_id, now)
            return changed

        return await self._staff.act(
            actor_id,
            action,
            work,
            subject_id=known.customer_id if known else None,
            detail=plain_amount(known.amount_minor, known.currency) if known else None,
            refund_id=known.id if known else None,
            describe=_described,
        )

    async def _ask_if_sending(
        self, refund: Refund, actor_id: Snowflake, show: Show | None
    ) -> Refund:
        if refund.state is not RefundState.SENDING:
            return refund
        return await self._calls.ask(refund, actor_id, show)

    async def _invoice_now(
        self, actor_id: Snowflake, action: StaffAction, refund_id: str
    ) -> Invoice | None:
        """Return the invoice that a refund would be taken from now.

        None without asking the backend where the step is going to be refused anyway.
        """

        async def work(connection: Connection) -> Refund | None:
            authority = await self._staff.authority(connection, actor_id)
            refund = await store.find(connection, refund_id)
            if refund is None or authority.refusal(action) is not None:
                return None
            is_agents = action is StaffAction.CONFIRM_REFUND
            is_theirs = (actor_id == refund.agent_id) is is_agents
            is_own = actor_id == refund.customer_id
            is_due = action in self.possible(refund) and is_theirs and not is_own
            return refund if is_due else None

        refund = await self._database.read(work)
        if refund is None:
            return None
        return await find_newest_paid(self._backend, refund.customer_id)


async def _lock(connection: Connection, *people: Snowflake) -> None:
    """Let no other step about these people go on before this one has ended.

    A customer has one open refund, and an agent one cap, whichever process they meet.
    """
    for person_id in sorted(people):
        await users.lock(connection, person_id)


def _described(refund: Refund) -> Description:
    detail = plain_amount(refund.amount_minor, refund.currency)
    if refund.state is RefundState.AWAITING:
        detail += ", waits for a second person"
    return Description(detail=detail, refund_id=refund.id)
