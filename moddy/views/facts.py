"""One line for each fact about a subscription; a fact that is absent has no line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from moddy.views.language import Language
from moddy.views.texts import escaped, readable

# Stripe takes at most twelve digits; source: https://docs.stripe.com/currencies
_IMPLAUSIBLE_MINOR = 10**15
_PLAN_LENGTH = 80
_KEY = re.compile(r"[^\W_]+(?:[_-][^\W_]+)*")
_KEY_BREAK = re.compile(r"[_-]")
_UNITS = {"monthly": "month", "month": "month", "yearly": "year", "year": "year"}


def fact(label: str, value: str | None) -> str | None:
    """Return a line of a label and its value."""
    return f"**{label}** {value}" if value else None


def lines(*facts: str | None) -> str | None:
    """Return the facts that are there, one to a line."""
    return "\n".join(filter(None, facts)) or None


def plan_name(plan: str | None) -> str | None:
    """Return a plan's display name: ``moddy_max`` is Moddy Max; what is no key stays as it is."""
    shown = readable(plan) if plan else None
    if shown is None:
        return None
    if _KEY.fullmatch(shown):
        shown = " ".join(word[0].upper() + word[1:] for word in _KEY_BREAK.split(shown))
    return escaped(shown, _PLAN_LENGTH)


def billing(language: Language, period: str | None) -> str | None:
    """Return how often is paid, in words."""
    words = {"month": language.gettext("every month"), "year": language.gettext("every year")}
    return words.get(_unit(period))


def price(
    language: Language, amount_minor: int | None, currency: str | None, period: str | None
) -> str | None:
    """Return an amount with the period it pays for, when that is known."""
    shown = amount(language, amount_minor, currency)
    if shown is None:
        return None
    forms = {
        "month": language.gettext("{price} per month"),
        "year": language.gettext("{price} per year"),
    }
    return forms.get(_unit(period), "{price}").format(price=shown)


def date(moment: datetime | None) -> str | None:
    """Return a date that each reader sees in their own time zone and language.

    A moment without an offset is UTC.
    Source: https://discord.com/developers/docs/reference#message-formatting
    """
    if moment is None:
        return None
    return f"<t:{int(in_utc(moment).timestamp())}:D>"


def in_utc(moment: datetime) -> datetime:
    """Return an aware moment; one without an offset is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def amount(language: Language, amount_minor: int | None, currency: str | None) -> str | None:
    """Return an amount in minor units; None without currency, or where nobody can owe as much."""
    if amount_minor is None or not currency or abs(amount_minor) >= _IMPLAUSIBLE_MINOR:
        return None
    return language.amount(amount_minor, currency)


def _unit(period: str | None) -> str:
    return _UNITS.get(period.strip().lower(), "") if period else ""
