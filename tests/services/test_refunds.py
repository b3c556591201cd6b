"""Each rule of a refund, and each step from a proposal to its end."""

from __future__ import annotations

import pytest

from moddy.errors import BackendContractBroken, BackendRefused, BackendUnavailable, StaffRefused
from moddy.models import InvoicesResponse, InvoiceStatus, Snowflake
from moddy.staff import AuditOutcome, Refusal, StaffAction
from moddy.store import staff as staff_store
from moddy.store.database import Database
from moddy.store.refunds import RefundState
from tests.services.refund_stage import (
    ANNA,
    BERT,
    CLEO,
    CUSTOMER,
    DEVELOPER,
    STRANGER,
    Fault,
    RefundStage,
)


@pytest.fixture
async def office(database: Database) -> RefundStage:
    stage = RefundStage(database)
    await stage.open_office()
    return stage


def refused(refusal: Refusal) -> pytest.RaisesExc[StaffRefused]:
    return pytest.RaisesExc(StaffRefused, check=lambda error: error.refusal is refusal)


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


async def test_a_small_one_is_paid_with_its_agents_word(office: RefundStage) -> None:
    refund_id = await office.proposed("50.00")
    shown: list[RefundState] = []

    async def show(refund: object) -> None:
        shown.append((await office.row(refund_id)).state)
        assert office.backend.asked == []

    refund = await office.refunds.confirm(ANNA, refund_id, show=show)
    assert shown == [RefundState.SENDING]
    assert refund.state is RefundState.REFUNDED
    assert (refund.refunded_minor, refund.stripe_refund_id) == (5000, "re_1")
    assert await office.row(refund_id) == refund
    assert office.backend.asked == [(f"refund-{refund_id}", 5000)]
    assert await office.messages() == [f"refund-{refund_id}"]


async def test_a_full_one_asks_for_what_was_shown(office: RefundStage) -> None:
    office.backend.bill(amount=4_900, invoice_id="in_3", days_ago=1)
    refund_id = await office.proposed("full")
    await office.refunds.confirm(ANNA, refund_id)
    assert office.backend.asked == [(f"refund-{refund_id}", 4900)]


async def test_a_large_one_waits_for_a_second_person(office: RefundStage) -> None:
    refund_id = await office.proposed("50.01")
    refund = await office.refunds.confirm(ANNA, refund_id)
    assert refund.state is RefundState.AWAITING
    assert office.backend.asked == []
    for person, refusal in (
        (ANNA, Refusal.OWN_REFUND),
        (CLEO, Refusal.NEEDS_MANAGE),
        (STRANGER, Refusal.NOT_STAFF),
    ):
        with refused(refusal):
            await office.refunds.approve(person, refund_id)
    paid = await office.refunds.approve(BERT, refund_id)
    assert (paid.state, paid.approver_id) == (RefundState.REFUNDED, BERT)
    assert [entry.detail for entry in await office.trail()][:2] == [
        "50.01 EUR",
        "50.01 EUR, waits for a second person",
    ]


async def test_developers_need_a_second_person_too(office: RefundStage) -> None:
    refund_id = await office.proposed("60", agent=DEVELOPER)
    await office.refunds.confirm(DEVELOPER, refund_id)
    with refused(Refusal.OWN_REFUND):
        await office.refunds.approve(DEVELOPER, refund_id)


async def test_small_ones_do_not_add_up_past_the_second_person(office: RefundStage) -> None:
    await office.refunds.confirm(ANNA, await office.proposed("30"))
    refund_id = await office.proposed("20.01", agent=BERT)
    assert (await office.refunds.confirm(BERT, refund_id)).state is RefundState.AWAITING
    await office.refunds.approve(ANNA, refund_id)
    # What a second person agreed to does not count.
    refund_id = await office.proposed("20")
    assert (await office.refunds.confirm(ANNA, refund_id)).state is RefundState.REFUNDED


