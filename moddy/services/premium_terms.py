"""The rules of the PREMIUM attribute: what each action makes of it, and when it ends."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct, structs

from moddy.models import NotifyAction, SubscriptionStatus
from moddy.notices import NotifyMetadata
from moddy.store.users import User

# What a subscription's status says of its payment; without one, a premium plan counts as paid.
PAID = {SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING}
OWING = {
    SubscriptionStatus.PAST_DUE,
    SubscriptionStatus.UNPAID,
    SubscriptionStatus.CANCELED,
    SubscriptionStatus.INCOMPLETE,
    SubscriptionStatus.INCOMPLETE_EXPIRED,
}


class Terms(Struct, frozen=True, kw_only=True):
    """What is kept of a user's premium.

    `until` is the end of a period after which the customer has cancelled; `grace_until` the end
    of the time that they have to pay what is past due, and known until they have paid.
    """

    premium: bool
    until: datetime | None = None
    grace_until: datetime | None = None

    @property
    def ends_at(self) -> datetime | None:
        """When premium ends, being on; None while no end is known."""
        ends = [end for end in (self.until, self.grace_until) if self.premium and end is not None]
        return min(ends, default=None)

    def at(self, now: datetime) -> Terms:
        """Return what they are as of `now`: an end has come at its moment, swept away or not."""
        if self.premium and (self.ends_at is None or self.ends_at > now):
            return self
        return Terms(premium=False, grace_until=self.grace_until)


def terms_of(user: User) -> Terms:
    """Return what is kept of a user's premium."""
    return Terms(premium=user.premium, until=user.premium_until, grace_until=user.grace_until)


def is_premium(user: User, now: datetime) -> bool:
    """Tell whether a user is premium: it ends at its moment, swept away yet or not."""
    return terms_of(user).at(now).premium


def effective_plan(action: NotifyAction, plan: str | None, metadata: NotifyMetadata) -> str | None:
    """Return the plan that the customer has after the action, None when it is not told.

    A plan change names it as `new_plan` as well; `plan` may then be either.
    """
    if action in (NotifyAction.PLAN_UPGRADED, NotifyAction.PLAN_DOWNGRADED):
        return metadata.new_plan or plan
    return plan


def decide(
    action: NotifyAction,
    *,
    plan: str | None,
    metadata: NotifyMetadata,
    current: Terms,
    premium_plans: frozenset[str],
    grace: timedelta,
    now: datetime,
) -> Terms:
    """Return what the action makes of the attribute, by the table of ``POST /internal/notify``.

    Where the action leaves premium on and the customer has cancelled at the period's end, it is
    on until then; while their payment is past due, at most until `grace` after that began. With
    no grace at all that is `now`. `plan` is the effective plan, `current` is as of `now`.
    """
    is_premium_plan = plan in premium_plans
    terms = _by_plan(
        action, is_premium_plan=is_premium_plan, metadata=metadata, current=current, now=now
    )
    return _with_grace(
        terms,
        action,
        is_premium_plan=is_premium_plan,
        status=metadata.status,
        current=current,
        grace_until=now + grace,
        now=now,
    )


def _by_plan(
    action: NotifyAction,
    *,
    is_premium_plan: bool,
    metadata: NotifyMetadata,
    current: Terms,
    now: datetime,
) -> Terms:
    end = period_end_ahead(metadata, now)
    if action is NotifyAction.SUBSCRIPTION_CANCELLED:
        if end is None:
            return Terms(premium=False)
        if is_premium_plan or current.premium:
            return structs.replace(current, premium=True, until=end)
        return current
    if is_premium_plan:
        return structs.replace(current, premium=True, until=end)
    if action is NotifyAction.PLAN_DOWNGRADED:
        return Terms(premium=False)
    return current


def _with_grace(
    terms: Terms,
    action: NotifyAction,
    *,
    is_premium_plan: bool,
    status: SubscriptionStatus | None,
    current: Terms,
    grace_until: datetime,
    now: datetime,
) -> Terms:
    """Return the terms with the grace begun, going on or over; `grace_until` is a new one's end."""
    is_cancelled = action is NotifyAction.SUBSCRIPTION_CANCELLED
    if status in PAID or (is_premium_plan and status not in OWING and not is_cancelled):
        return structs.replace(terms, grace_until=None)
    is_past_due = status is SubscriptionStatus.PAST_DUE
    begins = is_past_due and action is NotifyAction.SUBSCRIPTION_UPDATED and terms.premium
    # One that has begun is not made longer by another event about the same debt.
    until = terms.grace_until or (grace_until if begins else None)
    if until is not None and until <= now and not current.premium:
        # What ended with the grace does not come back before the payment does.
        terms = current
    return structs.replace(terms, grace_until=until)


def period_end_ahead(metadata: NotifyMetadata, now: datetime) -> datetime | None:
    """Return the period's end when the customer has cancelled at it and it lies ahead."""
    end = metadata.current_period_end
    return end if metadata.cancel_at_period_end and end is not None and end > now else None
