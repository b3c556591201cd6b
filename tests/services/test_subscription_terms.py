"""What the backend's answer makes of PREMIUM: it confirms, dates and ends; it never begins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec import structs

from moddy.models import Snowflake, SubscriptionInfoResponse, SubscriptionStatus
from moddy.services.premium_terms import Terms
from moddy.services.subscription_terms import confirm, may_return
from moddy.store.premium_audit import PremiumChange
from moddy.store.users import User
from tests.fakes import START
from tests.services.watch import GRACE, NONE, subscription

Status = SubscriptionStatus

ON, OFF = Terms(premium=True), Terms(premium=False)
END = START + timedelta(days=20)
AHEAD = Terms(premium=True, until=START + timedelta(days=3))
OWING = Terms(premium=True, grace_until=START + timedelta(days=3))
IN_GRACE = Terms(premium=True, grace_until=START + GRACE)
UNKNOWN = structs.replace(NONE, success=False)


def change(*, premium: bool = False, actor: str = "moddy", days: float = 0) -> PremiumChange:
    return PremiumChange(
        discord_id=Snowflake("1"),
        actor=actor,
        old_premium=not premium,
        old_until=None,
        new_premium=premium,
        new_until=None,
        reason="x",
        request_id=None,
        at=START - timedelta(days=days),
    )


@pytest.mark.parametrize(
    ("answer", "current", "expected"),
    [
        (NONE, ON, OFF),
        (NONE, OWING, OFF),
        (NONE, AHEAD, None),
        (NONE, OFF, None),
        (subscription(Status.CANCELED), ON, OFF),
        (subscription(Status.CANCELED), AHEAD, None),
        (structs.replace(subscription(Status.CANCELED), has_subscription=False), ON, OFF),
        (subscription(Status.INCOMPLETE_EXPIRED), ON, OFF),
        (subscription(), ON, ON),
        (subscription(Status.TRIALING), ON, ON),
        (subscription(), OWING, ON),
        (subscription(), AHEAD, ON),
        (subscription(cancelled=True), ON, Terms(premium=True, until=END)),
        (subscription(cancelled=True), AHEAD, Terms(premium=True, until=END)),
        (subscription(cancelled=True, days=-1), AHEAD, AHEAD),
        (subscription(), OFF, None),
        (subscription(Status.PAST_DUE), ON, IN_GRACE),
        (subscription(Status.PAST_DUE), OWING, None),
        (subscription(Status.PAST_DUE), OFF, None),
        (subscription(Status.UNPAID), ON, IN_GRACE),
        (subscription(Status.UNPAID), OWING, None),
        # What says nothing, or contradicts itself.
        (subscription(Status.UNKNOWN), ON, None),
        (subscription(Status.INCOMPLETE), ON, None),
        (UNKNOWN, ON, None),
        (structs.replace(subscription(), success=False), OFF, None),
        (structs.replace(NONE, has_subscription=True), ON, None),
        (structs.replace(subscription(), has_subscription=False), ON, None),
    ],
)
def test_confirm(answer: SubscriptionInfoResponse, current: Terms, expected: Terms | None) -> None:
    found = confirm(answer, current=current, returns=None, grace_until=START + GRACE, now=START)
    assert found == expected


@pytest.mark.parametrize(
    ("last", "answer", "expected"),
    [
        (change(premium=True), subscription(), ON),
        (change(days=1), subscription(), ON),
        (change(days=1), subscription(cancelled=True), Terms(premium=True, until=END)),
        # That period began after the end: another subscription, to a plan that nobody told of.
        (change(days=11), subscription(), None),
        (change(days=1), subscription(Status.PAST_DUE), None),
        (change(days=1), subscription(Status.UNKNOWN), None),
        (change(days=1), NONE, None),
    ],
)
def test_return(
    last: PremiumChange, answer: SubscriptionInfoResponse, expected: Terms | None
) -> None:
    found = confirm(answer, current=OFF, returns=last, grace_until=START + GRACE, now=START)
    assert found == expected


@pytest.mark.parametrize(
    ("plan", "last", "expected"),
    [
        ("moddy_max", change(), True),
        ("moddy_max", change(actor="reconciliation"), True),
        ("moddy_max", change(premium=True, actor="backend"), True),
        # The backend said that it is over.
        ("moddy_max", change(actor="backend"), False),
        ("moddy_mini", change(), False),
        (None, change(premium=True), False),
        ("moddy_max", None, False),
    ],
)
def test_who_may_return(plan: str | None, last: PremiumChange | None, expected: bool) -> None:
    user = User(discord_id=Snowflake("1"), plan=plan)
    assert may_return(user, last, {"moddy_max"}) is expected
