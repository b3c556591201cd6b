from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from discord import ui
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.models import (
    MAX_SNOWFLAKE,
    Snowflake,
    Subscription,
    SubscriptionInfoResponse,
    SubscriptionStatus,
)
from moddy.views.facts import in_utc
from moddy.views.layout import Colour
from moddy.views.subscription import subscription_view
from tests.views.reading import (
    accent,
    assert_within_limits,
    custom_ids,
    hostile_texts,
    labels,
    links,
    plain_text,
)

END = datetime(2025, 3, 1, tzinfo=UTC)
OWNER = Snowflake("100000000000000001")
WEBSITE = "https://moddy.example/account"
NONE = SubscriptionInfoResponse(success=True, message="", has_subscription=False)
# What Discord reads as a mention in spite of escapes.
MENTION = re.compile(r"@(?:everyone|here)|<[@#]", re.IGNORECASE)
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


def view_of(
    answer: SubscriptionInfoResponse,
    locale: str = "en-US",
    *,
    plan: str | None = None,
    website: str | None = None,
) -> ui.LayoutView:
    view = subscription_view(answer, locale=locale, owner=OWNER, plan=plan, website=website)
    assert_within_limits(view)
    return view


def shown(
    answer: SubscriptionInfoResponse, locale: str = "en-US", *, plan: str | None = None
) -> str:
    return plain_text(view_of(answer, locale, plan=plan)).replace("\N{NO-BREAK SPACE}", " ")


def test_an_active_subscription() -> None:
    expected = """\
## Your subscription
**Status:** 🟢 active
**Plan:** Moddy Max
**Price:** €99.00 per month
**Next renewal:** <t:1740787200:D>"""
    assert shown(response(SubscriptionStatus.ACTIVE), plan="moddy_max") == expected


def test_the_buttons() -> None:
    view = view_of(response(SubscriptionStatus.ACTIVE), website=WEBSITE)
    assert labels(view) == ["Invoices", "Manage on the website"]
    assert custom_ids(view) == [f"invoices:{OWNER}"]
    assert links(view) == [WEBSITE]
    assert labels(view_of(response(SubscriptionStatus.ACTIVE), "fr")) == ["Factures"]
    french = view_of(response(SubscriptionStatus.ACTIVE), "fr", website=WEBSITE)
    assert labels(french) == ["Factures", "Gérer sur le site"]


def test_an_active_subscription_in_french() -> None:
    answer = response(
        SubscriptionStatus.ACTIVE, subscription_type="year", cancel_at_period_end=True
    )
    expected = """\
## Votre abonnement
**État :** 🟠 actif
**Formule :** Moddy Max
**Prix :** 99,00 € par an
**Se termine le :** <t:1740787200:D>
Votre résiliation est programmée : il ne sera pas renouvelé. D’ici là, tout reste actif."""  # noqa: RUF001
    assert shown(answer, "fr", plan="moddy_max") == expected


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
        (SubscriptionStatus.CANCELED, "cancelled", "subscribe again", "", Colour.ENDED),
        (SubscriptionStatus.UNKNOWN, "not known at the moment", "", "", Colour.ENDED),
    ],
)
def test_each_status(
    status: SubscriptionStatus, word: str, advice: str, date: str, colour: Colour
) -> None:
    text = shown(response(status))
    [line] = [one for one in text.splitlines() if one.startswith("**Status:** ")]
    assert line.split(maxsplit=2)[2] == word
    assert advice in text
    assert ("<t:" in text) == bool(date)
    assert date in text
    assert accent(view_of(response(status), "fr")) == colour.value


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
    assert words in shown(answer, locale, plan="moddy_max")


@pytest.mark.parametrize(
    ("locale", "label", "words"),
    [
        ("en-US", "Get Moddy Max on the website", ["What Moddy Max gives", "role", "badge"]),
        ("fr", "Obtenir Moddy Max sur le site", ["Ce que Moddy Max", "rôle", "badge"]),
    ],
)
def test_without_a_subscription_what_there_is_to_have(
    locale: str, label: str, words: list[str]
) -> None:
    view = view_of(NONE, locale, website=WEBSITE)
    assert all(word in plain_text(view) for word in words)
    assert labels(view) == [label]
    assert links(view) == [WEBSITE]
    assert labels(view_of(NONE, locale)) == []


@pytest.mark.parametrize(
    "status", [SubscriptionStatus.PAST_DUE, SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE]
)
def test_a_scheduled_cancellation_is_told(status: SubscriptionStatus) -> None:
    view = view_of(response(status, cancel_at_period_end=True))
    text = plain_text(view)
    assert "cancellation is scheduled" in text
    assert "**Ends on:** <t:" in text
    assert "renewal:" not in text
    assert "first payment is taken" not in text
    assert ("check your payment method" in text) == (status is SubscriptionStatus.PAST_DUE)
    assert accent(view) == Colour.WARNING.value


def test_a_moment_without_offset_is_utc() -> None:
    answer = response(SubscriptionStatus.ACTIVE, current_period_end=datetime(2025, 3, 1))  # noqa: DTZ001
    assert "<t:1740787200:D>" in shown(answer)
    # Whatever the time zone of the machine that runs this.
    assert in_utc(datetime(2025, 3, 1)) == END  # noqa: DTZ001


@settings(deadline=None)
@given(
    status=st.sampled_from(STATUSES),
    ending=st.booleans(),
    period=hostile_texts(),
    currency=hostile_texts(),
    amount=st.integers(),
    end=st.datetimes(),
    owner=st.integers(1, MAX_SNOWFLAKE),
    plan=hostile_texts(),
    website=hostile_texts() | st.integers(0, 600).map(lambda n: "https://x.example/" + "a" * n),
    locale=st.sampled_from(["fr", "en-US"]),
)
def test_any_answer_fits_and_shows_none_of_its_texts(
    *,
    status: SubscriptionStatus,
    ending: bool,
    period: str,
    currency: str,
    amount: int,
    end: datetime,
    owner: int,
    plan: str,
    website: str,
    locale: str,
) -> None:
    answer = response(
        status,
        cancel_at_period_end=ending,
        subscription_type=period,
        currency=currency,
        amount=amount,
        current_period_end=end,
    )
    view = subscription_view(
        answer, locale=locale, owner=Snowflake(owner), plan=plan, website=website
    )
    assert_within_limits(view)
    text = plain_text(view)
    assert "Secret" not in text
    assert not MENTION.search(text)
    assert len(text) < 900
