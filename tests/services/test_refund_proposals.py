"""What may be proposed for a refund: the amount, the invoice, and who asks."""

from __future__ import annotations

import pytest

from moddy.errors import BackendContractBroken, BackendRefused
from moddy.models import InvoicesResponse, InvoiceStatus, Snowflake
from moddy.staff import Refusal
from moddy.store.refunds import RefundState
from tests.services.refund_stage import (
    ANNA,
    CLEO,
    CUSTOMER,
    STRANGER,
    RefundStage,
    refused,
)

UNCLEAR = [
    "Full",
    "FULL",
    "fulll",
    "all",
    "100%",
    "-20",
    "+20",
    "2O",
    "20€",
    "20.0",
    "20.000",
    "1,000.00",
    "0",
    "0.00",
    "$20",
    "20EUR",
    "1e2",
    "99.01.2",
    "''",
    "0x14",
    "NaN",
    "inf",
    "20.00.00",
    "020",
    ".5",
    "5.",
    "ful",
    "null",
    "None",
    "",
    "full ",
    "\uff11\uff10",
    "full full",
]


@pytest.mark.parametrize(
    ("amount", "minor", "is_full"),
    [
        ("20", 2000, False),
        ("20.00", 2000, False),
        ("5,00", 500, False),
        ("€20", 2000, False),
        ("99", 9900, False),
        ("full", 9900, True),
    ],
)
async def test_a_proposal_says_what_it_comes_to_and_asks_nobody(
    office: RefundStage, amount: str, minor: int, is_full: bool
) -> None:
    proposal = await office.refunds.propose(ANNA, CUSTOMER, amount, " sorry\x00 about \n that ")
    refund = proposal.refund
    assert proposal.is_new
    assert refund.state is RefundState.PROPOSED
    assert (refund.amount_minor, refund.is_full, refund.currency) == (minor, is_full, "EUR")
    assert (refund.invoice_id, refund.invoice_minor, refund.refundable_minor) == (
        "in_1",
        9900,
        9900,
    )
    assert refund.reason == "sorry about that"
    assert await office.row(refund.id) == refund
    assert office.backend.asked == []


@pytest.mark.parametrize("amount", UNCLEAR)
async def test_what_is_unclear_is_refused(office: RefundStage, amount: str) -> None:
    with refused(Refusal.AMOUNT_UNCLEAR):
        await office.refunds.propose(ANNA, CUSTOMER, amount)
    assert await office.all_refunds() == []


@pytest.mark.parametrize(
    ("amount", "refusal"),
    [
        ("99.01", Refusal.MORE_THAN_LEFT),
        ("999999999", Refusal.MORE_THAN_LEFT),
        ("9999999999", Refusal.AMOUNT_UNCLEAR),
    ],
)
async def test_more_than_was_paid(office: RefundStage, amount: str, refusal: Refusal) -> None:
    with refused(refusal):
        await office.refunds.propose(ANNA, CUSTOMER, amount)


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("jpy", "20", 20), ("kwd", "1,000", 1000), ("usd", "$20", 2000)],
)
async def test_the_invoice_has_the_currency(
    office: RefundStage, currency: str, amount: str, minor: int
) -> None:
    office.backend.bill(invoice_id="in_9", currency=currency, days_ago=1)
    proposal = await office.refunds.propose(ANNA, CUSTOMER, amount)
    assert (proposal.refund.amount_minor, proposal.refund.currency) == (minor, currency.upper())


@pytest.mark.parametrize("amount", ["€20", "20.00"])
async def test_an_amount_of_another_currency_is_refused(office: RefundStage, amount: str) -> None:
    office.backend.bill(invoice_id="in_9", currency="jpy", days_ago=1)
    with refused(Refusal.AMOUNT_UNCLEAR):
        await office.refunds.propose(ANNA, CUSTOMER, amount)


async def test_no_invoice_a_free_one_and_an_old_one(office: RefundStage) -> None:
    office.backend.bills.clear()
    with refused(Refusal.NO_PAID_INVOICE):
        await office.refunds.propose(ANNA, CUSTOMER, "full")
    office.backend.bill(amount=0)
    office.backend.bill(status=InvoiceStatus.OPEN)
    with refused(Refusal.NO_PAID_INVOICE):
        await office.refunds.propose(ANNA, CUSTOMER, "full")
    office.backend.bill(days_ago=180.01)
    with refused(Refusal.INVOICE_TOO_OLD):
        await office.refunds.propose(ANNA, CUSTOMER, "full")


@pytest.mark.parametrize(
    ("amount", "currency"), [(10**12 + 1, "eur"), (100, ""), (100, "euro"), (100, "€€€")]
)
async def test_an_invoice_that_cannot_be(office: RefundStage, amount: int, currency: str) -> None:
    office.backend.bill(amount=amount, currency=currency, days_ago=1)
    with pytest.raises(BackendContractBroken):
        await office.refunds.propose(ANNA, CUSTOMER, "full")


async def test_a_lookup_that_failed_is_no_missing_invoice(office: RefundStage) -> None:
    class Unlinked(type(office.backend)):  # type: ignore[misc]
        async def get_subscription_invoices(self, *_: object) -> InvoicesResponse:
            return InvoicesResponse(success=False, message="No account linked")

    office.backend.__class__ = Unlinked
    with pytest.raises(BackendRefused) as caught:
        await office.refunds.propose(ANNA, CUSTOMER, "full")
    assert caught.value.reason == "No account linked"


@pytest.mark.parametrize(
    ("person", "refusal"),
    [(STRANGER, Refusal.NOT_STAFF), (CLEO, Refusal.NEEDS_MANAGE), (CUSTOMER, Refusal.NOT_STAFF)],
)
async def test_who_may_not_learns_nothing(
    office: RefundStage, person: Snowflake, refusal: Refusal
) -> None:
    with refused(refusal):
        await office.refunds.propose(person, CUSTOMER, "20")
    assert office.backend.calls == []


async def test_nobody_refunds_themselves(office: RefundStage) -> None:
    await office.employ(CUSTOMER)
    with refused(Refusal.OWN_MONEY):
        await office.refunds.propose(CUSTOMER, CUSTOMER, "20")
    refund_id = await office.proposed("60")
    await office.refunds.confirm(ANNA, refund_id)
    with refused(Refusal.OWN_MONEY):
        await office.refunds.approve(CUSTOMER, refund_id)
    assert office.backend.asked == []
