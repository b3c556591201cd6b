from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from moddy.cogs.mention_words import LookUp, RefundWords, read_look_up, read_refund
from moddy.models import Snowflake
from moddy.services.refund_rules import FULL, is_clear

ADA = Snowflake("100000000000000001")
ONE = Snowflake("1")
MENTION = f"<@{ADA}>"
LIMITS = (1, 50)
# Two spaces, line breaks, a no-break space, a tab, an ideographic space.
SPACES = ["  ", "\n", "\r\n", "\N{NO-BREAK SPACE}", "\t", "\N{IDEOGRAPHIC SPACE}"]


@pytest.mark.parametrize(
    "text",
    [
        MENTION,
        f"<@!{ADA}>",
        str(ADA),
        f"  {MENTION}\n",
        f"\N{FIRST STRONG ISOLATE}{MENTION}\N{POP DIRECTIONAL ISOLATE}",
        f"\N{LEFT-TO-RIGHT MARK}{ADA}",
        f"{MENTION} \N{ZERO WIDTH SPACE}",
    ],
)
def test_whom_it_is_about(text: str) -> None:
    wanted = LookUp(customer_id=ADA)
    assert read_look_up(text) == wanted
    assert read_look_up(text, limits=LIMITS) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "Ada",
        "@Ada",
        "<@>",
        "<@0>",
        f"<@&{ADA}>",
        f"<#{ADA}>",
        "<@18446744073709551616>",
        "20",
        "12345678901234",
        "٠١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦٧",  # digits, but not ASCII
        f"{MENTION}{MENTION}",
        f"{MENTION}5",
        f"{MENTION} {MENTION}",
        f"{MENTION} please",
        f"please {MENTION}",
    ],
)
def test_unclear_whom_it_is_about(text: str) -> None:
    assert read_look_up(text) is None
    assert read_look_up(text, limits=LIMITS) is None


@pytest.mark.parametrize("number", [1, 7, 50])
@pytest.mark.parametrize("space", SPACES)
def test_limit(number: int, space: str) -> None:
    text = f"{MENTION}{space}{number}"
    assert read_look_up(text, limits=LIMITS) == LookUp(customer_id=ADA, number=number)
    assert read_look_up(text) is None


@pytest.mark.parametrize(
    "rest", ["0", "51", "-1", "5.0", "1e1", "five", "\u0665", "5 5", "0x5", "999"]
)
def test_bad_limit(rest: str) -> None:
    assert read_look_up(f"{MENTION} {rest}", limits=LIMITS) is None


@pytest.mark.parametrize(
    ("text", "amount", "reason"),
    [
        ("<@1> 20", "20", ""),
        ("<@!1> 20.00 too late", "20.00", "too late"),
        ("<@1> full", "full", ""),
        ("<@1>\n5,00\n  came  twice \n", "5,00", "came  twice"),
        ("<@1> €20 3 times", "€20 3", "times"),
        ("<@1> full month 2 was not used", "full", "month 2 was not used"),
        ("<@1> 20 euros were too much", "20", "euros were too much"),
        ("<@1>", "", ""),
        ("<@1> Full", "Full", ""),
        ("<@1> all of it", "all", "of it"),
        ("<@1> \N{LEFT-TO-RIGHT MARK}20", "\N{LEFT-TO-RIGHT MARK}20", ""),
    ],
)
def test_refund(text: str, amount: str, reason: str) -> None:
    assert read_refund(text) == RefundWords(customer_id=ONE, amount=amount, reason=reason)


@pytest.mark.parametrize("first", ["20", "20.00", "full"])
@pytest.mark.parametrize("space", [" ", *SPACES])
@pytest.mark.parametrize(
    "second",
    [
        "20",
        "20,00",
        "€20",
        "full",
        "FULL",
        "full.",
        "(full)",
        "000",
        "000,00",
        "€",
        "5€",
        "+5",
        "½",
        "000full",
        "2nd",
        "*",
        "EUR",
        "eur,",
        "\N{ZERO WIDTH SPACE}full",
        "\N{ZERO WIDTH SPACE} full",
        "ｆｕｌｌ",  # noqa: RUF001 - of the width of Chinese characters, as some keyboards write it
    ],
)
def test_a_second_amount_makes_it_unclear(first: str, space: str, second: str) -> None:
    found = read_refund(f"<@1> {first}{space}{second} please")
    assert found is not None
    assert not is_clear(found.amount)
    assert found.reason in {"please", "full please"}


def test_refund_without_a_person() -> None:
    assert read_refund("20 <@1>") is None
    assert read_refund("full") is None
    assert read_refund("") is None


@given(st.text())
@example("20")
@example(" full")
@example("full ")
@example("full full")
def test_full_takes_the_literal_word(rest: str) -> None:
    """Whatever is written behind the person: all is asked for only where the first word says it."""
    found = read_refund(f"<@1> {rest}")
    assert found is not None
    words = rest.split()
    assert found.amount != FULL or words[0] == FULL
    assert not found.amount or found.amount.split()[0] == words[0]
    if is_clear(found.amount):
        assert found.amount == words[0]
