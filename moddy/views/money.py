"""Amounts as people write them, with Stripe's decimals."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

from babel import Locale
from babel.numbers import format_currency, format_decimal, get_currency_symbol

from moddy.currencies import decimals
from moddy.locales import language_code

_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def format_amount(amount_minor: int, currency: str, locale: str) -> str:
    """Return an amount of `currency` (ISO 4217, any case) for a Discord locale.

    `amount_minor` is in the currency's minor units, as Stripe counts them. A code that nobody
    knows is written as it is; what is no code at all is left out. Never raises.
    """
    language = Locale.parse(language_code(locale))
    code = currency.strip().upper()
    known = len(code) == 3 and code.isascii() and code.isalpha()
    digits = decimals(code)
    sign, figures, _ = Decimal(amount_minor).as_tuple()
    amount = Decimal((sign, figures, -digits))
    with localcontext() as context:
        context.prec = len(figures) + 4  # Babel quantizes; more figures than the context's raise
        if not known:
            return str(format_decimal(amount, format="#,##0.00", locale=language))
        pattern = _pattern(language, code)
        return str(
            format_currency(amount, code, format=pattern, locale=language, currency_digits=False)
        )


@cache
def _pattern(language: Locale, code: str) -> str:
    """Return the language's number pattern, with Stripe's decimals.

    Where letters would touch the figures a space goes between, as CLDR asks and Babel does not:
    https://unicode.org/reports/tr35/tr35-numbers.html#Currencies
    """
    digits = decimals(code)
    pattern = str(language.currency_formats["standard"].pattern)
    pattern = pattern.replace("0.00", "0." + "0" * digits if digits else "0")
    if get_currency_symbol(code, language)[-1].isalpha():
        pattern = pattern.replace("¤#", f"¤{_NO_BREAK_SPACE}#")
    return pattern