async def test_partial_refunds_add_up_to_what_was_paid(office: RefundStage) -> None:
    for amount in ("20", "10.50"):
        await office.refunds.confirm(ANNA, await office.proposed(amount))
    proposal = await office.refunds.propose(ANNA, CUSTOMER, "full")
    assert (proposal.refund.amount_minor, proposal.refund.refundable_minor) == (6850, 6850)
    await office.refunds.confirm(ANNA, proposal.refund.id)
    await office.refunds.approve(BERT, proposal.refund.id)
    with refused(Refusal.NOTHING_LEFT):
        await office.refunds.propose(ANNA, CUSTOMER, "0.01")


async def test_only_its_agent_confirms_and_takes_back(office: RefundStage) -> None:
    refund_id = await office.proposed()
    for step in (office.refunds.confirm, office.refunds.cancel):
        with refused(Refusal.NOT_YOUR_REFUND):
            await step(BERT, refund_id)
    assert (await office.refunds.cancel(ANNA, refund_id)).state is RefundState.CANCELLED
    with refused(Refusal.ALREADY_DECIDED):
        await office.refunds.confirm(ANNA, refund_id)
    assert office.backend.asked == []


async def test_rejected_and_taken_back_while_it_waits(office: RefundStage) -> None:
    for step, person, state in (
        (office.refunds.reject, BERT, RefundState.REJECTED),
        (office.refunds.cancel, ANNA, RefundState.CANCELLED),
    ):
        refund_id = await office.proposed("60")
        await office.refunds.confirm(ANNA, refund_id)
        assert (await step(person, refund_id)).state is state
        with refused(Refusal.ALREADY_DECIDED):
            await office.refunds.approve(BERT, refund_id)
    refund_id = await office.proposed("60")
    await office.refunds.confirm(ANNA, refund_id)
    with refused(Refusal.OWN_REFUND):
        await office.refunds.reject(ANNA, refund_id)


async def test_a_proposal_expires(office: RefundStage) -> None:
    refund_id = await office.proposed()
    office.wait(minutes=5)
    for step in (office.refunds.confirm, office.refunds.cancel):
        with refused(Refusal.EXPIRED):
            await step(ANNA, refund_id)
    assert office.refunds.possible(await office.row(refund_id)) == frozenset()
    assert office.backend.asked == []


async def test_an_approval_expires_and_stands_in_nobodys_way_then(office: RefundStage) -> None:
    refund_id = await office.proposed("60")
    await office.refunds.confirm(ANNA, refund_id)
    in_the_way = await office.refunds.propose(BERT, CUSTOMER, "20")
    assert (in_the_way.is_new, in_the_way.refund.id) == (False, refund_id)
    office.wait(hours=24)
    with refused(Refusal.EXPIRED):
        await office.refunds.approve(BERT, refund_id)
    await office.proposed("60", agent=BERT)


async def test_what_was_paid_since_is_not_given_back(office: RefundStage) -> None:
    small, large = await office.proposed("full"), await office.proposed("60", agent=BERT)
    await office.refunds.confirm(BERT, large)
    office.backend.bill(amount=20_000, invoice_id="in_3", days_ago=0)
    with refused(Refusal.OUT_OF_DATE):
        await office.refunds.approve(ANNA, large)
    await office.refunds.reject(ANNA, large)
    with refused(Refusal.OUT_OF_DATE):
        await office.refunds.confirm(ANNA, small)
    assert office.backend.asked == []


async def test_two_proposals_for_one_customer_are_not_both_paid(office: RefundStage) -> None:
    first, second = await office.proposed("20"), await office.proposed("20", agent=BERT)
    await office.refunds.confirm(ANNA, first)
    with refused(Refusal.OUT_OF_DATE):
        await office.refunds.confirm(BERT, second)
    assert len(office.backend.paid) == 1


async def test_an_open_one_stands_in_the_way_of_what_was_proposed_before(
    office: RefundStage,
) -> None:
    first, second = await office.proposed("60"), await office.proposed("20", agent=BERT)
    await office.refunds.confirm(ANNA, first)
    with refused(Refusal.ANOTHER_IS_OPEN):
        await office.refunds.confirm(BERT, second)


