"""How long a request waits for Discord: not when others wait in vain."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from moddy.models import Snowflake
from moddy.services import answers
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.discord_gate import (
    FORGET_AFTER,
    HANGING_AFTER,
    SEVERAL,
    SLOW_AFTER,
    DiscordGate,
)
from moddy.services.intake import Accepted
from moddy.store.deliveries import Answer, Delivery, DeliveryKind, DeliveryState, Outcome
from tests.services.stage import Stage

NOTIFY = DeliveryKind.NOTIFY
LONG = 60.0
# Seconds in which nobody has waited for anything but the store, also on a machine under load.
AT_ONCE = SLOW_AFTER / 2


class Now:
    """A clock that moves only by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class HangingDiscord:
    """Deliveries to a Discord that takes calls, and answers none before `answers` is set."""

    def __init__(self, stage: Stage, gate: DiscordGate) -> None:
        self.answers = asyncio.Event()
        self.calls = 0
        self._called = asyncio.Semaphore(0)
        self._numbers = itertools.count()
        self._stage = stage
        self._gate = gate
        stage.deliveries = Deliveries(
            database=stage.database,
            clock=stage.clock,
            carriers={
                NOTIFY: Carrier(
                    attempt=self._attempt,
                    is_ready=lambda: gate.allows(NOTIFY),
                    until_hanging=gate.until_hanging,
                    guard=gate.attempt,
                )
            },
        )

    async def _attempt(self, delivery: Delivery) -> Outcome:
        number = next(self._numbers)
        self._gate.asked(number)
        self.calls += 1
        self._called.release()
        await self.answers.wait()
        self._gate.answered(number, 200)
        return await self._stage.notifications.attempt(delivery)

    async def wait_calls(self, number: int) -> None:
        """Return once so many more calls have been taken."""
        async with asyncio.timeout(5):
            for _ in range(number):
                await self._called.acquire()


async def ask(stage: Stage, number: int) -> tuple[list[Accepted], list[asyncio.Task[Answer]]]:
    """Accept notices to so many users and wait for their answers."""
    accepted = [await stage.accept_notice(user_id=Snowflake(1 + n)) for n in range(number)]
    return accepted, [asyncio.create_task(stage.answer(one, LONG)) for one in accepted]


async def test_all_that_wait_are_let_go_and_the_next_do_not_wait(stage: Stage) -> None:
    discord = HangingDiscord(stage, DiscordGate())
    started = time.monotonic()
    accepted, asking = await ask(stage, 2 * SEVERAL)
    assert await asyncio.gather(*asking) == [answers.NOTIFY_QUEUED] * len(accepted)
    assert SLOW_AFTER < time.monotonic() - started < HANGING_AFTER
    late = await stage.accept_notice()
    started = time.monotonic()
    assert await stage.answer(late, LONG) == answers.NOTIFY_QUEUED
    assert time.monotonic() - started < AT_ONCE
    assert discord.calls == len(accepted)  # nor is a further one tried
    discord.answers.set()
    async with stage.working():
        for one in (*accepted, late):
            await stage.wait_for_state(one, DeliveryState.DELIVERED)
    assert discord.calls == len(stage.messenger.asked) == len(accepted) + 1


@pytest.mark.parametrize("number", [1, SEVERAL - 1])
async def test_one_slow_answer_is_waited_for(stage: Stage, number: int) -> None:
    now = Now()
    discord = HangingDiscord(stage, DiscordGate(clock=now))
    _, asking = await ask(stage, number)
    await discord.wait_calls(number)
    now.seconds += HANGING_AFTER - 0.1
    await asyncio.wait(asking, timeout=SLOW_AFTER + 0.1)
    assert not any(one.done() for one in asking)
    discord.answers.set()
    assert await asyncio.gather(*asking) == [answers.NOTIFY_DELIVERED] * number


def test_slow_is_measured_by_what_is_usual() -> None:
    now = Now()
    gate = DiscordGate(clock=now)
    for call in range(20):
        gate.asked(call)
        now.seconds += 0.4
        gate.answered(call, 200)
    gate.asked(20)
    now.seconds += 2 * SLOW_AFTER
    assert not gate.is_slow
    now.seconds += HANGING_AFTER - 2 * SLOW_AFTER + 0.1
    assert gate.is_slow


async def test_one_that_hangs_is_not(stage: Stage) -> None:
    now = Now()
    discord = HangingDiscord(stage, DiscordGate(clock=now))
    (accepted,), asking = await ask(stage, 1)
    await discord.wait_calls(1)
    now.seconds += HANGING_AFTER + 0.1
    async with asyncio.timeout(HANGING_AFTER):
        assert await asking[0] == answers.NOTIFY_QUEUED
    discord.answers.set()
    await stage.wait_for_state(accepted, DeliveryState.DELIVERED)


@pytest.mark.parametrize(("waited", "hangs"), [(SLOW_AFTER, False), (SLOW_AFTER + 0.1, True)])
def test_given_up_in_vain_is_remembered_until_an_answer(waited: float, hangs: bool) -> None:
    """Otherwise whoever comes after a call's own deadline would find out anew by waiting."""
    now = Now()
    gate = DiscordGate(clock=now)
    gate.asked(1)
    now.seconds += waited
    gate.answered(1, None)
    assert gate.is_hanging == hangs
    assert gate.allows(NOTIFY)  # one has to try
    gate.asked(2)
    gate.answered(2, 200)
    assert not gate.is_hanging


def test_given_up_in_vain_is_forgotten() -> None:
    now = Now()
    gate = DiscordGate(clock=now)
    gate.asked(1)
    now.seconds += HANGING_AFTER
    gate.answered(1, None)
    now.seconds += FORGET_AFTER
    assert not gate.is_hanging
