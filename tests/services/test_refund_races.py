"""Crashes in the middle of a refund, late answers, and races between two processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any, cast

import pytest
from msgspec import structs

from moddy.errors import StaffRefused, StoreUnavailable
from moddy.models import Snowflake
from moddy.services.refund_calls import LOST_AFTER
from moddy.services.refund_rules import Limits
from moddy.services.refunds import Refunds
from moddy.staff import Refusal
from moddy.store.database import Database, open_database
from moddy.store.refunds import Refund, RefundState
from moddy.store.transactions import Work
from tests.fakes import Gate
from tests.services.refund_stage import (
    ANNA,
    BERT,
    Fault,
    Killed,
    RefundStage,
)

SOON_S = 10


@pytest.fixture
async def neighbour(office: RefundStage, migrated_url: str) -> AsyncIterator[Refunds]:
    """Another process over the same store, with the same backend and the same time."""
    async with open_database(migrated_url) as opened:
        yield RefundStage(opened, backend=office.backend, clock=office.clock).refunds


class Vanishing:
    """A store that can go away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_away = False

    async def read(self, work: Work[Any]) -> Any:
        return await self._database.read(work)

    async def transaction(self, work: Work[Any], *, about: str = "") -> Any:
        if self.is_away:
            raise StoreUnavailable("OperationalError")
        return await self._database.transaction(work, about=about)


