"""What staff write behind ``@Moddy sup.…``: whom it is about, and what of them.

A slip is never guessed at: what is odd reads as nothing, or as an amount that is none.
"""

from __future__ import annotations

import re
import unicodedata

from babel.numbers import is_currency
from msgspec import Struct

from moddy.models import Snowflake
from moddy.services.refund_rules import FULL

# A mention, with the "!" of older clients or not, or an id. Discord's ids have 17 digits and more;
# a shorter number is rather an amount in the wrong place.
_PERSON = re.compile(r"<@!?(?P<mentioned>[0-9]{1,20})>|(?P<id>[0-9]{15,20})", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,3}", re.ASCII)


class LookUp(Struct, frozen=True, kw_only=True):
    """Whom staff ask about, and the number that they may have put behind."""

    customer_id: Snowflake
    number: int | None = None


class RefundWords(Struct, frozen=True, kw_only=True):
    """Whom to refund, how much, as it was written, and why."""

    customer_id: Snowflake
    amount: str
    reason: str


def read_look_up(text: str, *, limits: tuple[int, int] | None = None) -> LookUp | None:
    """Return whom `text` is about; None where it is not clear.

    With `limits` a number from the first to the second may follow.
    """
    words = _words(text)
    customer_id = _person(words[0]) if words else None
    if customer_id is None or len(words) > (2 if limits else 1):
        return None
    if limits is None or len(words) == 1:
        return LookUp(customer_id=customer_id)
    if not _NUMBER.fullmatch(words[1]) or not limits[0] <= int(words[1]) <= limits[1]:
        return None
    return LookUp(customer_id=customer_id, number=int(words[1]))


def read_refund(text: str) -> RefundWords | None:
    """Return what is to be refunded to whom; None where it is not clear to whom.

    The amount is one word, unchanged. Where more of it or a second one follows, both are the
    amount: that is none, and is refused as such.
    """
    person, _, rest = _split(text)
    customer_id = _person(_without_invisible(person))
    if customer_id is None:
        return None
    amount, space, reason = _split(rest)
    words = _words(reason)
    if words and _belongs_to_amount(words[0]):
        second, _, reason = _split(reason)
        return RefundWords(
            customer_id=customer_id, amount=f"{amount}{space}{second}", reason=reason
        )
    return RefundWords(customer_id=customer_id, amount=amount, reason=reason)


def _split(text: str) -> tuple[str, str, str]:
    """Return the first word, the white space behind it, and the rest."""
    begun = text.lstrip()
    word = begun.split(maxsplit=1)[0] if begun else ""
    rest = begun[len(word) :]
    space = rest[: len(rest) - len(rest.lstrip())]
    return word, space, rest.strip()


def _words(text: str) -> list[str]:
    """Return the words, without what cannot be seen in them."""
    return [word for one in text.split() if (word := _without_invisible(one))]


def _without_invisible(word: str) -> str:
    return "".join(one for one in word if unicodedata.category(one) != "Cf")


def _person(word: str) -> Snowflake | None:
    found = _PERSON.fullmatch(word)
    if found is None:
        return None
    try:
        return Snowflake.parse(found["mentioned"] or found["id"])
    except ValueError:
        return None


def _belongs_to_amount(word: str) -> bool:
    """Tell whether a word behind an amount is more of it, or another one.

    Such are the rest of ``1 000``, the currency of ``20 EUR``, and any other figure.
    """
    bare = unicodedata.normalize("NFKC", word)
    while bare and unicodedata.category(bare[0]).startswith("P"):
        bare = bare[1:]
    while bare and unicodedata.category(bare[-1]).startswith("P"):
        bare = bare[:-1]
    # Any figure or currency in front, and what has no letter at all.
    begins_as_one = unicodedata.category(bare[:1] or " ") in {"Nd", "Nl", "No", "Sc", "Sm"}
    has_letters = any(one.isalpha() for one in bare)
    return begins_as_one or not has_letters or bare.casefold() == FULL or is_currency(bare.upper())
