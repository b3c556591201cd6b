"""What staff are shown of a customer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.models import (
    Invoice,
    InvoicesResponse,
    InvoiceStatus,
    Snowflake,
    Subscription,
    SubscriptionInfoResponse,
    SubscriptionStatus,
    UserInfoResponse,
)
from moddy.services.support import DELIVERIES_SHOWN, Retried, SubscriptionFile
from moddy.store.console import RETRYABLE, STATES, Obstacle, Row
from moddy.store.deliveries import DeliveryKind
from moddy.store.users import User
from moddy.views.staff.account import account_view, email_view, masked
from moddy.views.staff.deliveries import deliveries_view, retried_view
from moddy.views.staff.invoices import staff_invoices_view
from moddy.views.staff.subscription import staff_subscription_view
from tests.views.reading import assert_within_limits, hostile_texts, labels, plain_text

NOW = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)
ADA = Snowflake("18446744073709551615")  # the longest there is
LOCALES = st.sampled_from(["en-US", "fr"])
MOMENTS = st.datetimes(timezones=st.just(UTC)) | st.datetimes()
HARMLESS = settings(deadline=None, max_examples=60)


def subscription(**changes: object) -> Subscription:
    values: dict[str, object] = {
        "subscription_id": "sub_1",
        "customer_id": "cus_1",
        "status": SubscriptionStatus.ACTIVE,
        "subscription_type": "monthly",
        "current_period_start": NOW,
        "current_period_end": NOW + timedelta(days=30),
        "cancel_at_period_end": False,
        "amount": 999,
        "currency": "eur",
    }
    return Subscription(**(values | changes))  # type: ignore[arg-type]


def file(found: Subscription | None, **user: object) -> SubscriptionFile:
    response = SubscriptionInfoResponse(
        success=True, message="", has_subscription=found is not None, subscription=found
    )
    known = User(discord_id=ADA, **user)  # type: ignore[arg-type]
    return SubscriptionFile(response=response, user=known)


def row(number: int = 0, *, state: str = "dead", kind: str = "notify", error: str = "x") -> Row:
    return Row(
        id=f"{number:024x}",
        kind=kind,
        user_id=ADA,
        state=state,
        tries=number,
        last_error=error,
        request_id=None,
        created_at=NOW,
        due_at=None,
        leased_until=None,
        sending_since=None,
        retried_at=None,
        finished_at=None,
    )


def test_subscription_with_all_that_customers_do_not_see() -> None:
    found = file(
        subscription(cancel_at_period_end=True),
        plan="moddy_max",
        premium=True,
        premium_until=NOW,
        grace_until=NOW,
        last_event_created=NOW,
    )
    view = staff_subscription_view(found, customer_id=ADA, locale="en-US")
    assert (
        plain_text(view)
        == f"""\
