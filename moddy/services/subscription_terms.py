"""What the backend's answer about a subscription makes of PREMIUM.

The answer names no plan, so by itself it confirms or ends premium, and begins none.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from msgspec import structs

from moddy.models import Subscription, SubscriptionInfoResponse, SubscriptionStatus
from moddy.services.premium_terms import OWING, PAID, Terms
from moddy.store.premium_audit import PremiumChange
from moddy.store.users import User

# It is over, and nothing more will come of it.
ENDED = {SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED}
DUE = OWING - ENDED - {SubscriptionStatus.INCOMPLETE}


def may_return(user: User, last: PremiumChange | None, premium_plans: Collection[str]) -> bool:
    """Tell whether an active subscription could mean that a user without premium has a right to it.

    That takes a premium plan as the newest one told of, and an end that was not the backend's
    word: after that, an active subscription is another one, to a plan that nobody told of.
    """
    return (
        user.plan in premium_plans
        and last is not None
        and (last.new_premium or last.actor != "backend")
    )


def is_the_same(subscription: Subscription, last: PremiumChange) -> bool:
    """Tell whether it is the subscription whose premium ended, rather than one begun later."""
    return last.new_premium or subscription.current_period_start <= last.at


def confirm(
    answer: SubscriptionInfoResponse,
    *,
    current: Terms,
    returns: PremiumChange | None,
    grace_until: datetime,
    now: datetime,
) -> Terms | None:
    """Return what PREMIUM is by the backend's answer; None: it says nothing about it.

    `current` is as of `now`. `returns` is the change that turned it off, where it may come back;
    `grace_until` is the end of a grace that would begin now.
    """
    subscription = answer.subscription
    is_over = subscription is None or subscription.status in ENDED
    if subscription is None:
        contradicts = answer.has_subscription
    else:
        contradicts = not (is_over or answer.has_subscription)
    if not answer.success or contradicts:
        return None
    if subscription is None or is_over:
        # What was paid for until a moment lasts until then.
        return Terms(premium=False) if current.premium and current.until is None else None
    if subscription.status in PAID:
        if current.premium or (returns is not None and is_the_same(subscription, returns)):
            return Terms(premium=True, until=_find_end(subscription, current, now))
    elif subscription.status in DUE and current.premium and current.grace_until is None:
        return structs.replace(current, grace_until=grace_until)
    return None


def _find_end(subscription: Subscription, current: Terms, now: datetime) -> datetime | None:
    if not subscription.cancel_at_period_end:
        return None
    end = subscription.current_period_end
    return end if end > now else current.until
