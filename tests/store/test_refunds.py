"""Refunds in the store: what comes back, and what counts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec import structs

from moddy.models import Snowflake
from moddy.store import refunds
from moddy.store.database import Database
from moddy.store.refunds import Refund, RefundState
from tests.fakes import START

ANNA = Snowflake("1")
CUSTOMER = Snowflake("18446744073709551615")
REFUND = Refund(
    id="0" * 24,
    state=RefundState.PROPOSED,
    customer_id=CUSTOMER,
    agent_id=ANNA,
    is_full=False,
    amount_minor=2_000,
    currency="EUR",
    invoice_id="in_1",
    invoice_created=START - timedelta(days=3),
    invoice_minor=9_900,
    refundable_minor=9_900,
    reason="why",
    created_at=START,
    expires_at=START + timedelta(minutes=5),
)
OTHER = structs.replace(REFUND, id="1" * 24)
NOW = START + timedelta(minutes=1)
OPEN = {RefundState.AWAITING, RefundState.SENDING, RefundState.UNKNOWN}


async def insert(database: Database, refund: Refund) -> None:
    await database.transaction(lambda c: refunds.insert(c, refund))


async def test_one_comes_back_as_it_was(database: Database) -> None:
    full = structs.replace(
        REFUND,
        state=RefundState.REFUNDED,
        is_full=True,
        amount_minor=10**12,
        approver_id=CUSTOMER,
        asks=2,
        sent_at=NOW,
        asked_at=NOW + timedelta(microseconds=1),
        finished_at=NOW,
        refunded_minor=10**12,
        stripe_refund_id="re_1",
        error="é" * 500,
    )
    await insert(database, full)
    await insert(database, OTHER)
    assert await database.read(lambda c: refunds.find(c, full.id)) == full
    assert await database.read(lambda c: refunds.find(c, OTHER.id)) == OTHER
    assert await database.read(lambda c: refunds.find(c, "x")) is None


async def test_a_change_is_written_over_what_it_was_made_from(database: Database) -> None:
    await insert(database, REFUND)
    sending = structs.replace(REFUND, state=RefundState.SENDING)
    assert await database.transaction(lambda c: refunds.save(c, sending, was=RefundState.PROPOSED))
    cancelled = structs.replace(REFUND, state=RefundState.CANCELLED)
    assert not await database.transaction(
        lambda c: refunds.save(c, cancelled, was=RefundState.PROPOSED)
    )
    assert await database.read(lambda c: refunds.find(c, REFUND.id)) == sending


@pytest.mark.parametrize("state", list(RefundState))
async def test_what_is_open_and_what_counts(database: Database, state: RefundState) -> None:
    await insert(database, structs.replace(OTHER, state=state, asked_at=START))
    found = await database.read(lambda c: refunds.find_open(c, CUSTOMER, NOW))
    assert (found is not None) is (state in OPEN)
    assert (
        await database.read(lambda c: refunds.find_open(c, CUSTOMER, NOW, besides=OTHER.id)) is None
    )
    assert await database.read(lambda c: refunds.find_open(c, ANNA, NOW)) is None
    counts = 2_000 if state in {*OPEN, RefundState.REFUNDED} else 0
    given = await database.read(lambda c: refunds.sum_of_invoice(c, REFUND, NOW))
    lately = await database.read(lambda c: refunds.sum_of_agent(c, REFUND, NOW, since=START))
    assert (given, lately) == (counts, counts)
    # What is over does not count for ever, what is open does.
    since = START + timedelta(seconds=1)
    lately = await database.read(lambda c: refunds.sum_of_agent(c, REFUND, NOW, since=since))
    assert lately == (2_000 if state in OPEN else 0)


async def test_an_expired_wait_is_not_open_and_does_not_count(database: Database) -> None:
    await insert(database, structs.replace(OTHER, state=RefundState.AWAITING))
    after = OTHER.expires_at
    assert await database.read(lambda c: refunds.find_open(c, CUSTOMER, after)) is None
    assert await database.read(lambda c: refunds.sum_of_invoice(c, REFUND, after)) == 0


async def test_sums_take_what_was_given_and_leave_out_others(database: Database) -> None:
    done = structs.replace(OTHER, state=RefundState.REFUNDED, asked_at=START, refunded_minor=1_500)
    await insert(database, done)
    approved = structs.replace(done, id="2" * 24, approver_id=CUSTOMER, refunded_minor=None)
    await insert(database, approved)
    others = {"customer_id": ANNA, "agent_id": CUSTOMER, "invoice_id": "in_2"}
    await insert(database, structs.replace(done, id="3" * 24, **others))
    await insert(database, structs.replace(REFUND, state=RefundState.UNKNOWN))

    async def sum_of(*, unapproved: bool) -> int:
        return await database.read(
            lambda c: refunds.sum_of_invoice(c, REFUND, NOW, unapproved=unapproved)
        )

    assert await sum_of(unapproved=False) == 3_500
    assert await sum_of(unapproved=True) == 1_500
    by_agent = await database.read(lambda c: refunds.sum_of_agent(c, REFUND, NOW, since=START))
    assert by_agent == 3_500


async def test_the_lost_are_those_asked_for_long_ago(database: Database) -> None:
    sending = structs.replace(REFUND, state=RefundState.SENDING, asked_at=START)
    await insert(database, sending)
    await insert(database, structs.replace(OTHER, state=RefundState.UNKNOWN, asked_at=START))
    assert await database.read(lambda c: refunds.find_lost(c, START, limit=5)) == []
    assert await database.read(lambda c: refunds.find_lost(c, NOW, limit=5)) == [sending]
