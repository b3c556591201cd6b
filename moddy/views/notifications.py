"""Direct messages about a subscription: what happened, the facts, and what comes next."""

from __future__ import annotations

from discord import ui

from moddy.models import NotifyAction, Snowflake
from moddy.notices import AnyNotice, Notice, RefundNotice
from moddy.views import facts
from moddy.views.facts import fact
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card
from moddy.views.texts import one_line

MAX_CHANGES = 10
# In UTF-16 units. All texts of others together stay below 2900 of Discord's 4000 characters.
_MESSAGE_LENGTH = 1000
_CHANGE_LENGTH = 160


def notification_view(notice: AnyNotice) -> ui.LayoutView:
    """Return the direct message for `notice`. Whatever its texts hold, Discord accepts it."""
    language = language_for(notice.locale)
    if isinstance(notice, RefundNotice):
        return _refunded(notice, language)
    match notice.action:
        case NotifyAction.SUBSCRIPTION_CREATED:
            return _created(notice, language)
        case NotifyAction.SUBSCRIPTION_UPDATED:
            return _updated(notice, language)
        case NotifyAction.SUBSCRIPTION_CANCELLED:
            return _cancelled(notice, language)
        case NotifyAction.PLAN_UPGRADED:
            return _plan_changed(
                notice, language, Colour.PREMIUM, language.gettext("Your plan was upgraded")
            )
        case NotifyAction.PLAN_DOWNGRADED:
            return _plan_changed(
                notice, language, Colour.NEUTRAL, language.gettext("Your plan was changed")
            )


def fallback_text(user_id: Snowflake | str, locale: str) -> str:
    """Return what is said in a channel that others read: no plan, no price."""
    return (
        language_for(locale)
        .gettext("{mention} you have news about your subscription, use /subscription")
        .format(mention=f"<@{user_id}>")
    )


def _created(notice: Notice, language: Language) -> ui.LayoutView:
    return card(
        Colour.GOOD,
        language.gettext("Welcome, and thank you!"),
        language.gettext("Your subscription has started. Everything in your plan is active now."),
        facts.lines(_plan(notice, language), *_payment(notice, language)),
        footer=language.gettext("`/subscription` shows your subscription at any time."),
    )


def _updated(notice: Notice, language: Language) -> ui.LayoutView:
    message = one_line(notice.metadata.message, _MESSAGE_LENGTH)
    return card(
        Colour.NEUTRAL,
        language.gettext("Your subscription was updated"),
        f"> {message}" if message else None,
        _changes(notice, language),
        facts.lines(_plan(notice, language), *_payment(notice, language)),
        footer=language.gettext("`/subscription` shows how it stands now."),
    )


def _cancelled(notice: Notice, language: Language) -> ui.LayoutView:
    ends = facts.date(notice.ends_at)
    if ends:
        heading = language.gettext("Your subscription is ending")
        body = language.gettext(
            "It is cancelled and ends on {date}. Until then everything stays active."
        ).format(date=ends)
    else:
        heading = language.gettext("Your subscription is cancelled")
        body = language.gettext("It has ended, and the perks of your plan are no longer active.")
    cancelled_on = fact(language.gettext("Cancelled on:"), facts.date(notice.metadata.canceled_at))
    return card(
        Colour.WARNING if ends else Colour.ENDED,
        heading,
        body,
        facts.lines(_plan(notice, language), cancelled_on),
        footer=language.gettext("It will not renew. You are welcome back at any time."),
    )


def _refunded(notice: RefundNotice, language: Language) -> ui.LayoutView:
    return card(
        Colour.GOOD,
        language.gettext("You got a refund"),
        facts.lines(
            fact(
                language.gettext("Amount:"),
                facts.amount(language, notice.amount_minor, notice.currency),
            )
        ),
        language.gettext(
            "It goes back to the payment method that you paid with, usually within 5 to 10 days."
        ),
        footer=language.gettext(
            "A refund does not cancel a subscription. `/subscription` shows how yours stands."
        ),
    )


def _plan_changed(
    notice: Notice, language: Language, colour: Colour, heading: str
) -> ui.LayoutView:
    metadata = notice.metadata
    return card(
        colour,
        heading,
        _old_to_new(notice, language),
        _changes(notice, language),
        facts.lines(
            fact(language.gettext("Since:"), facts.date(metadata.upgrade_date)),
            _prorated(notice, language),
            *_payment(notice, language),
        ),
        footer=language.gettext("Your new plan applies. `/subscription` shows how it stands now."),
    )


def _old_to_new(notice: Notice, language: Language) -> str | None:
    old = facts.plan_name(notice.metadata.old_plan)
    new = facts.plan_name(notice.metadata.new_plan) or facts.plan_name(notice.plan)
    if old and new and old != new:
        return f"**{old} → {new}**"
    if new and not old:
        return fact(language.gettext("New plan:"), new)
    return fact(language.gettext("Previous plan:"), old)


def _prorated(notice: Notice, language: Language) -> str | None:
    minor = notice.metadata.prorated_amount_minor
    if minor is None:
        return None
    # Stripe writes what it owes the customer as a negative amount.
    label = language.gettext("Credit:") if minor < 0 else language.gettext("Prorated amount:")
    return fact(label, facts.amount(language, abs(minor), notice.metadata.currency))


def _plan(notice: Notice, language: Language) -> str | None:
    return fact(language.gettext("Plan:"), facts.plan_name(notice.plan))


def _payment(notice: Notice, language: Language) -> tuple[str | None, ...]:
    """Return the lines about paying: how often, how much, and when next or until when."""
    metadata = notice.metadata
    price = facts.amount(language, metadata.amount_minor, metadata.currency)
    period_end = metadata.current_period_end
    ends = notice.ends_at or (period_end if metadata.cancel_at_period_end else None)
    renews = None if ends else period_end
    return (
        fact(language.gettext("Billing:"), facts.billing(language, metadata.subscription_type)),
        fact(language.gettext("Price:"), price),
        fact(language.gettext("Next renewal:"), facts.date(renews)),
        fact(language.gettext("Ends on:"), facts.date(ends)),
    )


def _changes(notice: Notice, language: Language) -> str | None:
    """Return what changed as a list, the first ones and how many more there are."""
    cleaned = (one_line(text, _CHANGE_LENGTH) for text in notice.metadata.changes)
    shown = [line for line in cleaned if line]
    if not shown:
        return None
    heading = language.gettext("What changed:")
    more = len(shown) - MAX_CHANGES
    items = [f"- {line}" for line in shown[:MAX_CHANGES]]
    if more > 0:
        text = language.ngettext("and {count} more change", "and {count} more changes", more)
        items.append(f"- {text.format(count=more)}")
    return "\n".join([f"**{heading}**", *items])
