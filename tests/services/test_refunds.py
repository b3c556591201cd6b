"""Each step of a refund from a proposal to its end, and each rule for it."""

from __future__ import annotations

import pytest

from moddy.errors import BackendUnavailable
from moddy.services.refund_rules import Limits
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
    OTHER_CUSTOMER,
    STRANGER,
    RefundStage,
    refused,
)


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


async def test_the_cap_is_over_any_24_hours(database: Database) -> None:
    office = RefundStage(database, limits=Limits(approval_above=5000, daily_cap=6000))
    await office.open_office()
    waiting = await office.proposed("60")
    await office.refunds.confirm(ANNA, waiting)
    # One that waits counts, and counts from when it was sent on.
    with refused(Refusal.DAILY_CAP):
        await office.proposed("0.01", customer=OTHER_CUSTOMER)
    office.wait(hours=23, minutes=59)
    await office.refunds.approve(BERT, waiting)
    office.wait(hours=23, minutes=59)
    with refused(Refusal.DAILY_CAP):
        await office.proposed("0.01", customer=OTHER_CUSTOMER)
    office.wait(minutes=2)
    assert (await office.pay("60", customer=OTHER_CUSTOMER)).state is RefundState.REFUNDED
    # It is an agent's, not everybody's.
    await office.proposed("10", agent=BERT)


async def test_the_cap_counts_when_a_proposal_is_confirmed(database: Database) -> None:
    office = RefundStage(database, limits=Limits(approval_above=5000, daily_cap=5000))
    await office.open_office()
    one, two = [await office.proposed("30", customer=c) for c in (CUSTOMER, OTHER_CUSTOMER)]
    await office.refunds.confirm(ANNA, one)
    with refused(Refusal.DAILY_CAP):
        await office.refunds.confirm(ANNA, two)
