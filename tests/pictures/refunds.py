"""A refund as staff see it, in each of its states, and what staff may not do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from discord import ui

from moddy.services.refund_rules import KEY_TIME, possible
from moddy.staff import Refusal
from moddy.store.refunds import Refund, RefundState
from moddy.views.staff.refusals import refusal_view
from moddy.views.staff_refunds import refund_view
from tests.pictures.cast import NOW, Cast, Layout, days

MINUTE = timedelta(minutes=1)
SENT = {RefundState.SENDING, RefundState.REFUNDED, RefundState.FAILED, RefundState.UNKNOWN}


def refund(
    state: RefundState,
    at: datetime = NOW,
    *,
    is_in_the_way: bool = False,
    is_approved: bool = False,
    **changes: Any,
) -> Layout:
    """Return the layout of a refund that stands so, looked at `at`."""

    def layout(cast: Cast) -> ui.LayoutView:
        values: dict[str, Any] = {
            "id": "3f" * 12,
            "state": state,
            "customer_id": cast.customer,
            "agent_id": cast.agent,
            "is_full": False,
            "amount_minor": 2_000,
            "currency": "EUR",
            "invoice_id": "in_1QkT2vLkdIwHu7ixVd0ArYbn",
            "invoice_created": days(-12),
            "invoice_minor": 9_990,
            "refundable_minor": 9_990,
            "reason": "charged twice",
            "created_at": NOW,
            "expires_at": NOW + 5 * MINUTE,
            "asks": 0,
        }
        if state in SENT:
            values |= {"asks": 1, "sent_at": NOW + MINUTE, "asked_at": NOW + MINUTE}
        if is_approved:
            values["approver_id"] = cast.supervisor
        made = Refund(**values | changes)
        return refund_view(
            made, possible(made, at), locale=cast.locale, is_in_the_way=is_in_the_way
        )

    return layout


def refusal(kind: Refusal) -> Layout:
    """Return the layout of a refusal."""

    def layout(cast: Cast) -> ui.LayoutView:
        return refusal_view(kind, locale=cast.locale)

    return layout


REFUNDED: dict[str, Any] = {
    "refunded_minor": 2_000,
    "stripe_refund_id": "re_3QkT2vLkdIwHu7ix1f8cQwMa",
}
LONGEST = "the customer wrote that the payment was taken twice on the same day, " * 7

LAYOUTS: dict[str, Layout] = {
    "refund proposed": refund(RefundState.PROPOSED),
    "refund proposed, full": refund(RefundState.PROPOSED, is_full=True, amount_minor=9_990),
    "refund proposed, long reason": refund(RefundState.PROPOSED, reason=LONGEST),
    "refund not confirmed": refund(RefundState.PROPOSED, NOW + 6 * MINUTE),
    "refund awaiting": refund(RefundState.AWAITING),
    "refund awaiting, in the way": refund(RefundState.AWAITING, is_in_the_way=True),
    "refund not approved": refund(RefundState.AWAITING, NOW + 10 * KEY_TIME),
    "refund sending": refund(RefundState.SENDING),
    "refund refunded": refund(RefundState.REFUNDED, is_approved=True, **REFUNDED),
    "refund failed": refund(RefundState.FAILED, error="Stripe error: Charge already refunded"),
    "refund unknown": refund(RefundState.UNKNOWN, error="no answer within 30 s"),
    "refund unknown for long": refund(RefundState.UNKNOWN, NOW + 2 * KEY_TIME),
    "refund cancelled": refund(RefundState.CANCELLED),
    "refund rejected": refund(RefundState.REJECTED, is_approved=True),
    **{f"refused {one.value}": refusal(one) for one in Refusal},
}
