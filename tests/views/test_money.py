from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.currencies import THREE_DECIMAL, ZERO_DECIMAL
from moddy.views.money import format_amount

SPACE = "\N{NO-BREAK SPACE}"
THIN = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "english", "french"),
    [
        (9900, "eur", "€99.00", f"99,00{SPACE}€"),
        (9900, "EUR", "€99.00", f"99,00{SPACE}€"),
        (1, "usd", "$0.01", f"0,01{SPACE}$US"),
        (0, "eur", "€0.00", f"0,00{SPACE}€"),
        (-1250, "eur", "-€12.50", f"-12,50{SPACE}€"),
        (123456789, "eur", "€1,234,567.89", f"1{THIN}234{THIN}567,89{SPACE}€"),
        (500, "jpy", "¥500", f"500{SPACE}JPY"),
        (1234, "kwd", f"KWD{SPACE}1.234", f"1,234{SPACE}KWD"),
        (-7, "kwd", f"-KWD{SPACE}0.007", f"-0,007{SPACE}KWD"),
        # CLDR says no decimals for these two; Stripe counts ISK in hundredths.
        (1200, "isk", f"ISK{SPACE}12.00", f"12,00{SPACE}ISK"),
        (1200, "ugx", f"UGX{SPACE}1,200", f"1{THIN}200{SPACE}UGX"),
        (1999, "xyz", f"XYZ{SPACE}19.99", f"19,99{SPACE}XYZ"),
        (1999, " gbp ", "£19.99", f"19,99{SPACE}£GB"),
        (1999, "", "19.99", "19,99"),
        (1999, "<@1>", "19.99", "19,99"),
    ],
)
def test_amounts(amount_minor: int, currency: str, english: str, french: str) -> None:
    assert format_amount(amount_minor, currency, "en-US") == english
    assert format_amount(amount_minor, currency, "en-GB") == english
    assert format_amount(amount_minor, currency, "fr") == french


@pytest.mark.parametrize("currency", sorted(ZERO_DECIMAL))
def test_zero_decimal_currencies_have_no_decimals(currency: str) -> None:
    assert format_amount(123, currency, "en-US").endswith("123")


@pytest.mark.parametrize("currency", sorted(THREE_DECIMAL))
def test_three_decimal_currencies_have_three(currency: str) -> None:
    assert format_amount(1234567, currency, "en-US").endswith("1,234.567")


@settings(deadline=None)
@given(st.integers(), st.text(max_size=5), st.sampled_from(["fr", "en-US", "de", "", "zz-ZZ"]))
def test_any_amount_in_any_currency_has_a_form(amount: int, currency: str, locale: str) -> None:
    shown = format_amount(amount, currency, locale)
    assert int("".join(filter(str.isdigit, shown))) == abs(amount)
    assert shown.startswith("-") == (amount < 0)


@pytest.mark.parametrize("power", [40, 5000])
def test_amounts_beyond_any_context_keep_every_figure(power: int) -> None:
    assert format_amount(10**power, "eur", "fr").count("0") == power