async def outcomes(*steps: Awaitable[Refund]) -> list[RefundState | Refusal]:
    """Take steps at once."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    found: list[RefundState | Refusal] = []
    for result in results:
        assert isinstance(result, Refund | StaffRefused), result
        found.append(result.state if isinstance(result, Refund) else result.refusal)
    return found


@pytest.mark.parametrize("fault", [Fault.KILLED_BEFORE, Fault.KILLED_AFTER])
async def test_a_crash_between_the_intent_and_the_answer(
    office: RefundStage, neighbour: Refunds, fault: Fault
) -> None:
    office.backend.faults.append(fault)
    refund_id = await office.proposed()
    with pytest.raises(Killed):
        await office.refunds.confirm(ANNA, refund_id)
    assert (await office.row(refund_id)).state is RefundState.SENDING
    assert await neighbour.mark_lost() == 0
    office.clock.advance(LOST_AFTER)
    assert await neighbour.mark_lost() == 0
    office.wait(seconds=1)
    assert await neighbour.mark_lost() == 1
    assert await neighbour.mark_lost() == 0
    assert (await office.row(refund_id)).state is RefundState.UNKNOWN
    assert (await neighbour.ask_again(BERT, refund_id)).state is RefundState.REFUNDED
    assert [payment.amount_minor for payment in office.backend.paid.values()] == [2000]
    assert len(await office.messages()) == 1


async def test_the_store_is_away_when_the_backend_has_answered(office: RefundStage) -> None:
    store = Vanishing(office.database)
    refund_id = await office.proposed()

    async def lose_store(_refund: Refund) -> None:
        store.is_away = True

    stage = RefundStage(cast("Database", store), backend=office.backend, clock=office.clock)
    refund = await stage.refunds.confirm(ANNA, refund_id, show=lose_store)
    assert refund.state is RefundState.SENDING
    assert (await office.row(refund_id)).state is RefundState.SENDING
    office.wait(seconds=31)
    await office.refunds.mark_lost()
    assert (await office.refunds.ask_again(ANNA, refund_id)).state is RefundState.REFUNDED
    assert len(office.backend.paid) == 1


async def test_a_process_that_stood_still_asks_no_more(
    office: RefundStage, neighbour: Refunds
) -> None:
    refund_id = await office.proposed()

    async def stand_still(_refund: Refund) -> None:
        office.wait(seconds=40)
        await neighbour.mark_lost()

    refund = await office.refunds.confirm(ANNA, refund_id, show=stand_still)
    assert refund.state is RefundState.FAILED
    assert office.backend.asked == []


@pytest.mark.parametrize("late", [Fault.NONE, Fault.REFUSED, Fault.ANSWER_LOST])
async def test_an_answer_that_comes_after_it_was_given_up(
    office: RefundStage, neighbour: Refunds, late: Fault
) -> None:
    refund_id = await office.proposed()
    office.backend.faults.append(late)
    office.backend.refund_gate.close()
    slow = asyncio.create_task(office.refunds.confirm(ANNA, refund_id))
    await office.backend.refund_gate.reached.wait()
    office.wait(seconds=31)
    assert await neighbour.mark_lost() == 1
    office.backend.refund_gate.open()
    expected = {
        Fault.NONE: RefundState.REFUNDED,
        Fault.REFUSED: RefundState.FAILED,
        Fault.ANSWER_LOST: RefundState.UNKNOWN,
    }[late]
    assert (await slow).state is expected
    assert (await office.row(refund_id)).state is expected
    assert len(await office.messages()) == (late is Fault.NONE)


@pytest.mark.parametrize("first", [Fault.REFUSED, Fault.REQUEST_LOST])
async def test_a_late_answer_of_the_first_call_does_not_speak_for_the_second(
    office: RefundStage, neighbour: Refunds, first: Fault
) -> None:
    """Else a refund under way would count as failed, and one more be possible beside it."""
    refund_id = await office.proposed()
    office.backend.refund_gate.close()
    slow = asyncio.create_task(office.refunds.confirm(ANNA, refund_id))
    await office.backend.refund_gate.reached.wait()
    office.wait(seconds=31)
    await neighbour.mark_lost()
    first_gate, office.backend.refund_gate = office.backend.refund_gate, Gate()
    office.backend.refund_gate.close()
    again = asyncio.create_task(neighbour.ask_again(BERT, refund_id))
    await office.backend.refund_gate.reached.wait()
    # The first call's answer arrives while the second is under way.
    office.backend.faults[:] = [first, Fault.ANSWER_LOST]
    first_gate.open()
    await slow
    assert (await office.row(refund_id)).state is RefundState.SENDING
    office.backend.refund_gate.open()
    await again
    row = await office.row(refund_id)
    assert (row.state, row.asks) == (RefundState.UNKNOWN, 2)
    assert (await office.refunds.ask_again(ANNA, refund_id)).state is RefundState.REFUNDED
    assert len(office.backend.paid) == 1
    assert len(await office.messages()) == 1


async def test_money_that_went_after_all_overrides_what_a_person_said(
    office: RefundStage, neighbour: Refunds
) -> None:
    refund_id = await office.proposed()
    office.backend.refund_gate.close()
    slow = asyncio.create_task(office.refunds.confirm(ANNA, refund_id))
    await office.backend.refund_gate.reached.wait()
    row = await office.row(refund_id)
    await office.save(
        structs.replace(row, state=RefundState.FAILED, finished_at=office.clock.now()), row
    )
    office.backend.refund_gate.open()
    assert (await slow).state is RefundState.REFUNDED
    assert len(await office.messages()) == 1


@pytest.mark.parametrize("round_", range(3))
async def test_a_double_press_in_two_processes_pays_once(
    office: RefundStage, neighbour: Refunds, round_: int
) -> None:
    refund_id = await office.proposed()
    presses = [refunds.confirm(ANNA, refund_id) for refunds in (office.refunds, neighbour) * 3]
    async with asyncio.timeout(SOON_S):
        found = await outcomes(*presses)
    assert sorted(map(str, found)) == sorted(
        map(str, [RefundState.REFUNDED, *[Refusal.ALREADY_DECIDED] * 5])
    )
    assert len(office.backend.asked) == 1


async def test_confirm_approve_and_cancel_at_once(office: RefundStage, neighbour: Refunds) -> None:
    refund_id = await office.proposed("60")
    await outcomes(office.refunds.confirm(ANNA, refund_id), neighbour.approve(BERT, refund_id))
    found = await outcomes(
        office.refunds.approve(BERT, refund_id),
        neighbour.approve(BERT, refund_id),
        neighbour.cancel(ANNA, refund_id),
        office.refunds.reject(BERT, refund_id),
    )
    done = [one for one in found if isinstance(one, RefundState)]
    row = await office.row(refund_id)
    assert len(office.backend.asked) == (row.state is RefundState.REFUNDED)
    assert done in ([row.state], [])


async def test_two_agents_at_once_for_one_customer(office: RefundStage, neighbour: Refunds) -> None:
    ids = [await office.proposed("20"), await office.proposed("full", agent=BERT)]
    found = await outcomes(office.refunds.confirm(ANNA, ids[0]), neighbour.confirm(BERT, ids[1]))
    assert len([one for one in found if isinstance(one, RefundState)]) == 1
    assert sum(payment.amount_minor for payment in office.backend.paid.values()) in (0, 2000)


@pytest.mark.parametrize("round_", range(4))
async def test_the_cap_holds_for_one_agent_in_two_processes(
    office: RefundStage, migrated_url: str, round_: int
) -> None:
    limits = Limits(approval_above=5000, daily_cap=5000)
    customers = [Snowflake(str(700 + number)) for number in range(6)]
    async with open_database(migrated_url) as opened:
        stages = [
            RefundStage(one, backend=office.backend, clock=office.clock, limits=limits)
            for one in (office.database, opened)
        ]
        for one in customers:
            office.backend.bill(one, invoice_id=f"in_{one}")
        ids = [await office.proposed("30", customer=one) for one in customers]
        found = await outcomes(
            *(stages[n % 2].refunds.confirm(ANNA, refund_id) for n, refund_id in enumerate(ids))
        )
    assert sorted(map(str, found)) == sorted(
        map(str, [RefundState.REFUNDED, *[Refusal.DAILY_CAP] * 5])
    )
    assert [payment.amount_minor for payment in office.backend.paid.values()] == [3000]
