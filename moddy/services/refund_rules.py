"""What may be refunded, how much of it, by whom, and for how long something can be said to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct, structs

from moddy.currencies import looks_like_amount, parse_amount
from moddy.errors import StaffRefused
from moddy.models import Invoice, InvoiceStatus, Snowflake
from moddy.staff import Refusal, StaffAction
from moddy.store import refunds as store
from moddy.store.refunds import Refund, RefundState
from moddy.store.transactions import Connection

# The only word that asks for all that is left; any other spelling is refused.
FULL = "full"
# How long a proposal and a wait for the second person are good for.
PROPOSAL_TIME = timedelta(minutes=5)
APPROVAL_TIME = timedelta(hours=24)
# The time that an agent's cap is counted over.
CAP_TIME = timedelta(hours=24)
# Stripe refunds no older charges. Source: https://docs.stripe.com/refunds
REFUND_WINDOW = timedelta(days=180)
# Stripe forgets an idempotency key after 24 hours; asked again later, it might pay twice.
# Source: https://docs.stripe.com/api/idempotent_requests
KEY_TIME = timedelta(hours=23)


class Limits(Struct, frozen=True, kw_only=True):
    """Amounts in minor units of whatever currency.

    Above `approval_above` a second person has to approve, also when several refunds of one
    invoice add up to it; what an agent refunds within `CAP_TIME` comes to at most `daily_cap`.
    """

    approval_above: int
    daily_cap: int


def is_clear(amount: str) -> bool:
    """Tell whether an agent's words are an amount, or ask for all that is left."""
    return amount == FULL or looks_like_amount(amount)


def newest_paid(invoices: list[Invoice]) -> Invoice | None:
    """Return the invoice that a refund is about: the backend refunds the last payment."""
    paid = [one for one in invoices if one.status is InvoiceStatus.PAID and one.amount > 0]
    return max(paid, key=lambda invoice: invoice.created, default=None)


async def draft(
    connection: Connection,
    refund_id: str,
    *,
    agent_id: Snowflake,
    customer_id: Snowflake,
    amount: str,
    invoice: Invoice | None,
    reason: str,
    limits: Limits,
    now: datetime,
) -> Refund:
    """Return the refund that an agent's words mean.

    Raises:
        StaffRefused: they mean none.
    """
    if invoice is None:
        raise StaffRefused(Refusal.NO_PAID_INVOICE)
    if now - invoice.created > REFUND_WINDOW:
        raise StaffRefused(Refusal.INVOICE_TOO_OLD)
    is_full = amount == FULL
    refund = Refund(
        id=refund_id,
        state=RefundState.PROPOSED,
        customer_id=customer_id,
        agent_id=agent_id,
        is_full=is_full,
        amount_minor=0,
        currency=invoice.currency.upper(),
        invoice_id=invoice.invoice_id,
        invoice_created=invoice.created,
        invoice_minor=invoice.amount,
        refundable_minor=0,
        reason=reason,
        created_at=now,
        expires_at=now + PROPOSAL_TIME,
    )
    left = invoice.amount - await store.sum_of_invoice(connection, refund, now)
    if left <= 0:
        raise StaffRefused(Refusal.NOTHING_LEFT)
    amount_minor = left if is_full else parse_amount(amount, invoice.currency)
    if amount_minor is None:
        raise StaffRefused(Refusal.AMOUNT_UNCLEAR)
    if amount_minor > left:
        raise StaffRefused(Refusal.MORE_THAN_LEFT)
    refund = structs.replace(refund, amount_minor=amount_minor, refundable_minor=left)
    await _require_cap(connection, refund, limits, now)
    return refund


async def require_as_shown(
    connection: Connection,
    refund: Refund,
    invoice: Invoice | None,
    limits: Limits,
    now: datetime,
) -> None:
    """Raise StaffRefused unless all that a person was shown of a refund still holds.

    `invoice` is the customer's newest paid one now, which the backend would take the money from.
    """
    if await store.find_open(connection, refund.customer_id, now, besides=refund.id) is not None:
        raise StaffRefused(Refusal.ANOTHER_IS_OPEN)
    left = refund.invoice_minor - await store.sum_of_invoice(connection, refund, now)
    shown = (refund.invoice_id, refund.invoice_minor, refund.currency)
    found = invoice and (invoice.invoice_id, invoice.amount, invoice.currency.upper())
    if left != refund.refundable_minor or found != shown:
        raise StaffRefused(Refusal.OUT_OF_DATE)
    await _require_cap(connection, refund, limits, now)


async def needs_second_person(
    connection: Connection, refund: Refund, limits: Limits, now: datetime
) -> bool:
    """Tell whether a refund, with what one person alone gave of the invoice, is above the limit."""
    alone = await store.sum_of_invoice(connection, refund, now, unapproved=True)
    return alone + refund.amount_minor > limits.approval_above


