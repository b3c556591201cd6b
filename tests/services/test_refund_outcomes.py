"""Refunds that failed or whose outcome is not known, and odd answers of the backend."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from moddy.models import RefundResponse, Snowflake
from moddy.services.refund_calls import LOST_AFTER
from moddy.staff import AuditOutcome, Refusal, StaffAction
from moddy.store.refunds import RefundState
from tests.services.refund_stage import (
    ANNA,
    BERT,
    CUSTOMER,
    OTHER_CUSTOMER,
    Fault,
    Killed,
    Payment,
    RefundStage,
    refused,
)

UNKNOWN = [Fault.ANSWER_LOST, Fault.REQUEST_LOST]


def answered(**fields: Any) -> RefundResponse:
    done = RefundResponse(success=True, message="done", refunded=True)
    return structs.replace(done, **fields)


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


@pytest.mark.parametrize("fault", UNKNOWN, ids=lambda fault: fault.value)
async def test_an_unknown_one_is_asked_for_again_under_the_same_key(
    office: RefundStage, fault: Fault
) -> None:
    refund_id = await office.unknown(fault)
    assert (await office.row(refund_id)).state is RefundState.UNKNOWN
    assert await office.messages() == []
    # It stands in the way of everything else for this customer.
    assert (await office.refunds.propose(BERT, CUSTOMER, "full")).refund.id == refund_id
    with refused(Refusal.ASK_AGAIN_FIRST):
        await office.refunds.settle(BERT, refund_id, refunded=True)
    refund = await office.refunds.ask_again(BERT, refund_id)
    assert (refund.state, refund.asks) == (RefundState.REFUNDED, 2)
    assert {key for key, _ in office.backend.asked} == {f"refund-{refund_id}"}
    assert [payment.amount_minor for payment in office.backend.paid.values()] == [2000]
    assert await office.messages() == [f"refund-{refund_id}"]
    with refused(Refusal.ALREADY_DECIDED):
        await office.refunds.ask_again(BERT, refund_id)


@pytest.mark.parametrize("second", [Fault.REFUSED, Fault.UNAUTHORIZED, Fault.PAUSED, *UNKNOWN])
async def test_a_refusal_of_the_second_call_says_nothing_about_the_first(
    office: RefundStage, second: Fault
) -> None:
    refund_id = await office.unknown()
    office.backend.faults.append(second)
    refund = await office.refunds.ask_again(BERT, refund_id)
    assert refund.state is RefundState.UNKNOWN
    actions = {StaffAction.ASK_REFUND_AGAIN, StaffAction.SETTLE_REFUND, StaffAction.VIEW_REFUND}
    assert office.refunds.possible(refund) == actions


@pytest.mark.parametrize(
    ("refunded", "state", "messages"),
    [(True, RefundState.REFUNDED, 1), (False, RefundState.FAILED, 0)],
)
async def test_a_person_settles_what_stays_unknown(
    office: RefundStage, *, refunded: bool, state: RefundState, messages: int
) -> None:
    refund_id = await office.unknown(Fault.REQUEST_LOST)
    office.backend.faults.append(Fault.REQUEST_LOST)
    await office.refunds.ask_again(BERT, refund_id)
    assert (await office.refunds.settle(BERT, refund_id, refunded=refunded)).state is state
    with refused(Refusal.ALREADY_DECIDED):
        await office.refunds.settle(ANNA, refund_id, refunded=not refunded)
    assert len(await office.messages()) == messages
    results = [one for one in await office.trail() if one.action is StaffAction.REFUND_RESULT]
    # The second silence changed nothing, and is no result.
    assert [one.outcome for one in results][0::2][:1] == [AuditOutcome.UNKNOWN]
    assert results[-1].actor_id == BERT
    left = await office.refunds.propose(ANNA, CUSTOMER, "full")
    assert left.refund.amount_minor == (7900 if refunded else 9900)


async def test_the_key_gets_old(office: RefundStage) -> None:
    refund_id = await office.unknown()
    office.wait(hours=23)
    assert StaffAction.ASK_REFUND_AGAIN in office.refunds.possible(await office.row(refund_id))
    office.wait(seconds=1)
    with refused(Refusal.TOO_LATE_TO_ASK):
        await office.refunds.ask_again(ANNA, refund_id)
    possible = office.refunds.possible(await office.row(refund_id))
    assert possible == {StaffAction.SETTLE_REFUND, StaffAction.VIEW_REFUND}
    await office.refunds.settle(ANNA, refund_id, refunded=True)
    assert len(office.backend.asked) == 1


@pytest.mark.parametrize(
    ("answer", "state", "given"),
    [
        (answered(amount_refunded=1500), RefundState.REFUNDED, 1500),
        (answered(amount_refunded=2500), RefundState.REFUNDED, 2500),
        (answered(), RefundState.REFUNDED, 2000),
        (answered(amount_refunded=0), RefundState.REFUNDED, 2000),
        (answered(amount_refunded=-5), RefundState.REFUNDED, 2000),
        (answered(amount_refunded=2**70), RefundState.REFUNDED, 2000),
        (answered(refunded=False, message="no\x00pe " * 200), RefundState.FAILED, 2000),
        (answered(refunded=False, refund_id="re_1"), RefundState.UNKNOWN, 2000),
        (answered(refunded=False, amount_refunded=2000), RefundState.UNKNOWN, 2000),
        (answered(success=False, refund_id="re\x00_1"), RefundState.REFUNDED, 2000),
    ],
)
async def test_odd_answers(
    office: RefundStage, answer: RefundResponse, state: RefundState, given: int
) -> None:
    office.backend.answer = answer
    refund = await office.pay("20")
    assert (refund.state, refund.given_minor, refund.amount_minor) == (state, given, 2000)
    assert await office.row(refund.id) == refund
    office.wait(minutes=1)
    proposal = await office.refunds.propose(ANNA, CUSTOMER, "full")
    if state is RefundState.UNKNOWN:
        assert proposal.refund.id == refund.id
    else:
        left = 9900 - given if state is RefundState.REFUNDED else 9900
        assert proposal.refund.refundable_minor == left


async def test_the_trail_says_when_another_amount_was_given(office: RefundStage) -> None:
    office.backend.answer = answered(amount_refunded=2500)
    await office.pay("20")
    assert (await office.trail())[-1].detail == "25.00 EUR instead of 20.00 EUR"


async def test_stripes_refusal_as_a_500_is_unknown_with_its_words(office: RefundStage) -> None:
    office.backend.paid["by hand, at Stripe"] = Payment(
        OTHER_CUSTOMER, "in_2", 9_900, office.clock.now()
    )
    refund = await office.pay("20", customer=OTHER_CUSTOMER)
    assert refund.state is RefundState.UNKNOWN
    assert refund.error == "Stripe error: Charge already refunded"


async def test_many_lost_ones_are_marked(office: RefundStage) -> None:
    for number in range(3):
        customer = Snowflake(str(700 + number))
        office.backend.bill(customer, invoice_id=f"in_{number}")
        office.backend.faults.append(Fault.KILLED_BEFORE)
        refund_id = await office.proposed("1", customer=customer)
        with pytest.raises(Killed):
            await office.refunds.confirm(ANNA, refund_id)
    office.clock.advance(LOST_AFTER + timedelta(seconds=1))
    assert await office.refunds.mark_lost() == 3
