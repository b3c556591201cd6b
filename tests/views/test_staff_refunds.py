"""A refund as staff see it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from moddy.models import MAX_SNOWFLAKE, Snowflake
from moddy.services.refund_rules import KEY_TIME, possible
from moddy.store.refunds import Refund, RefundState
from moddy.views.staff_refunds import refund_view
from tests.store.test_refunds import REFUND
from tests.views.reading import (
    BUTTON,
    assert_within_limits,
    components,
    hostile_texts,
    labels,
    plain_text,
    unescaped,
)

START = REFUND.created_at
SENT = structs.replace(REFUND, asks=1, sent_at=START, asked_at=START)
IDS = st.integers(1, MAX_SNOWFLAKE).map(str).map(Snowflake)


def shown(refund: Refund, now: datetime = START, locale: str = "en-US") -> tuple[str, list[str]]:
    view = refund_view(refund, possible(refund, now), locale=locale)
    assert_within_limits(view)
    for one in components(view):
        if one["type"] == BUTTON:
            assert one["custom_id"].endswith(f":{refund.id}")
    return plain_text(view), labels(view)


@pytest.mark.parametrize("state", list(RefundState))
@pytest.mark.parametrize("late", [timedelta(0), KEY_TIME + timedelta(seconds=1)])
def test_each_state_has_words_in_both_languages(state: RefundState, late: timedelta) -> None:
    refund = structs.replace(SENT, state=state, error="no", stripe_refund_id="re_1")
    english, in_english = shown(refund, START + late)
    french, in_french = shown(refund, START + late, "fr")
    assert len(in_english) == len(in_french)
    same = set(english.splitlines()) & set(french.splitlines())
    assert same == set(), same


@pytest.mark.parametrize(
    ("refund", "after", "expected"),
    [
        (REFUND, timedelta(0), ["Confirm", "Cancel"]),
        (REFUND, timedelta(minutes=5), []),
        (
            structs.replace(REFUND, state=RefundState.AWAITING),
            timedelta(0),
            ["Approve", "Reject", "Cancel", "Show how it stands"],
        ),
        (structs.replace(REFUND, state=RefundState.AWAITING), timedelta(minutes=5), []),
        (structs.replace(SENT, state=RefundState.SENDING), timedelta(0), ["Show how it stands"]),
        (
            structs.replace(SENT, state=RefundState.UNKNOWN),
            timedelta(0),
            ["Ask again", "Show how it stands"],
        ),
        (
            structs.replace(SENT, state=RefundState.UNKNOWN),
            KEY_TIME + timedelta(seconds=1),
            ["Stripe says: refunded", "Stripe says: not refunded", "Show how it stands"],
        ),
        (structs.replace(SENT, state=RefundState.REFUNDED), timedelta(0), []),
        (structs.replace(SENT, state=RefundState.FAILED), timedelta(0), []),
    ],
)
def test_the_buttons(refund: Refund, after: timedelta, expected: list[str]) -> None:
    assert shown(refund, START + after)[1] == expected


def test_another_amount_than_asked_for_is_seen() -> None:
    refund = structs.replace(SENT, state=RefundState.REFUNDED, refunded_minor=1_500)
    text, _ = shown(refund)
    assert "**Amount:** €20.00" in text
    assert "**Given back:** €15.00" in text


def test_the_words_of_others_are_plain() -> None:
    refund = structs.replace(
        SENT, state=RefundState.FAILED, reason="<@77> **x**", error="mail a@b.example # y"
    )
    text, _ = shown(refund)
    assert "a@b.example" not in text
    assert "<@77>" not in unescaped(text)
    assert "**x**" not in unescaped(text)


@settings(deadline=None)
@given(
    st.builds(
        Refund,
        id=st.just(REFUND.id),
        state=st.sampled_from(RefundState),
        customer_id=IDS,
        agent_id=IDS,
        is_full=st.booleans(),
        amount_minor=st.integers(1, 10**12),
        currency=st.sampled_from(["EUR", "XOF", "KWD", "ZZZ"]),
        invoice_id=hostile_texts(),
        invoice_created=st.just(START),
        invoice_minor=st.integers(1, 10**12),
        refundable_minor=st.integers(1, 10**12),
        reason=hostile_texts(),
        created_at=st.just(START),
        expires_at=st.just(START),
        approver_id=st.none() | IDS,
        asks=st.integers(0, 5),
        sent_at=st.none() | st.just(START),
        asked_at=st.none() | st.just(START),
        refunded_minor=st.none() | st.integers(1, 10**12),
        stripe_refund_id=st.none() | hostile_texts(),
        error=st.none() | hostile_texts(),
    ),
    st.sampled_from([timedelta(0), timedelta(minutes=-1), KEY_TIME * 2]),
    st.sampled_from(["en-US", "fr"]),
    st.booleans(),
)
def test_any_refund_fits(refund: Refund, after: timedelta, locale: str, in_the_way: bool) -> None:
    view = refund_view(
        refund, possible(refund, START + after), locale=locale, is_in_the_way=in_the_way
    )
    assert_within_limits(view)