async def _require_cap(
    connection: Connection, refund: Refund, limits: Limits, now: datetime
) -> None:
    lately = await store.sum_of_agent(connection, refund, now, since=now - CAP_TIME)
    if lately + refund.amount_minor > limits.daily_cap:
        raise StaffRefused(Refusal.DAILY_CAP)


def confirmed(refund: Refund, agent_id: Snowflake, now: datetime, *, needs_second: bool) -> Refund:
    """Return a proposed refund with its agent's yes. Raises StaffRefused."""
    if agent_id != refund.agent_id:
        raise StaffRefused(Refusal.NOT_YOUR_REFUND)
    _require_waiting(refund, RefundState.PROPOSED, now)
    if needs_second:
        return structs.replace(refund, state=RefundState.AWAITING, expires_at=now + APPROVAL_TIME)
    return _asked(refund, now)


def cancelled(refund: Refund, agent_id: Snowflake, now: datetime) -> Refund:
    """Return a refund that its agent took back. Raises StaffRefused."""
    if agent_id != refund.agent_id:
        raise StaffRefused(Refusal.NOT_YOUR_REFUND)
    if refund.state is not RefundState.AWAITING:
        _require_waiting(refund, RefundState.PROPOSED, now)
    return structs.replace(refund, state=RefundState.CANCELLED, finished_at=now)


def approved(refund: Refund, person_id: Snowflake, now: datetime) -> Refund:
    """Return a refund with the second person's yes. Raises StaffRefused."""
    if person_id == refund.agent_id:
        raise StaffRefused(Refusal.OWN_REFUND)
    _require_waiting(refund, RefundState.AWAITING, now)
    return _asked(structs.replace(refund, approver_id=person_id), now)


def rejected(refund: Refund, person_id: Snowflake, now: datetime) -> Refund:
    """Return a refund with the second person's no. Raises StaffRefused."""
    if person_id == refund.agent_id:
        raise StaffRefused(Refusal.OWN_REFUND)
    _require_waiting(refund, RefundState.AWAITING, now)
    return structs.replace(
        refund, state=RefundState.REJECTED, approver_id=person_id, finished_at=now
    )


def asked_again(refund: Refund, now: datetime) -> Refund:
    """Return a refund of unknown outcome, about to be asked for again. Raises StaffRefused."""
    _require_waiting(refund, RefundState.UNKNOWN, now)
    if is_key_old(refund, now):
        raise StaffRefused(Refusal.TOO_LATE_TO_ASK)
    return _asked(refund, now)


def settled(refund: Refund, state: RefundState, now: datetime) -> Refund:
    """Return a refund of unknown outcome with what a person found out. Raises StaffRefused."""
    _require_waiting(refund, RefundState.UNKNOWN, now)
    if not refund.was_asked_again and not is_key_old(refund, now):
        raise StaffRefused(Refusal.ASK_AGAIN_FIRST)
    return structs.replace(refund, state=state, finished_at=now)


def possible(refund: Refund, now: datetime) -> frozenset[StaffAction]:
    """Return what can be said to a refund now, by whoever may; nothing once it is over."""
    match refund.state:
        case RefundState.PROPOSED if not refund.has_expired(now):
            return frozenset({StaffAction.CONFIRM_REFUND, StaffAction.CANCEL_REFUND})
        case RefundState.AWAITING if not refund.has_expired(now):
            return frozenset(
                {
                    StaffAction.APPROVE_REFUND,
                    StaffAction.REJECT_REFUND,
                    StaffAction.CANCEL_REFUND,
                    StaffAction.VIEW_REFUND,
                }
            )
        case RefundState.SENDING:
            return frozenset({StaffAction.VIEW_REFUND})
        case RefundState.UNKNOWN if is_key_old(refund, now):
            return frozenset({StaffAction.SETTLE_REFUND, StaffAction.VIEW_REFUND})
        case RefundState.UNKNOWN:
            settle = {StaffAction.SETTLE_REFUND} if refund.was_asked_again else set()
            return frozenset({StaffAction.ASK_REFUND_AGAIN, StaffAction.VIEW_REFUND, *settle})
        case _:
            return frozenset()


def is_key_old(refund: Refund, now: datetime) -> bool:
    """Tell whether Stripe may have forgotten the refund's idempotency key."""
    return refund.sent_at is not None and now - refund.sent_at > KEY_TIME


def _asked(refund: Refund, now: datetime) -> Refund:
    """Return a refund that the backend is about to be asked for."""
    return structs.replace(
        refund,
        state=RefundState.SENDING,
        asks=refund.asks + 1,
        sent_at=refund.sent_at or now,
        asked_at=now,
    )


def _require_waiting(refund: Refund, state: RefundState, now: datetime) -> None:
    if refund.state is not state:
        raise StaffRefused(Refusal.ALREADY_DECIDED)
    if refund.has_expired(now):
        raise StaffRefused(Refusal.EXPIRED)
