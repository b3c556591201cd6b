"""What customers see when they use a command."""

from __future__ import annotations

from discord import ui

from moddy.models import (
    Invoice,
    InvoicesResponse,
    InvoiceStatus,
    Subscription,
    SubscriptionInfoResponse,
    SubscriptionStatus,
)
from moddy.services.premium_gate import PremiumFeature
from moddy.views.invoices import invoices_view
from moddy.views.modules.refusals import Refusal, refusal_view
from moddy.views.premium import locked_view
from moddy.views.problems import Problem, problem_view
from moddy.views.profile import profile_view
from moddy.views.subscription import subscription_view
from tests.pictures.cast import AVATAR, NOW, WEBSITE, Cast, Layout, days

ERROR_ID = "01J9ZD4T8V"


def subscription_of(
    status: SubscriptionStatus, *, ending: bool = False, period: str = "monthly"
) -> SubscriptionInfoResponse:
    """Return what the backend tells of a subscription over 9.99 EUR."""
    return SubscriptionInfoResponse(
        success=True,
        message="Subscription found",
        has_subscription=True,
        subscription=Subscription(
            subscription_id="sub_1QkT2vLkdIwHu7ix",
            customer_id="cus_RdN4Kc8sWq1ZtE",
            status=status,
            subscription_type=period,
            current_period_start=days(-12),
            current_period_end=days(18),
            cancel_at_period_end=ending,
            amount=999,
            currency="eur",
        ),
    )


def invoices_of(count: int) -> InvoicesResponse:
    """Return invoices, one a month, the newest not paid yet and an older one void."""
    statuses = {0: InvoiceStatus.OPEN, 3: InvoiceStatus.VOID, 4: InvoiceStatus.DRAFT}
    return InvoicesResponse(
        success=True,
        message="",
        invoices=[
            Invoice(
                invoice_id=f"in_1QkT2vLkdIwHu7ix{number:02}",
                amount=(999, 999, 129_900, 450)[number % 4],
                currency="eur" if number % 4 else "usd",
                status=statuses.get(number, InvoiceStatus.PAID),
                created=days(-1 - 9 * number),
                invoice_pdf=None if number == 2 else f"https://pay.example.com/{number}/pdf",
            )
            for number in range(count)
        ],
    )


def subscription(
    status: SubscriptionStatus, *, ending: bool = False, period: str = "monthly"
) -> Layout:
    """Return the layout of a subscription that stands so."""

    def layout(cast: Cast) -> ui.LayoutView:
        return subscription_view(
            subscription_of(status, ending=ending, period=period),
            locale=cast.locale,
            owner=cast.customer,
            plan="moddy_max",
            website=WEBSITE,
        )

    return layout


def no_subscription(cast: Cast) -> ui.LayoutView:
    """Return what somebody without a subscription sees."""
    nothing = SubscriptionInfoResponse(
        success=True, message="", has_subscription=False, subscription=None
    )
    return subscription_view(nothing, locale=cast.locale, owner=cast.customer, website=WEBSITE)


def invoices(count: int, *, page: int = 1) -> Layout:
    """Return the layout of a page of so many invoices."""

    def layout(cast: Cast) -> ui.LayoutView:
        return invoices_view(
            invoices_of(count),
            locale=cast.locale,
            now=NOW,
            owner=cast.customer,
            page=page,
            website=WEBSITE,
        )

    return layout


def own_profile(cast: Cast) -> ui.LayoutView:
    """Return the profile of somebody with premium, for themselves."""
    return profile_view(
        name="Ada",
        premium=True,
        locale=cast.locale,
        premium_since=days(-400),
        premium_until=days(18),
        plan="moddy_max",
        member_since=days(-900),
        avatar=AVATAR,
    )


def other_profile(cast: Cast) -> ui.LayoutView:
    """Return the profile of somebody without premium, for others."""
    return profile_view(
        name="Noor · the one with the *very* long name that goes on until it needs a second line",
        premium=False,
        locale=cast.locale,
        member_since=days(-3),
        avatar=AVATAR,
    )


def problem(kind: Problem) -> Layout:
    """Return the layout of a problem."""

    def layout(cast: Cast) -> ui.LayoutView:
        return problem_view(
            kind,
            locale=cast.locale,
            error_id=ERROR_ID if kind.is_failure else None,
            retry_after=7 if kind is Problem.TOO_SOON else None,
        )

    return layout


def not_for_this_visitor(refusal: Refusal) -> Layout:
    """Return the layout of a refusal to configure a server."""

    def layout(cast: Cast) -> ui.LayoutView:
        return refusal_view(refusal, locale=cast.locale)

    return layout


def premium_locked(cast: Cast) -> ui.LayoutView:
    """Return what a server without premium sees of a premium command."""
    feature = PremiumFeature.WELCOME_PICTURE
    return locked_view(feature, website_url=WEBSITE, locale=cast.locale)


LAYOUTS: dict[str, Layout] = {
    **{f"subscription {one.value}": subscription(one) for one in SubscriptionStatus},
    "subscription ending": subscription(SubscriptionStatus.ACTIVE, ending=True),
    "subscription overdue and ending": subscription(SubscriptionStatus.PAST_DUE, ending=True),
    "subscription yearly": subscription(SubscriptionStatus.ACTIVE, period="yearly"),
    "subscription none": no_subscription,
    "invoices none": invoices(0),
    "invoices one page": invoices(3),
    "invoices first page": invoices(14),
    "invoices last page": invoices(14, page=3),
    "profile own": own_profile,
    "profile other": other_profile,
    **{f"problem {one.name.lower()}": problem(one) for one in Problem},
    **{f"config refused {one.name.lower()}": not_for_this_visitor(one) for one in Refusal},
    "premium locked": premium_locked,
}
