"""A refund as staff see it, from the proposal to its end, with the buttons that it has then."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import discord
from discord import ButtonStyle, ui

from moddy.staff import StaffAction
from moddy.store.refunds import Refund, RefundState
from moddy.views import facts
from moddy.views.custom_ids import custom_id
from moddy.views.facts import fact
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.staff.people import ago, moment, person, shown_id
from moddy.views.texts import one_line

# The names of presses; each custom id has the refund's id after it.
CONFIRM = "refund_confirm"
CANCEL = "refund_cancel"
APPROVE = "refund_approve"
REJECT = "refund_reject"
ASK_AGAIN = "refund_ask_again"
WAS_REFUNDED = "refund_was_done"
WAS_NOT_REFUNDED = "refund_was_not_done"
LOOK = "refund_look"

# In UTF-16 units.
_REASON_LENGTH = 500
_WORDS_LENGTH = 500

_COLOURS = {
    RefundState.PROPOSED: Colour.NEUTRAL,
    RefundState.AWAITING: Colour.WARNING,
    RefundState.SENDING: Colour.NEUTRAL,
    RefundState.REFUNDED: Colour.GOOD,
    RefundState.FAILED: Colour.PROBLEM,
    RefundState.UNKNOWN: Colour.WARNING,
    RefundState.CANCELLED: Colour.ENDED,
    RefundState.REJECTED: Colour.ENDED,
}
_WAITING = (RefundState.PROPOSED, RefundState.AWAITING)


def refund_view(
    refund: Refund,
    possible: Collection[StaffAction],
    *,
    locale: str,
    is_in_the_way: bool = False,
) -> ui.LayoutView:
    """Return how a refund stands, with buttons for what is `possible`.

    One that waits for a yes, and to which none is possible, has expired. `is_in_the_way`: it is
    shown instead of a new one.
    """
    language = language_for(locale)
    expired = refund.state in _WAITING and not possible
    return card(
        Colour.ENDED if expired else _COLOURS[refund.state],
        _expired_heading(refund, language) if expired else _heading(refund, language),
        _in_the_way(language) if is_in_the_way else None,
        _facts(refund, language),
        _expired_advice(language) if expired else _advice(refund, possible, language),
        footer=_reminder(language) if refund.state is RefundState.REFUNDED else None,
        rows=row_of(*_buttons(refund, possible, language)),
    )


def _facts(refund: Refund, language: Language) -> str | None:
    amount, currency = facts.amount, refund.currency
    asked = amount(language, refund.amount_minor, currency)
    if refund.is_full and asked:
        asked = language.gettext("{amount}, all that is left").format(amount=asked)
    invoice = (
        shown_id(refund.invoice_id),
        facts.date(refund.invoice_created),
        amount(language, refund.invoice_minor, currency),
    )
    given = amount(language, refund.given_minor, currency)
    is_refunded = refund.state is RefundState.REFUNDED
    decided = (
        language.gettext("Rejected by:")
        if refund.state is RefundState.REJECTED
        else language.gettext("Approved by:")
    )
    return facts.lines(
        fact(language.gettext("Customer:"), person(refund.customer_id)),
        fact(language.gettext("Amount:"), asked),
        fact(language.gettext("Given back:"), given if is_refunded else None),
        fact(language.gettext("Invoice:"), " · ".join(filter(None, invoice))),
        fact(
            language.gettext("Left to refund before this:"),
            amount(language, refund.refundable_minor, currency),
        ),
        fact(language.gettext("Reason:"), one_line(refund.reason, _REASON_LENGTH)),
        fact(language.gettext("Proposed by:"), person(refund.agent_id)),
        fact(decided, person(refund.approver_id) if refund.approver_id else None),
        fact(language.gettext("Asked for:"), moment(refund.sent_at)),
        fact(language.gettext("Refund at Stripe:"), shown_id(refund.stripe_refund_id)),
        fact(language.gettext("The website says:"), one_line(refund.error, _WORDS_LENGTH)),
    )


def _heading(refund: Refund, language: Language) -> str:
    return {
        RefundState.PROPOSED: language.gettext("Refund this?"),
        RefundState.AWAITING: language.gettext("Waiting for a second person"),
        RefundState.SENDING: language.gettext("The refund is being asked for"),
        RefundState.REFUNDED: language.gettext("Refunded"),
        RefundState.FAILED: language.gettext("Not refunded"),
        RefundState.UNKNOWN: language.gettext("It may have been refunded"),
        RefundState.CANCELLED: language.gettext("The refund was taken back"),
        RefundState.REJECTED: language.gettext("The refund was rejected"),
    }[refund.state]


def _expired_heading(refund: Refund, language: Language) -> str:
    if refund.state is RefundState.AWAITING:
        return language.gettext("Nobody approved it in time")
    return language.gettext("Not confirmed in time")


def _expired_advice(language: Language) -> str:
    return language.gettext("Nothing was refunded. Use the command again to propose it anew.")


def _in_the_way(language: Language) -> str:
    return language.gettext(
        "**This refund was there before.** It has to be settled before another one for this "
        "customer; nothing new was proposed."
    )


def _reminder(language: Language) -> str:
    return language.gettext(
        "A refund does not cancel the subscription: that is done on the website."
    )


def _advice(refund: Refund, possible: Collection[StaffAction], language: Language) -> str | None:
    if refund.state is RefundState.UNKNOWN:
        return "\n".join(_ways_out(refund, possible, language))
    advice = {
        RefundState.PROPOSED: language.gettext(
            "Nothing has been refunded yet. This can be confirmed for a few minutes and expires "
            "{when}."
        ),
        RefundState.AWAITING: language.gettext(
            "Nothing has been refunded yet. Somebody else with the permission "
            "`subscription_manage` has to approve it, here or with the refund command for this "
            "customer, which shows it. It expires {when}."
        ),
        RefundState.SENDING: language.gettext(
            "This takes some seconds. If it still stands here after a minute, press the button."
        ),
        RefundState.REFUNDED: language.gettext("Moddy tells the customer in a direct message."),
        RefundState.FAILED: language.gettext(
            "No money was given back. If that can be mended, use the command again."
        ),
        RefundState.CANCELLED: language.gettext("Nothing was refunded."),
        RefundState.REJECTED: language.gettext("Nothing was refunded."),
    }[refund.state]
    return advice.format(when=ago(refund.expires_at))


def _ways_out(refund: Refund, possible: Collection[StaffAction], language: Language) -> list[str]:
    """Return how to find out what became of a refund, and what to press then."""
    told = [
        language.gettext(
            "The website did not say whether it was done. Until that is settled, nothing else is "
            "refunded to this customer."
        )
    ]
    if StaffAction.ASK_REFUND_AGAIN in possible:
        told.append(
            language.gettext(
                "**Ask again** repeats the same request with the same key: even if the first one "
                "was done, the money is given back once."
            )
        )
    if StaffAction.SETTLE_REFUND in possible:
        told.append(
            language.gettext(
                "To settle it by hand, open the payment of the invoice at Stripe: a refund of "
                "{amount} stands there, or it does not. Press what you saw; the customer is told "
                "only if it was refunded."
            ).format(amount=facts.amount(language, refund.amount_minor, refund.currency))
        )
    return told


def _buttons(
    refund: Refund, possible: Collection[StaffAction], language: Language
) -> list[ui.Button[Any]]:
    action, style = StaffAction, discord.ButtonStyle
    buttons: tuple[tuple[StaffAction, str, str, ButtonStyle], ...] = (
        (action.CONFIRM_REFUND, CONFIRM, language.gettext("Confirm"), style.success),
        (action.APPROVE_REFUND, APPROVE, language.gettext("Approve"), style.success),
        (action.REJECT_REFUND, REJECT, language.gettext("Reject"), style.danger),
        (action.CANCEL_REFUND, CANCEL, language.gettext("Cancel"), style.secondary),
        (action.ASK_REFUND_AGAIN, ASK_AGAIN, language.gettext("Ask again"), style.primary),
        (
            action.SETTLE_REFUND,
            WAS_REFUNDED,
            language.gettext("Stripe says: refunded"),
            style.success,
        ),
        (
            action.SETTLE_REFUND,
            WAS_NOT_REFUNDED,
            language.gettext("Stripe says: not refunded"),
            style.danger,
        ),
        (action.VIEW_REFUND, LOOK, language.gettext("Show how it stands"), style.secondary),
    )
    return [
        ui.Button(label=label, style=its_style, custom_id=custom_id(name, refund.id))
        for act, name, label, its_style in buttons
        if act in possible
    ]
