"""Amounts as people write them: what is clear, and that nothing else is guessed at."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moddy.currencies import decimals, looks_like_amount, parse_amount, plain_amount
from tests.services.test_refund_proposals import UNCLEAR
from tests.views.reading import hostile_texts

CURRENCIES = ("EUR", "USD", "GBP", "JPY", "KWD", "CHF", "ISK", "UGX")


@pytest.mark.parametrize(
    ("currency", "expected"),
    [("EUR", 2), ("JPY", 0), ("KWD", 3), ("ISK", 2), ("UGX", 0), ("XXX", 2)],
)
def test_decimals_are_stripes(currency: str, expected: int) -> None:
    assert decimals(currency) == expected


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("20", "eur", 2000),
        ("20.00", "EUR", 2000),
        ("5,00", "EUR", 500),
        ("€20", "EUR", 2000),
        ("€0.01", "EUR", 1),
        ("$20.50", "USD", 2050),
        ("$20", "CAD", 2000),
        ("£5", "GBP", 500),
        ("¥500", "JPY", 500),
        ("500", "JPY", 500),
        ("1.500", "KWD", 1500),
        ("999999999", "EUR", 99_999_999_900),
    ],
)
def test_what_is_clear(text: str, currency: str, minor: int) -> None:
    assert looks_like_amount(text)
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize("text", UNCLEAR)
def test_what_is_not(text: str) -> None:
    assert parse_amount(text, "EUR") is None


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("€20", "USD"),
        ("$20", "EUR"),
        ("£20", "EUR"),
        ("5,00", "JPY"),
        ("5.00", "KWD"),
        ("kr20", "EUR"),
    ],
)
def test_an_amount_of_another_currency(text: str, currency: str) -> None:
    assert parse_amount(text, currency) is None


@given(st.integers(1, 10**11 - 1), st.sampled_from(CURRENCIES), st.sampled_from(".,"))
def test_every_amount_can_be_written(minor: int, currency: str, point: str) -> None:
    written = f"{Decimal(minor).scaleb(-decimals(currency)):f}"
    if len(written.partition(".")[0]) <= 9:
        assert parse_amount(written.replace(".", point), currency) == minor
        assert plain_amount(minor, currency) == f"{written} {currency}"


@given(st.text() | hostile_texts(), st.sampled_from(CURRENCIES))
@example("20\n", "EUR")
@example("2\u0660", "EUR")
def test_any_text_is_an_amount_only_if_its_figures_say_so(text: str, currency: str) -> None:
    minor = parse_amount(text, currency)
    if minor is None:
        return
    figures = text.lstrip("€$£¥").replace(",", ".")
    assert figures.isascii() or currency in {"ISK", "UGX", "CHF", "KWD"}
    assert looks_like_amount(text)
    assert Decimal(minor).scaleb(-decimals(currency)) == Decimal(figures)
