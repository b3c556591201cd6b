"""Currencies as Stripe counts them, and amounts as people write them."""

from __future__ import annotations

import re
from decimal import Decimal

from babel.numbers import get_currency_symbol

# Source: https://docs.stripe.com/currencies#zero-decimal and #three-decimal. Babel's own table
# is CLDR's, which differs (ISK and UGX, for two).
ZERO_DECIMAL = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split()  # noqa: SIM905
)
THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})

# At most nine figures before the decimals: Stripe takes no larger amounts. A second separator, a
# sign, a space or a figure that is not ASCII is a slip that must not be guessed at.
_AMOUNT = re.compile(
    r"(?P<symbol>[^\s\d.,+-]{1,3})?(?P<units>0|[1-9][0-9]{0,8})(?:[.,](?P<decimals>[0-9]+))?"
)


def decimals(currency: str) -> int:
    """Return how many decimals Stripe gives a currency (ISO 4217, upper case)."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def parse_amount(text: str, currency: str) -> int | None:
    """Return an amount above 0 that a person wrote, in minor units; None when it is not clear.

    Clear are ``20``, ``20.00`` and ``20,00``, with the currency's own symbol before it or not;
    the decimals are all there or none is.
    """
    found = _AMOUNT.fullmatch(text)
    code = currency.upper()
    if found is None or (found["symbol"] and not _is_symbol(found["symbol"], code)):
        return None
    digits = decimals(code)
    if found["decimals"] is not None and len(found["decimals"]) != digits:
        return None
    return int(found["units"] + (found["decimals"] or "0" * digits)) or None


def plain_amount(amount_minor: int, currency: str) -> str:
    """Return an amount in minor units as plain text, such as ``20.00 EUR``, for a record."""
    code = currency.upper()
    amount = Decimal(amount_minor).scaleb(-decimals(code))
    return f"{amount:f} {code}"


def looks_like_amount(text: str) -> bool:
    """Tell whether a text is an amount in some currency."""
    return _AMOUNT.fullmatch(text) is not None


def _is_symbol(symbol: str, code: str) -> bool:
    """Tell whether people write `symbol` for a currency: "$" is every dollar's."""
    known = {get_currency_symbol(code, locale) for locale in ("en", "fr")}
    return symbol in known or any(
        one.strip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == symbol for one in known
    )
