"""How a customer's subscription stands. No billing id is ever shown."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from moddy.models import Snowflake, Subscription, SubscriptionInfoResponse, SubscriptionStatus
from moddy.views import facts
from moddy.views.custom_ids import custom_id
from moddy.views.facts import fact
from moddy.views.invoices import OPEN_INVOICES
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.links import link_button

_COLOURS = {
    SubscriptionStatus.ACTIVE: Colour.GOOD,
    SubscriptionStatus.TRIALING: Colour.GOOD,
    SubscriptionStatus.PAST_DUE: Colour.WARNING,
    SubscriptionStatus.INCOMPLETE: Colour.WARNING,
    SubscriptionStatus.UNPAID: Colour.PROBLEM,
}
# The card's colour again, beside the status, for who sees no accents.
_DOTS = {Colour.GOOD: "🟢", Colour.WARNING: "🟠", Colour.PROBLEM: "🔴"}
_RUNNING = frozenset(
    {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING, SubscriptionStatus.PAST_DUE}
)


def subscription_view(
    response: SubscriptionInfoResponse,
    *,
    locale: str,
    owner: Snowflake,
    plan: str | None = None,
    website: str | None = None,
) -> ui.LayoutView:
    """Return what a customer wants to know of their subscription, or what they could have.

    `owner` is whose it is, `plan` the key of the plan as Moddy knows it, `website` where it can
    be managed.
    """
    language = language_for(locale)
    subscription = response.subscription
    if not response.has_subscription or subscription is None:
        return _offer(language, website)
    ending = _is_ending(subscription)
    period = subscription.subscription_type
    return card(
        status_colour(subscription),
        language.gettext("Your subscription"),
        facts.lines(
            fact(language.gettext("Status:"), marked_status(subscription, language)),
            fact(language.gettext("Plan:"), facts.plan_name(plan)),
            fact(
                language.gettext("Price:"),
                facts.price(language, subscription.amount, subscription.currency, period),
            ),
            _period_end(subscription, language, ending=ending),
        ),
        *_advice(subscription, language, ending=ending),
        rows=row_of(
            _invoices_button(language, owner),
            link_button(language.gettext("Manage on the website"), website),
        ),
    )


def status_colour(subscription: Subscription) -> Colour:
    """Return the colour of how a subscription stands."""
    if _is_ending(subscription):
        return Colour.WARNING
    return _COLOURS.get(subscription.status, Colour.ENDED)


def marked_status(subscription: Subscription, language: Language) -> str:
    """Return how a subscription stands: a dot in its colour, and words."""
    dot = _DOTS.get(status_colour(subscription), "⚪")
    return f"{dot} {_status(subscription.status, language)}"


def _is_ending(subscription: Subscription) -> bool:
    return subscription.cancel_at_period_end and subscription.status in _RUNNING


def _offer(language: Language, website: str | None) -> ui.LayoutView:
    """Return what Moddy Max gives and where to get it."""
    heading = language.gettext("What Moddy Max gives you:")
    gains = (
        language.gettext("the premium role in our server, and the badge on your profile"),
        language.gettext("the premium features of Moddy in your servers"),
    )
    return card(
        Colour.ENDED,
        language.gettext("Your subscription"),
        language.gettext("You have no subscription at the moment."),
        "\n".join([f"**{heading}**", *map("- {}".format, gains)]),
        footer=language.gettext(
            "Just bought one? It can take a minute to show here. If it does not, sign in on our "
            "website with this Discord account."
        ),
        rows=row_of(link_button(language.gettext("Get Moddy Max on the website"), website)),
    )


def _invoices_button(language: Language, owner: Snowflake) -> ui.Button[Any]:
    return ui.Button(
        style=discord.ButtonStyle.primary,
        label=language.gettext("Invoices"),
        custom_id=custom_id(OPEN_INVOICES, owner),
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


def _advice(subscription: Subscription, language: Language, *, ending: bool) -> list[str]:
    """Return what to do and what to expect, where there is something."""
    again = language.gettext("You can subscribe again on our website.")
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
        SubscriptionStatus.INCOMPLETE_EXPIRED: " ".join(
            (language.gettext("The first payment was not completed in time."), again)
        ),
        SubscriptionStatus.CANCELED: again,
    }.get(subscription.status)
    if ending:
        scheduled = language.gettext(
            "Your cancellation is scheduled: it will not renew. Until then everything stays active."
        )
        return [*([advice] if advice else []), scheduled]
    if subscription.status is SubscriptionStatus.TRIALING:
        return [language.gettext("The first payment is taken when the trial ends.")]
    return [advice] if advice else []