## Subscription of a customer
**Customer:** <@{ADA}> ({ADA})
**Status:** 🟠 active
**Price:** €9.99 per month
**Period began:** <t:1735732800:D>
**Period ends:** <t:1738324800:D>
**Ends with the period:** yes
**Customer id:** cus\\_1
**Subscription id:** sub\\_1
**What Moddy knows**
**Plan:** Moddy Max
**Premium:** yes
**Premium until:** <t:1735732800:f>
**Payment grace until:** <t:1735732800:f>
**Last event:** <t:1735732800:f>"""
    )
    assert labels(view) == ["Invoices", "Account", "Deliveries"]


def test_no_subscription_in_french() -> None:
    view = staff_subscription_view(file(None), customer_id=ADA, locale="fr")
    text = plain_text(view).replace("\N{NO-BREAK SPACE}", " ")
    assert "Le site ne connaît aucun abonnement." in text
    assert "**Premium :** non" in text
    assert "**Formule :** inconnue" in text


@HARMLESS
@given(
    one=hostile_texts(),
    other=hostile_texts(),
    status=st.sampled_from(SubscriptionStatus),
    amount=st.integers(),
    moment=MOMENTS,
    locale=LOCALES,
)
def test_any_subscription_fits(
    *, one: str, other: str, status: SubscriptionStatus, amount: int, moment: datetime, locale: str
) -> None:
    aware = moment.replace(tzinfo=UTC)
    found = subscription(
        subscription_id=one,
        customer_id=other,
        status=status,
        subscription_type=one,
        currency=other,
        amount=amount,
        current_period_start=moment,
        current_period_end=moment,
    )
    shown = file(found, plan=one, premium_until=aware, grace_until=aware)
    assert_within_limits(staff_subscription_view(shown, customer_id=ADA, locale=locale))


@HARMLESS
@given(
    st.lists(
        st.builds(
            Invoice,
            invoice_id=hostile_texts(),
            amount=st.integers(),
            currency=st.sampled_from(["eur", "xof"]) | hostile_texts(),
            status=st.sampled_from(InvoiceStatus),
            created=MOMENTS,
            invoice_pdf=st.none() | hostile_texts().map("https://x.example/".__add__),
        ),
        max_size=50,
    ),
    st.integers(-1, 12),
    LOCALES,
)
def test_any_invoices_fit(invoices: list[Invoice], page: int, locale: str) -> None:
    response = InvoicesResponse(success=True, message="", invoices=invoices)
    view = staff_invoices_view(
        response, customer_id=ADA, locale=locale, now=NOW, limit=50, page=page
    )
    assert_within_limits(view)


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("ada@mail.example", "a•••@m•••"),
        ("a@b", "a•••@b•••"),
        ("no-at-sign", "n•••"),
        ("@", "•••@•••"),
        ("_x@y", "•••@y•••"),
        ("", "•••"),
        ("a@b@c", "a•••@b•••"),
    ],
)
def test_masked_email(email: str, shown: str) -> None:
    assert masked(email) == shown


@HARMLESS
@given(hostile_texts(), hostile_texts(), MOMENTS, LOCALES)
def test_any_account_fits_and_keeps_the_email_to_itself(
    email: str, discord_id: str, moment: datetime, locale: str
) -> None:
    response = UserInfoResponse(
        success=True,
        message="",
        user_found=True,
        email=email,
        discord_id=discord_id,
        created_at=moment,
        updated_at=moment,
    )
    view = account_view(response, customer_id=ADA, locale=locale)
    assert_within_limits(view)
    assert len(labels(view)) == (1 if email else 0)
    assert_within_limits(email_view(email, customer_id=ADA, locale=locale))
    assert len(masked(email)) <= 9


def test_email_is_shown_as_it_is() -> None:
    view = email_view("ada_l+x@mail.example", customer_id=ADA, locale="en-US")
    assert "ada\\_l+x\\@mail.example" in plain_text(view)
    assert "**E-mail:** none" in plain_text(email_view(None, customer_id=ADA, locale="en-US"))


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("locale", ["en-US", "fr"])
def test_only_what_can_be_tried_again_has_a_button(state: str, locale: str) -> None:
    view = deliveries_view([row(state=state)], customer_id=ADA, locale=locale)
    assert len(labels(view)) == (2 if state in RETRYABLE else 1)
    assert state not in plain_text(view).split("\n") or locale == "en-US"


def test_states_and_kinds_have_words_of_their_own() -> None:
    for locale in ("en-US", "fr"):
        rows = [row(state=state) for state in STATES]
        told = {plain_text(deliveries_view([one], customer_id=ADA, locale=locale)) for one in rows}
        assert len(told) == len(STATES)
        kinds = [row(kind=kind.value) for kind in DeliveryKind]
        told = {plain_text(deliveries_view([one], customer_id=ADA, locale=locale)) for one in kinds}
        assert len(told) == len(DeliveryKind)


def test_sending_again_what_may_have_come_is_warned_of() -> None:
    view = deliveries_view([row(state="uncertain")], customer_id=ADA, locale="en-US")
    assert "it may come twice" in plain_text(view)
    assert "Send it again" in labels(view)


def test_pages_of_deliveries() -> None:
    rows = [row(number) for number in range(DELIVERIES_SHOWN)]
    first = deliveries_view(rows, customer_id=ADA, locale="en-US")
    assert "Page 1 of 34 · the newest 200" in plain_text(first)
    last = deliveries_view(rows, customer_id=ADA, locale="en-US", page=99)
    assert "Page 34 of 34" in plain_text(last)
    assert "199 tries" in plain_text(last)


@HARMLESS
@given(
    st.lists(
        st.builds(row, st.integers(0, 10**9), state=hostile_texts(), kind=hostile_texts())
        | st.builds(row, st.just(10**9), state=st.sampled_from(STATES), error=hostile_texts()),
        max_size=9,
        unique_by=lambda one: one.id,
    ),
    st.integers(1, 3),
    LOCALES,
)
def test_any_deliveries_fit(rows: list[Row], page: int, locale: str) -> None:
    assert_within_limits(deliveries_view(rows, customer_id=ADA, locale=locale, page=page))


@pytest.mark.parametrize("locale", ["en-US", "fr"])
def test_what_became_of_a_retry(locale: str) -> None:
    told = set()
    for obstacle in (None, *Obstacle):
        view = retried_view(Retried(row=row(), obstacle=obstacle), locale=locale)
        assert_within_limits(view)
        told.add(plain_text(view))
    assert len(told) == len(Obstacle) + 1
