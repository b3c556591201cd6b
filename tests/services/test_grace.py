"""The grace for a payment past due: one for each debt, and it ends with premium or the payment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moddy.models import NotifyAction, SubscriptionStatus
from moddy.notices import NotifyMetadata
from moddy.services.premium_terms import Terms, decide
from tests.fakes import START

NOW = START
DAY = timedelta(days=1)
GRACE = 7 * DAY
MAX, MINI = "moddy_max", "moddy_mini"
UPDATED = NotifyAction.SUBSCRIPTION_UPDATED
CANCELLED = NotifyAction.SUBSCRIPTION_CANCELLED
ON = Terms(premium=True)
OFF = Terms(premium=False)
IN_GRACE = Terms(premium=True, grace_until=NOW + GRACE)
USED_UP = Terms(premium=False, grace_until=NOW - DAY)
PAST_DUE = NotifyMetadata(status=SubscriptionStatus.PAST_DUE)
ACTIVE = NotifyMetadata(status=SubscriptionStatus.ACTIVE)
UNPAID = NotifyMetadata(status=SubscriptionStatus.UNPAID)
CANCELED = NotifyMetadata(status=SubscriptionStatus.CANCELED)
UNTOLD = NotifyMetadata()


def after(
    current: Terms,
    plan: str | None,
    metadata: NotifyMetadata,
    action: NotifyAction = UPDATED,
    *,
    days: float = 0,
    grace: timedelta = GRACE,
) -> Terms:
    """What an event makes of the terms, some days after NOW."""
    now = NOW + days * DAY
    return decide(
        action,
        plan=plan,
        metadata=metadata,
        current=current.at(now),
        premium_plans=frozenset({MAX}),
        grace=grace,
        now=now,
    )


@pytest.mark.parametrize(
    ("current", "plan", "expected"),
    [
        (ON, MAX, IN_GRACE),
        (ON, MINI, IN_GRACE),
        (ON, None, IN_GRACE),
        (OFF, MAX, IN_GRACE),
        (OFF, MINI, OFF),
        (OFF, None, OFF),
        (USED_UP, MAX, USED_UP),
        (USED_UP, None, USED_UP),
    ],
)
def test_past_due(current: Terms, plan: str | None, expected: Terms) -> None:
    assert after(current, plan, PAST_DUE) == expected


@pytest.mark.parametrize("action", [one for one in NotifyAction if one is not UPDATED])
def test_begins_with_an_update_only(action: NotifyAction) -> None:
    assert after(ON, MAX, PAST_DUE, action).grace_until is None


def test_another_event_about_the_same_debt_does_not_make_it_longer() -> None:
    terms = ON
    for days in range(12):
        terms = after(terms, MAX, PAST_DUE, days=days)
        assert terms.grace_until == NOW + GRACE
        assert terms.at(NOW + days * DAY).premium is (days < 7)


@pytest.mark.parametrize(
    ("plan", "metadata", "is_settled"),
    [
        (MAX, ACTIVE, True),
        (None, ACTIVE, True),
        (MINI, ACTIVE, True),
        (MAX, UNTOLD, True),
        (None, UNTOLD, False),
        (MINI, UNTOLD, False),
        (MAX, UNPAID, False),
        (MAX, CANCELED, False),
        (None, UNPAID, False),
        (MAX, NotifyMetadata(status=SubscriptionStatus.TRIALING), True),
        (MAX, NotifyMetadata(status=SubscriptionStatus.UNKNOWN), True),
        (None, NotifyMetadata(status=SubscriptionStatus.UNKNOWN), False),
    ],
)
def test_is_over_with_the_payment(
    plan: str | None, metadata: NotifyMetadata, is_settled: bool
) -> None:
    assert after(IN_GRACE, plan, metadata) == (ON if is_settled else IN_GRACE)


def test_payment_after_the_end() -> None:
    assert after(USED_UP, MAX, ACTIVE) == ON
    # Without a plan nothing turns premium on; the debt is settled all the same.
    assert after(USED_UP, None, ACTIVE) == OFF


def test_a_new_debt_has_a_new_grace() -> None:
    paid = after(USED_UP, MAX, ACTIVE, days=3)
    assert after(paid, MAX, PAST_DUE, days=30).grace_until == NOW + 37 * DAY


def test_unpaid_follows_the_plan_when_there_was_no_grace() -> None:
    for metadata in (UNPAID, CANCELED):
        assert after(OFF, MAX, metadata) == ON
        assert after(ON, None, metadata) == ON
        assert after(OFF, MINI, metadata) == OFF


def test_unpaid_after_the_grace_brings_nothing_back() -> None:
    assert after(USED_UP, MAX, UNPAID) == USED_UP


def test_the_earlier_end_counts_and_the_other_comes_back_with_the_payment() -> None:
    end = NOW + 20 * DAY
    ending = NotifyMetadata(cancel_at_period_end=True, current_period_end=end)
    both = after(IN_GRACE, None, ending, CANCELLED)
    assert (both.premium, both.ends_at) == (True, NOW + GRACE)
    assert after(both, None, ACTIVE) == Terms(premium=True, until=end)
    soon = NotifyMetadata(cancel_at_period_end=True, current_period_end=NOW + DAY)
    assert after(IN_GRACE, None, soon, CANCELLED).ends_at == NOW + DAY


@pytest.mark.parametrize("action", [CANCELLED, NotifyAction.PLAN_DOWNGRADED])
def test_what_turns_premium_off_ends_the_debt(action: NotifyAction) -> None:
    for current in (IN_GRACE, USED_UP):
        assert after(current, MINI, UNTOLD, action) == OFF


def test_no_grace_at_all() -> None:
    ended = after(ON, MAX, PAST_DUE, grace=timedelta(0))
    assert ended == Terms(premium=True, grace_until=NOW)  # the sweep takes it, and the role
    assert not ended.at(NOW).premium
    off = Terms(premium=False, grace_until=NOW)
    assert after(ended, MAX, PAST_DUE, grace=timedelta(0)) == off
    assert after(OFF, MAX, PAST_DUE, grace=timedelta(0)) == off


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PAST_DUE, UNPAID, CANCELED, UNTOLD]),
            st.sampled_from([MAX, MINI, None]),
            st.floats(0, 5),
        ),
        max_size=12,
    )
)
def test_nobody_has_premium_for_longer_than_the_grace_without_paying(
    events: list[tuple[NotifyMetadata, str | None, float]],
) -> None:
    """Updates that tell of no payment, after one that told of the debt."""
    terms, days = after(ON, MAX, PAST_DUE), 0.0
    for metadata, plan, later in events:
        days += later
        if metadata.status is not None or plan != MAX:
            terms = after(terms, plan, metadata, days=days)
    assert not terms.at(NOW + GRACE).premium
