"""What customers are told in direct messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from discord import ui

from moddy.models import NotifyAction
from moddy.notices import Notice, NotifyMetadata, RefundNotice
from moddy.views.notifications import notification_view
from tests.pictures.cast import Cast, Layout, days

FACTS: dict[str, Any] = {
    "subscription_type": "monthly",
    "amount": 999,
    "currency": "eur",
    "current_period_end": days(18).isoformat(),
}
CHANGED: dict[str, Any] = {
    "message": "Thank you for telling us how you would like to pay.",
    "changes": ["Billed yearly instead of monthly", "Seats: 5"],
    "subscription_type": "yearly",
    "amount": 9990,
}
UPGRADED: dict[str, Any] = {
    "old_plan": "moddy_plus",
    "new_plan": "moddy_max",
    "upgrade_date": days(0).isoformat(),
    "prorated_amount": 289,
}
CREDITED: dict[str, Any] = UPGRADED | {
    "old_plan": "moddy_max",
    "new_plan": "moddy_plus",
    "prorated_amount": -289,
}
CANCELLED: dict[str, Any] = {"canceled_at": int(days(0).timestamp())}
# As much as the backend may send.
LONGEST: dict[str, Any] = {
    "message": "Your subscription was changed. " * 40,
    "changes": [f"Change number {number}: " + "from this to that " * 9 for number in range(10)],
}


def notice(action: NotifyAction, *, ends_at: datetime | None = None, **metadata: Any) -> Layout:
    """Return the layout of the message about an action."""

    def layout(cast: Cast) -> ui.LayoutView:
        return notification_view(
            Notice(
                action=action,
                locale=cast.locale,
                plan="moddy_max",
                ends_at=ends_at,
                metadata=NotifyMetadata.read(FACTS | metadata),
            )
        )

    return layout


def refunded(cast: Cast) -> ui.LayoutView:
    """Return the message to a customer who got money back."""
    return notification_view(RefundNotice(locale=cast.locale, amount_minor=2_050, currency="EUR"))


LAYOUTS: dict[str, Layout] = {
    "dm subscribed": notice(NotifyAction.SUBSCRIPTION_CREATED),
    "dm updated": notice(NotifyAction.SUBSCRIPTION_UPDATED, **CHANGED),
    "dm updated, longest": notice(NotifyAction.SUBSCRIPTION_UPDATED, **LONGEST),
    "dm cancelled": notice(NotifyAction.SUBSCRIPTION_CANCELLED, **CANCELLED),
    "dm ending": notice(
        NotifyAction.SUBSCRIPTION_CANCELLED,
        ends_at=days(18),
        cancel_at_period_end=True,
        **CANCELLED,
    ),
    "dm upgraded": notice(NotifyAction.PLAN_UPGRADED, **UPGRADED),
    "dm downgraded": notice(NotifyAction.PLAN_DOWNGRADED, **CREDITED),
    "dm refunded": refunded,
}
