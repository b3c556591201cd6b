"""Why staff may not do something, in a sentence that says what to do instead."""

from __future__ import annotations

from discord import ui

from moddy.staff import Refusal
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card


def refusal_view(refusal: Refusal, *, locale: str) -> ui.LayoutView:
    """Return why something was not done; nothing has changed."""
    language = language_for(locale)
    return card(
        Colour.WARNING,
        language.gettext("Not done"),
        (_about_staff(language) | _about_refunds(language))[refusal],
        footer=language.gettext(
            "A reason may follow; it begins with a word, not with a number or a currency."
        )
        if refusal is Refusal.AMOUNT_UNCLEAR
        else None,
    )


def _about_staff(language: Language) -> dict[Refusal, str]:
    return {
        Refusal.NOT_STAFF: language.gettext("This is for Moddy's support team only."),
        Refusal.NEEDS_VIEW: language.gettext(
            "You need the permission `subscription_view` for this. A Manager can give it to you."
        ),
        Refusal.NEEDS_MANAGE: language.gettext(
            "You need the permission `subscription_manage` for this. A Manager can give it to you."
        ),
        Refusal.NEEDS_SUPERVISOR: language.gettext("This is for Supervisors and Managers."),
        Refusal.NEEDS_MANAGER: language.gettext("This is for Managers."),
        Refusal.PUBLIC_CHANNEL: language.gettext(
            "Everybody can read this channel, so nothing about a customer is shown here. Ask in "
            "a staff channel or in a direct message to me, or use `/admin`: only you see its "
            "answers."
        ),
        Refusal.ONESELF: language.gettext(
            "Nobody changes their own place on the staff. Ask a Manager."
        ),
        Refusal.RANK_TOO_HIGH: language.gettext(
            "You can only change people, and give roles, that stand below your own role."
        ),
        Refusal.PERMISSION_NOT_HELD: language.gettext(
            "You can only give permissions that you have yourself."
        ),
        Refusal.NO_SUCH_MEMBER: language.gettext(
            "They are not on the staff. `/admin staff list` shows who is."
        ),
        Refusal.GONE: language.gettext("That is no longer there. Use the command again."),
    }


def _about_refunds(language: Language) -> dict[Refusal, str]:
    return {
        Refusal.AMOUNT_UNCLEAR: _two_ways(language),
        Refusal.NO_PAID_INVOICE: language.gettext("This customer has no paid invoice to refund."),
        Refusal.INVOICE_TOO_OLD: language.gettext(
            "The last paid invoice is more than 180 days old: Stripe refunds no older payments."
        ),
        Refusal.NOTHING_LEFT: language.gettext(
            "The last paid invoice is refunded in full already."
        ),
        Refusal.MORE_THAN_LEFT: language.gettext(
            "That is more than is left to refund of the last paid invoice. The customer's "
            "invoices show what was paid."
        ),
        Refusal.OWN_MONEY: language.gettext(
            "Nobody refunds themselves. Ask somebody else on the staff."
        ),
        Refusal.OWN_REFUND: language.gettext(
            "Nobody approves or rejects their own refund. Somebody else with the permission "
            "`subscription_manage` has to decide."
        ),
        Refusal.NOT_YOUR_REFUND: language.gettext(
            "Only the person who proposed this refund can do that."
        ),
        Refusal.DAILY_CAP: language.gettext(
            "That would go over what one person may refund within 24 hours. Ask somebody else on "
            "the staff, or try again tomorrow."
        ),
        Refusal.ANOTHER_IS_OPEN: language.gettext(
            "Another refund for this customer is still open. Settle that one first; using the "
            "command again shows it."
        ),
        Refusal.OUT_OF_DATE: language.gettext(
            "What can be refunded has changed since this was proposed. Use the command again."
        ),
        Refusal.AGENT_MAY_NOT: language.gettext(
            "Who proposed this refund may no longer refund. Reject it; somebody else can propose "
            "it anew."
        ),
        Refusal.ASK_AGAIN_FIRST: language.gettext(
            "Ask again first: the answer may tell what became of it."
        ),
        Refusal.TOO_LATE_TO_ASK: language.gettext(
            "It is too late to ask again: asked now, Stripe might pay twice. Look it up at "
            "Stripe, then settle it by hand."
        ),
        Refusal.EXPIRED: language.gettext(
            "That took too long, and the refund has expired. Use the command again."
        ),
        Refusal.ALREADY_DECIDED: language.gettext("That was already decided."),
    }


def _two_ways(language: Language) -> str:
    """Return the two ways to write what is to be refunded. Nothing else is ever guessed at."""
    return "\n".join(
        (
            language.gettext("It is not clear how much to refund. There are two ways to write it:"),
            "- " + language.gettext("an amount in the invoice's currency, such as `20` or `20.00`"),
            "- " + language.gettext("the word `full`, for all that is left to refund"),
        )
    )
