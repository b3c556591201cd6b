"""How many requests may be in hand at once, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from moddy.web.places import Places
from moddy.web.refusals import Refusal

SOON = 0.05  # seconds


async def hold(places: Places, seconds: float) -> None:
    """Be in hand for so long."""
    with places:
        await asyncio.sleep(seconds)


async def test_one_that_takes_too_long_leaves_with_a_timeout() -> None:
    places = Places(1, seconds=SOON)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await asyncio.create_task(hold(places, 10))
    await hold(places, 0)


async def test_each_has_its_own_time() -> None:
    places = Places(3, seconds=2 * SOON)
    loop = asyncio.get_running_loop()

    async def lasts() -> float:
        started = loop.time()
        with pytest.raises(TimeoutError):
            await hold(places, 10)
        return loop.time() - started

    first = asyncio.create_task(lasts())
    passing = asyncio.create_task(hold(places, 0))
    await asyncio.sleep(SOON)
    second = asyncio.create_task(lasts())
    for one in (first, second):
        assert 2 * SOON <= await one + 0.01 < 2 * SOON + 1
    await passing


async def test_one_that_goes_on_after_its_timeout_is_let_go_on() -> None:
    """As with `asyncio.timeout`: what swallows the cancellation has an answer after all."""
    places = Places(1, seconds=SOON)

    async def swallow() -> str:
        with places:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                await asyncio.sleep(2 * SOON)
            return "done"

    task = asyncio.create_task(swallow())
    assert await task == "done"
    assert task.cancelling() == 0
    await hold(places, 0)


async def test_somebody_elses_cancellation_goes_on() -> None:
    places = Places(1, seconds=SOON)
    early = asyncio.create_task(hold(places, 10))
    await asyncio.sleep(0)
    early.cancel()
    with pytest.raises(asyncio.CancelledError):
        await early

    async def cancelled_when_late() -> None:
        with places:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                late.cancel()
                await asyncio.sleep(10)

    late = asyncio.create_task(cancelled_when_late())
    with pytest.raises(asyncio.CancelledError):
        await late
    await hold(places, 0)


async def test_nobody_waits_for_a_place() -> None:
    places = Places(1, seconds=10)
    holder = asyncio.create_task(hold(places, SOON))
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await hold(places, 0)
    assert refused.value.status == 503
    await holder
    await hold(places, 0)
