"""Hundreds of refund commands as nobody should write them, through both doors.

None ends in all that is left without the word for it, and none reaches the backend: that takes
somebody's confirmation.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from moddy.sandbox.world import AGENT, CUSTOMER, World
from moddy.store.database import Database
from moddy.store.tables import refunds
from tests.cogs.staff_deeds import tidy
from tests.cogs.staff_office import StaffOffice, invoices

pytestmark = pytest.mark.slow

COMMANDS_IN_EACH_DOOR = 200
PIECES = (
    *("full", "Full", "FULL", "ful", "fulll", "full.", "all", "everything", "ｆｕｌｌ", "f u l l"),  # noqa: RUF001
    *("5", "5.00", "5,00", "€5", "5€", "$5", "9.99", "10", "999", "0", "00", "-5", "+5", "5.0"),
    *(
        "1e3",
        "0x5",
        "5.00.00",
        "5,00,00",
        "1 000",
        "\u0665",
        "½",
        "inf",
        "nan",
        "null",
        "None",
        "*",
    ),
    *("\u200b", "\u202e", "\u2066", "\ufeff", "\N{NO-BREAK SPACE}", "\n", "\t", "  ", ""),
    *("please", "refund", "<@1>", "@everyone", "```", "||", "\\", "'", '"', "--", ";", "😀"),
)


def odd_words(dice: random.Random) -> str:
    """Return some of the pieces, with and without something between them."""
    chosen = dice.choices(PIECES, k=dice.randint(1, 4))
    return "".join(f"{piece}{dice.choice(['', ' ', '  ', chr(10)])}" for piece in chosen)


@pytest.fixture
async def office(database: Database) -> AsyncIterator[StaffOffice]:
    office = StaffOffice(database, World())
    office.backend.invoices = invoices(1)
    async with office.world.connect(office.bot):
        await office.appoint_person(AGENT)
        yield office
    await office.bot.close()


async def proposed(office: StaffOffice) -> list[tuple[bool, int]]:
    """Return of each stored refund whether it is of all that is left, and its amount."""
    query = sa.select(refunds.c.is_full, refunds.c.amount_minor)
    rows = await office.stage.database.read(lambda c: c.execute(query))
    return [(row[0], row[1]) for row in rows]


async def test_nothing_odd_refunds_everything(office: StaffOffice) -> None:
    dice = random.Random(4)  # noqa: S311 - the same words each time
    user, customer = office.world.user(CUSTOMER), office.user_id(CUSTOMER)
    counts = {"full": 0, "part": 0, "none": 0}
    for number in range(2 * COMMANDS_IN_EACH_DOOR):
        await tidy(office)
        words = odd_words(dice)
        if number % 2:
            amount = words[:100] or " "
            options: dict[str, Any] = {"amount": amount, "reason": odd_words(dice)[:500] or "x"}
            is_literal = amount == "full"
            [_] = await office.run(AGENT, "admin refund", user=user, **options)
        else:
            # The first word, and no second one of its kind.
            is_literal = words.split()[:1] == ["full"]
            written = f"sup.refund <@{customer}> {words}"
            [_] = await office.mention(AGENT, written)
        found = await proposed(office)
        assert len(found) <= 1
        assert not any(is_full for is_full, _ in found) or is_literal, words
        assert all(minor in {500, 999} for _, minor in found), words
        kind = "none" if not found else "full" if found[0][0] else "part"
        counts[kind] += 1
    assert all(call[0] != "refund_payment" for call in office.backend.calls)
    # The words are odd, and yet not so odd that nothing was ever at stake.
    assert all(counts.values()), counts
    assert counts["none"] > counts["full"] + counts["part"], counts
