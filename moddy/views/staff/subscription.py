"""A customer's subscription as staff see it: with its ids, and with what Moddy knows itself."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from moddy.models import Snowflake, Subscription
from moddy.services.support import SubscriptionFile
from moddy.store.users import User
from moddy.views import facts
from moddy.views.custom_ids import custom_id
from moddy.views.facts import fact
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.staff.account import OPEN_ACCOUNT
from moddy.views.staff.deliveries import OPEN_DELIVERIES
from moddy.views.staff.invoices import OPEN_INVOICES
from moddy.views.staff.people import moment, person, shown_id
from moddy.views.subscription import marked_status, status_colour


def staff_subscription_view(
    file: SubscriptionFile, *, customer_id: Snowflake, locale: str
) -> ui.LayoutView:
    """Return how a customer's subscription stands."""
    language = language_for(locale)
    known = language.gettext("What Moddy knows")
    subscription = file.response.subscription if file.response.has_subscription else None
    return card(
        status_colour(subscription) if subscription else Colour.ENDED,
        language.gettext("Subscription of a customer"),
        fact(language.gettext("Customer:"), person(customer_id)),
        _at_the_website(subscription, language)
        if subscription
        else language.gettext("The website knows of no subscription."),
        ui.Separator(),
        f"**{known}**",
        _with_moddy(file.user, language),
        rows=row_of(*_buttons(language, customer_id)),
    )


def _at_the_website(subscription: Subscription, language: Language) -> str | None:
    period = subscription.subscription_type
    return facts.lines(
        fact(language.gettext("Status:"), marked_status(subscription, language)),
        fact(
            language.gettext("Price:"),
            facts.price(language, subscription.amount, subscription.currency, period),
        ),
        fact(language.gettext("Period began:"), facts.date(subscription.current_period_start)),
        fact(language.gettext("Period ends:"), facts.date(subscription.current_period_end)),
        fact(
            language.gettext("Ends with the period:"),
            _yes_or_no(language, value=subscription.cancel_at_period_end),
        ),
        fact(language.gettext("Customer id:"), shown_id(subscription.customer_id)),
        fact(language.gettext("Subscription id:"), shown_id(subscription.subscription_id)),
    )


def _with_moddy(user: User, language: Language) -> str | None:
    return facts.lines(
        fact(language.gettext("Plan:"), facts.plan_name(user.plan) or language.gettext("unknown")),
        fact(language.gettext("Premium:"), _yes_or_no(language, value=user.premium)),
        fact(language.gettext("Premium until:"), moment(user.premium_until)),
        fact(language.gettext("Payment grace until:"), moment(user.grace_until)),
        fact(language.gettext("Last event:"), moment(user.last_event_created)),
    )


def _yes_or_no(language: Language, *, value: bool) -> str:
    return language.gettext("yes") if value else language.gettext("no")


def _buttons(language: Language, customer_id: Snowflake) -> list[ui.Button[Any]]:
    return [
        ui.Button(
            style=discord.ButtonStyle.secondary,
            label=label,
            custom_id=custom_id(name, customer_id),
        )
        for label, name in (
            (language.gettext("Invoices"), OPEN_INVOICES),
            (language.gettext("Account"), OPEN_ACCOUNT),
            (language.gettext("Deliveries"), OPEN_DELIVERIES),
        )
    ]
