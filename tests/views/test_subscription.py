from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.models import Subscription, SubscriptionInfoResponse, SubscriptionStatus
from moddy.views.facts import in_utc
from moddy.views.layout import Colour
from moddy.views.subscription import subscription_view
from tests.views.reading import accent, assert_within_limits, hostile_texts, plain_text

END = datetime(2025, 3, 1, tzinfo=UTC)
STATUSES = list(SubscriptionStatus)


def response(status: SubscriptionStatus, **changes: Any) -> SubscriptionInfoResponse:
    """Return the backend's answer for a monthly subscription."""
    values: dict[str, Any] = {
        "subscription_id": "sub_1NxSecret",
        "customer_id": "cus_Secret",
        "status": status,
        "subscription_type": "monthly",
        "current_period_start": datetime(2025, 2, 1, tzinfo=UTC),
        "current_period_end": END,
        "cancel_at_period_end": False,
        "amount": 9900,
        "currency": "eur",
    }
    return SubscriptionInfoResponse(
        success=True,
        message="cus_Secret",
        has_subscription=True,
        subscription=Subscription(**values | changes),
    )


def shown(answer: SubscriptionInfoResponse, locale: str = "en-US") -> str:
    view = subscription_view(answer, locale=locale)
    assert_within_limits(view)
    return plain_text(view).replace("\N{NO-BREAK SPACE}", " ")


def test_an_active_subscription() -> None:
    expected = """\
## Your subscription
**Status:** active
**Price:** €99.00 per month
**Next renewal:** <t:1740787200:D>
-# `/invoices` shows your invoices."""
    assert shown(response(SubscriptionStatus.ACTIVE)) == expected


def test_an_active_subscription_in_french() -> None:
    answer = response(
        SubscriptionStatus.ACTIVE, subscription_type="year", cancel_at_period_end=True
    )
    expected = """\
## Votre abonnement
**État :** actif
**Prix :** 99,00 € par an
**Se termine le :** <t:1740787200:D>
Il ne sera pas renouvelé. D’ici là, tout reste actif.
-# `/factures` montre vos factures."""  # noqa: RUF001
    assert shown(answer, "fr") == expected


@pytest.mark.parametrize(
    ("status", "word", "advice", "date", "colour"),
    [
        (SubscriptionStatus.ACTIVE, "active", "", "Next renewal:", Colour.GOOD),
        (
            SubscriptionStatus.TRIALING,
            "in its trial period",
            "when the trial ends",
            "Trial ends on:",
            Colour.GOOD,
        ),
        (
            SubscriptionStatus.PAST_DUE,
            "payment overdue",
            "check your payment method",
            "Next renewal:",
            Colour.WARNING,
        ),
        (SubscriptionStatus.UNPAID, "unpaid", "pay the open invoice", "", Colour.PROBLEM),
        (
            SubscriptionStatus.INCOMPLETE,
            "waiting for the first payment",
            "complete your first payment",
            "",
            Colour.WARNING,
        ),
        (
            SubscriptionStatus.INCOMPLETE_EXPIRED,
            "never started",
            "subscribe again",
            "",
            Colour.ENDED,
        ),
        (SubscriptionStatus.CANCELED, "cancelled", "", "", Colour.ENDED),
        (SubscriptionStatus.UNKNOWN, "not known at the moment", "", "", Colour.ENDED),
    ],
)
def test_each_status(
    status: SubscriptionStatus, word: str, advice: str, date: str, colour: Colour
) -> None:
    text = shown(response(status))
    assert f"**Status:** {word}" in text.splitlines()
    assert advice in text
    assert ("<t:" in text) == bool(date)
    assert date in text
    assert accent(subscription_view(response(status), locale="fr")) == colour.value


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("cancelled", [True, False])
def test_no_status_is_left_in_english(status: SubscriptionStatus, cancelled: bool) -> None:
    answer = response(status, cancel_at_period_end=cancelled)
    english, french = shown(answer).splitlines(), shown(answer, "fr").splitlines()
    assert len(english) == len(french)
    assert not set(english) & set(french)


def test_what_is_over_does_not_end_again() -> None:
    text = shown(response(SubscriptionStatus.CANCELED, cancel_at_period_end=True))
    assert "<t:" not in text
    assert "stays active" not in text


@pytest.mark.parametrize(
    ("locale", "words"), [("en-GB", "no subscription"), ("fr", "pour le moment")]
)
@pytest.mark.parametrize("claimed", [True, False])
def test_no_subscription(locale: str, words: str, claimed: bool) -> None:
    answer = SubscriptionInfoResponse(success=True, message="", has_subscription=claimed)
    assert words in shown(answer, locale)


def test_a_moment_without_offset_is_utc() -> None:
    answer = response(SubscriptionStatus.ACTIVE, current_period_end=datetime(2025, 3, 1))  # noqa: DTZ001
    assert "<t:1740787200:D>" in shown(answer)
    # Whatever the time zone of the machine that runs this.
    assert in_utc(datetime(2025, 3, 1)) == END  # noqa: DTZ001


@settings(deadline=None)
@given(st.sampled_from(STATUSES), hostile_texts(), hostile_texts(), st.integers(), st.datetimes())
def test_any_answer_fits_and_shows_none_of_its_texts(
    status: SubscriptionStatus, period: str, currency: str, amount: int, end: datetime
) -> None:
    answer = response(
        status, subscription_type=period, currency=currency, amount=amount, current_period_end=end
    )
    text = shown(answer)
    assert "Secret" not in text
    assert "@" not in text
    assert len(text) < 600
