"""When Discord is called at all."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from moddy.breaker import BreakerOpen
from moddy.errors import DirectMessagesClosed, DiscordUnavailable
from moddy.models import Snowflake
from moddy.services.deliveries import Carrier, Deliveries
from moddy.services.discord_gate import (
    DM_PAUSE,
    FAILURES_TO_OPEN,
    FORGET_AFTER,
    INVALID_LIMIT,
    INVALID_MAX,
    INVALID_WINDOW,
    LONGEST_DM_PAUSE,
    OPEN_SECONDS,
    SLOW_AFTER,
    DiscordGate,
)
from moddy.store.deliveries import Delivery, DeliveryKind, Outcome
from tests.services.stage import Stage

NOTIFY, ROLES = DeliveryKind.NOTIFY, DeliveryKind.ROLES
OUTAGE = DiscordUnavailable("502", outage=True)
LIMITED = DiscordUnavailable("429")
TOO_FAST = DiscordUnavailable("too fast", discord_code=40003)


class Now:
    """A clock that moves only by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def gate(now: Now) -> DiscordGate:
    return DiscordGate(clock=now)


def attempt(gate: DiscordGate, kind: DeliveryKind, error: Exception | None = None) -> None:
    """Make an attempt that ends so."""
    if error is None:
        with gate.attempt(kind):
            return
    with pytest.raises(type(error)), gate.attempt(kind):
        raise error


def test_an_outage_is_asked_about_now_and_then(gate: DiscordGate, now: Now) -> None:
    for _ in range(FAILURES_TO_OPEN):
        assert gate.allows(NOTIFY)
        attempt(gate, NOTIFY, OUTAGE)
    assert not gate.allows(NOTIFY)
    assert not gate.allows(ROLES)
    with pytest.raises(BreakerOpen), gate.attempt(ROLES):
        pytest.fail("it was made")
    now.seconds += OPEN_SECONDS
    assert gate.allows(ROLES)
    attempt(gate, ROLES)
    assert gate.allows(NOTIFY)


@pytest.mark.parametrize("error", [LIMITED, DirectMessagesClosed("closed")])
def test_what_is_no_outage_stops_nothing(gate: DiscordGate, error: Exception) -> None:
    for _ in range(3 * FAILURES_TO_OPEN):
        attempt(gate, NOTIFY, error)
    assert gate.allows(NOTIFY)


def test_opening_messages_too_fast_pauses_them_and_leaves_roles_running(
    gate: DiscordGate, now: Now
) -> None:
    attempt(gate, NOTIFY, TOO_FAST)
    attempt(gate, NOTIFY, TOO_FAST)  # was under way already
    assert not gate.allows(NOTIFY)
    assert gate.allows(ROLES)
    attempt(gate, ROLES)
    now.seconds += DM_PAUSE
    assert gate.allows(NOTIFY)


def test_the_pause_grows_until_a_message_gets_through(gate: DiscordGate, now: Now) -> None:
    for pause in (30.0, 60.0, 120.0, 240.0, 480.0, LONGEST_DM_PAUSE, LONGEST_DM_PAUSE):
        attempt(gate, NOTIFY, TOO_FAST)
        now.seconds += pause - 1
        assert not gate.allows(NOTIFY)
        now.seconds += 1
        assert gate.allows(NOTIFY)
    attempt(gate, NOTIFY)
    attempt(gate, NOTIFY, TOO_FAST)
    now.seconds += DM_PAUSE
    assert gate.allows(NOTIFY)


@pytest.mark.parametrize("status", [401, 403, 429])
def test_invalid_answers_stay_under_a_thousand_in_ten_minutes(
    gate: DiscordGate, now: Now, status: int
) -> None:
    made = 0
    for call in range(2000):
        if gate.allows(ROLES):
            gate.asked(call)
            gate.answered(call, status)
            made += 1
        now.seconds += 0.1
    assert made == INVALID_LIMIT < 1000
    now.seconds += INVALID_WINDOW
    assert gate.allows(ROLES)


def test_other_answers_are_not_counted(gate: DiscordGate) -> None:
    for call in range(2 * INVALID_LIMIT):
        gate.asked(call)
        gate.answered(call, 404 if call % 2 else 200)
    assert gate.allows(NOTIFY)


def test_slow_is_when_one_waits_and_no_other_is_answered(gate: DiscordGate, now: Now) -> None:
    gate.asked(1)
    now.seconds += SLOW_AFTER
    assert not gate.is_slow
    gate.asked(2)
    gate.answered(2, 200)
    now.seconds += SLOW_AFTER
    assert not gate.is_slow
    now.seconds += 0.1
    assert gate.is_slow
    assert not gate.allows(NOTIFY)
    gate.answered(1, None)
    assert not gate.is_slow


def test_a_call_whose_end_is_never_told_is_forgotten(gate: DiscordGate, now: Now) -> None:
    gate.asked(1)
    now.seconds += FORGET_AFTER
    assert not gate.is_slow


@pytest.mark.parametrize("at_once", [1, 300])
def test_attempts_under_way_cannot_go_over_the_limit(gate: DiscordGate, at_once: int) -> None:
    """An attempt makes several calls, and none of its own counts before it is answered."""
    made = 0
    with gate.attempt(NOTIFY):
        for wave in range(0, 2000, at_once):
            asked = []
            for call in range(wave, wave + at_once):
                try:
                    gate.asked(call)
                except DiscordUnavailable:
                    continue
                asked.append(call)
            for call in asked:
                gate.answered(call, 429)
            made += len(asked)
    assert INVALID_LIMIT <= made == INVALID_MAX < 1000
    gate.asked(-1)  # an answer to a command is not held back


@pytest.mark.slow
async def test_after_a_storm_everything_is_delivered(
    stage: Stage, gate: DiscordGate, now: Now
) -> None:
    """Each attempt is limited five times, as often as discord.py repeats it."""
    users = [Snowflake(10**17 + number) for number in range(400)]
    storm, limited, calls = True, 0, itertools.count()

    async def attempt(delivery: Delivery) -> Outcome:
        nonlocal limited
        for _ in range(5 if storm else 1):
            call = next(calls)
            gate.asked(call)
            await asyncio.sleep(0)
            gate.answered(call, 429 if storm else 200)
            limited += storm
        if storm:
            raise LIMITED
        return await stage.notifications.attempt(delivery)

    stage.deliveries = Deliveries(
        database=stage.database,
        clock=stage.clock,
        carriers={
            NOTIFY: Carrier(
                attempt=attempt, is_ready=lambda: gate.allows(NOTIFY), guard=gate.attempt
            )
        },
    )
    async with stage.working():
        accepted = await asyncio.gather(*(stage.accept_notice(user_id=user) for user in users))
        await asyncio.gather(*(stage.answer(one) for one in accepted))
        for _ in range(20):
            stage.tick(60)
            await asyncio.sleep(0.02)
        assert INVALID_LIMIT <= limited < 1000
        storm = False
        now.seconds += INVALID_WINDOW
        async with asyncio.timeout(20):
            while len(stage.messenger.sent) < len(users):
                stage.tick(3600)
                await asyncio.sleep(0.05)
    assert len({one.nonce for one in stage.messenger.sent}) == len(users)
