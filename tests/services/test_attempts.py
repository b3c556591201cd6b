"""What is left of an attempt that could not be recorded, or not be finished."""

from __future__ import annotations

import asyncio

import pytest

from moddy.errors import StoreUnavailable
from moddy.services import answers
from moddy.services.deliveries import Carrier, Deliveries
from moddy.store.deliveries import LEASE, DeliveryKind, DeliveryState
from tests.services.stage import Stage


async def test_nothing_when_somebody_else_finishes_it(stage: Stage) -> None:
    def lose_store(checkpoint: str) -> None:
        if checkpoint == "after send":
            raise StoreUnavailable("locked")

    deliveries = Deliveries(
        database=stage.database,
        clock=stage.clock,
        carriers={DeliveryKind.NOTIFY: Carrier(attempt=stage.notifications.attempt)},
        checkpoint=lose_store,
    )
    accepted = await stage.accept_notice()
    assert await deliveries.answer(accepted, within=5) == answers.NOTIFY_QUEUED
    assert await stage.column(accepted, "leased_until") is not None
    stage.clock.advance(LEASE)
    async with stage.working():  # another process
        await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert not deliveries._attempts.running
    assert not deliveries._attempts._leases_left


@pytest.mark.slow
async def test_no_lease_when_it_is_cancelled_at_the_end(stage: Stage) -> None:
    stage.messenger.gate.close()
    accepted = await stage.accept_notice()
    async with stage.working():
        await stage.messenger.gate.reached.wait()
        assert await stage.column(accepted, "leased_until") is not None
    assert await stage.column(accepted, "leased_until") is None
    assert await stage.column(accepted, "sending_since") is not None
    stage.messenger.gate.open()
    stage.deliveries = stage.make_worker()
    async with asyncio.timeout(5), stage.working():
        await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
