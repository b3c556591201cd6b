"""How a customer's subscription stands. No billing id is ever shown."""

from __future__ import annotations

from discord import ui

from moddy.models import Subscription, SubscriptionInfoResponse, SubscriptionStatus
from moddy.views import facts
from moddy.views.facts import fact
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card

_COLOURS = {
    SubscriptionStatus.ACTIVE: Colour.GOOD,
    SubscriptionStatus.TRIALING: Colour.GOOD,
    SubscriptionStatus.PAST_DUE: Colour.WARNING,
    SubscriptionStatus.INCOMPLETE: Colour.WARNING,
    SubscriptionStatus.UNPAID: Colour.PROBLEM,
}
_RUNNING = frozenset(
    {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE}
)


def subscription_view(response: SubscriptionInfoResponse, *, locale: str) -> ui.LayoutView:
    """Return what a customer wants to know of their subscription, or that there is none."""
    language = language_for(locale)
    heading = language.gettext("Your subscription")
    subscription = response.subscription
    if not response.has_subscription or subscription is None:
        none = language.gettext("You have no subscription at the moment.")
        hint = language.gettext("Just bought one? It can take a minute to show here.")
        return card(Colour.ENDED, heading, none, footer=hint)
    ending = subscription.cancel_at_period_end and subscription.status in _RUNNING
    return card(
        Colour.WARNING if ending else _COLOURS.get(subscription.status, Colour.ENDED),
        heading,
        facts.lines(
            fact(language.gettext("Status:"), _status(subscription.status, language)),
            fact(
                language.gettext("Price:"),
                facts.price(
                    language,
                    subscription.amount,
                    subscription.currency,
                    subscription.subscription_type,
                ),
            ),
            _period_end(subscription, language, ending=ending),
        ),
        _advice(subscription, language, ending=ending),
        footer=language.gettext("`/invoices` shows your invoices."),
    )


def _status(status: SubscriptionStatus, language: Language) -> str:
    words = {
        SubscriptionStatus.ACTIVE: language.gettext("active"),
        SubscriptionStatus.TRIALING: language.gettext("in its trial period"),
        SubscriptionStatus.PAST_DUE: language.gettext("payment overdue"),
        SubscriptionStatus.UNPAID: language.gettext("unpaid"),
        SubscriptionStatus.INCOMPLETE: language.gettext("waiting for the first payment"),
        SubscriptionStatus.INCOMPLETE_EXPIRED: language.gettext("never started"),
        SubscriptionStatus.CANCELED: language.gettext("cancelled"),
    }
    return words.get(status) or language.gettext("not known at the moment")


def _period_end(subscription: Subscription, language: Language, *, ending: bool) -> str | None:
    if subscription.status not in _RUNNING:
        return None
    end = facts.date(subscription.current_period_end)
    if ending:
        return fact(language.gettext("Ends on:"), end)
    if subscription.status is SubscriptionStatus.TRIALING:
        return fact(language.gettext("Trial ends on:"), end)
    return fact(language.gettext("Next renewal:"), end)


def _advice(subscription: Subscription, language: Language, *, ending: bool) -> str | None:
    """Return what to do or to expect, where there is something."""
    advice = {
        SubscriptionStatus.PAST_DUE: language.gettext(
            "Your last payment did not go through. Please check your payment method on our "
            "website, so that your plan stays active."
        ),
        SubscriptionStatus.UNPAID: language.gettext(
            "Several payments did not go through. Please pay the open invoice on our website to "
            "get your plan back."
        ),
        SubscriptionStatus.INCOMPLETE: language.gettext(
            "Please complete your first payment on our website to start your plan."
        ),
        SubscriptionStatus.INCOMPLETE_EXPIRED: language.gettext(
            "The first payment was not completed in time. You can subscribe again on our website."
        ),
    }.get(subscription.status)
    if advice is None and ending:
        return language.gettext("It will not renew. Until then everything stays active.")
    if advice is None and subscription.status is SubscriptionStatus.TRIALING:
        return language.gettext("The first payment is taken when the trial ends.")
    return advice