async def test_who_left_the_staff_can_do_nothing_more(office: RefundStage) -> None:
    small, large = await office.proposed(), await office.proposed("60", agent=BERT)
    await office.refunds.confirm(BERT, large)
    await office.database.transaction(lambda c: staff_store.remove(c, ANNA))
    await office.database.transaction(lambda c: staff_store.remove(c, BERT))
    with refused(Refusal.NOT_STAFF):
        await office.refunds.confirm(ANNA, small)
    with refused(Refusal.NOT_STAFF):
        await office.refunds.approve(ANNA, large)
    # Nor does their word count any longer.
    with refused(Refusal.AGENT_MAY_NOT):
        await office.refunds.approve(DEVELOPER, large)
    assert office.backend.asked == []


async def test_nothing_is_done_while_the_invoices_cannot_be_read(office: RefundStage) -> None:
    refund_id = await office.proposed()
    office.backend.error = BackendUnavailable("x")
    with pytest.raises(BackendUnavailable):
        await office.refunds.propose(ANNA, CUSTOMER, "20")
    with pytest.raises(BackendUnavailable):
        await office.refunds.confirm(ANNA, refund_id)
    office.backend.error = None
    assert (await office.refunds.confirm(ANNA, refund_id)).state is RefundState.REFUNDED


async def test_what_is_not_there_is_gone(office: RefundStage) -> None:
    for step in (
        office.refunds.confirm,
        office.refunds.cancel,
        office.refunds.approve,
        office.refunds.look,
    ):
        with refused(Refusal.GONE):
            await step(ANNA, "0" * 24)


async def test_looking_needs_a_permission(office: RefundStage) -> None:
    refund_id = await office.proposed()
    assert (await office.refunds.look(BERT, refund_id)).id == refund_id
    with refused(Refusal.NEEDS_MANAGE):
        await office.refunds.look(CLEO, refund_id)


async def test_every_step_and_refusal_is_in_the_trail(office: RefundStage) -> None:
    refund_id = await office.proposed("60")
    await office.refunds.confirm(ANNA, refund_id)
    with refused(Refusal.OWN_REFUND):
        await office.refunds.approve(ANNA, refund_id)
    with refused(Refusal.AMOUNT_UNCLEAR):
        await office.refunds.propose(ANNA, CUSTOMER, "a@b.example")
    await office.refunds.approve(BERT, refund_id)
    told = [(e.actor_id, e.action, e.outcome, e.detail, e.refund_id) for e in await office.trail()]
    action, ok, no = StaffAction, AuditOutcome.ALLOWED, AuditOutcome.REFUSED
    waits = "60.00 EUR, waits for a second person"
    assert told == [
        (ANNA, action.PROPOSE_REFUND, ok, "60.00 EUR", refund_id),
        (ANNA, action.CONFIRM_REFUND, ok, waits, refund_id),
        (ANNA, action.APPROVE_REFUND, no, "60.00 EUR: own_refund", refund_id),
        (ANNA, action.PROPOSE_REFUND, no, "amount_unclear", None),
        (BERT, action.APPROVE_REFUND, ok, "60.00 EUR", refund_id),
        (BERT, action.REFUND_RESULT, AuditOutcome.REFUNDED, "60.00 EUR", refund_id),
    ]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.REFUSED, "No payment to refund"),
        (Fault.UNAUTHORIZED, "Invalid secret"),
        (Fault.PAUSED, "not called"),
        (Fault.NO_CONNECTION, "connection refused"),
    ],
)
async def test_what_was_certainly_not_done_has_failed(
    office: RefundStage, fault: Fault, words: str
) -> None:
    refund_id = await office.unknown(fault)
    refund = await office.row(refund_id)
    assert refund.state is RefundState.FAILED
    assert refund.error is not None
    assert words in refund.error
    assert office.refunds.possible(refund) == frozenset()
    assert await office.messages() == []
    await office.refunds.confirm(ANNA, await office.proposed())
