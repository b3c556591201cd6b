"""Events for the backend: each delivered once, in order, whatever the backend does."""

from __future__ import annotations

import asyncio

import pytest

from moddy.breaker import BreakerOpen, BreakerState
from moddy.errors import (
    BackendContractBroken,
    BackendError,
    BackendNotFound,
    BackendRefused,
    BackendUnauthorized,
    BackendUnavailable,
)
from moddy.models import EventType, Snowflake
from moddy.services.events import Events
from moddy.services.occurrences import event_key
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind
from tests.services.event_stage import DOWN, EventStage
from tests.services.stage import ADA, BEN, GUILD, SOON_S

JOINED_AT = "2025-01-01T12:00:00Z"
MAX_KEY = 255


@pytest.fixture
def stage(database: Database) -> EventStage:
    return EventStage(database)


async def test_event_is_delivered_as_it_was_recorded(stage: EventStage) -> None:
    async with stage.working():
        await stage.record(ADA, EventType.MEMBER_JOINED)
        await stage.wait_for_states("delivered")
    assert stage.backend.calls == [
        ("notify_event", EventType.MEMBER_JOINED, ADA, {"number": 1, "guild_id": GUILD}),
    ]
    assert await stage.rows("kind", "topic", "idempotency_key", "answer_status", "tries") == [
        ("event", "member_joined", f"member_joined:-:{ADA}:1", None, 1)
    ]


def test_key_tells_events_apart_and_fits_a_header() -> None:
    longest = Snowflake(2**64 - 1)
    keys = [
        event_key(kind, user, moment, guild_id=guild)
        for kind in EventType
        for user in (ADA, longest)
        for moment in (JOINED_AT, "2025-01-01T12:00:00.000001Z")
        for guild in (None, GUILD, longest)
    ]
    assert len(set(keys)) == len(keys)
    assert all(key.isascii() and key.isprintable() and " " not in key for key in keys)
    assert max(map(len, keys)) <= MAX_KEY
    assert keys[0] == event_key(EventType.MEMBER_JOINED, ADA, JOINED_AT)


@pytest.mark.parametrize(
    "error",
    [DOWN, BackendUnauthorized("secrets differ", status=401), BackendContractBroken("a page")],
)
async def test_what_may_pass_is_tried_again_with_the_same_key(
    stage: EventStage, error: BackendError
) -> None:
    stage.backend.error = error
    await stage.record()
    for delay in (0, 1, 5, 30):
        await stage.pass_time(delay)
    stage.backend.error = None
    await stage.pass_time(120)
    assert len(stage.backend.asked) == 5
    assert len(set(stage.backend.asked)) == 1
    assert stage.backend.taken == {ADA: [1]}
    assert await stage.rows("state") == [("delivered",)]


async def test_retry_after_is_honoured(stage: EventStage) -> None:
    stage.backend.error = BackendUnavailable("busy", status=429, retry_after=90.0)
    await stage.record()
    await stage.settle()
    stage.backend.error = None
    await stage.pass_time(89)
    assert len(stage.backend.asked) == 1
    await stage.pass_time(1)
    assert stage.backend.taken == {ADA: [1]}


@pytest.mark.parametrize(
    "error", [BackendRefused("no", status=422), BackendNotFound("none", status=404)]
)
async def test_refusal_is_for_good_and_holds_up_nobody(
    stage: EventStage, error: BackendError
) -> None:
    stage.backend.poison[await stage.record(ADA)] = error
    await stage.record(ADA)
    await stage.settle()
    assert await stage.rows("state") == [("refused",), ("delivered",)]
    await stage.pass_time(3600)
    assert [number for _, number in stage.backend.asked] == [1, 2]
    assert (await stage.rows("last_error"))[0] == (error.code,)


async def test_event_that_the_backend_says_it_did_not_receive(stage: EventStage) -> None:
    stage.backend.received = False
    await stage.record()
    async with stage.working():
        await stage.wait_for_states("refused")
    assert await stage.rows("last_error") == [("event_not_received",)]


async def test_poisonous_event_does_not_hold_up_other_users(stage: EventStage) -> None:
    stage.backend.poison[await stage.record(ADA)] = BackendUnavailable("500", status=500)
    await stage.record(ADA)
    others = [Snowflake(1000 + n) for n in range(20)]
    for user_id in others:
        await stage.record(user_id)
    await stage.settle()
    assert stage.backend.taken == {user_id: [n] for n, user_id in enumerate(others, start=3)}


async def test_attempt_while_the_breaker_is_open_costs_no_try(stage: EventStage) -> None:
    stage.backend.error = DOWN
    for n in range(30):
        await stage.record(Snowflake(1000 + n))
    await stage.settle()
    assert stage.backend.breaker.state is BreakerState.OPEN
    asked = len(stage.backend.asked)
    for _ in range(4):
        await stage.pass_time(2)
    assert len(stage.backend.asked) == asked
    # Half-open: of everything that is due, one goes through.
    await stage.pass_time(2)
    assert len(stage.backend.asked) == asked + 1
    assert sum(row[0] for row in await stage.rows("tries")) == asked + 1


async def test_paused_event_says_when_to_come_back(stage: EventStage) -> None:
    stage.backend.error = DOWN
    for n in range(5):
        await stage.record(Snowflake(1000 + n))
    await stage.settle()
    await stage.record(BEN)
    (row,) = (row for row in await stage.rows("id", "discord_id") if row[1] == BEN)
    leased = await stage.lease(row[0])
    assert leased is not None
    assert leased.kind is DeliveryKind.EVENT
    with pytest.raises(BreakerOpen) as caught:
        await stage.events.attempt(leased)
    assert caught.value.retry_after == 10


async def test_pace_is_a_bounded_rate(stage: EventStage) -> None:
    events = Events(
        database=stage.database,
        clock=stage.clock,
        backend=stage.backend,
        wake=lambda: None,
        rate=200.0,
    )
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with asyncio.timeout(SOON_S):
        await asyncio.gather(*(events.pace(ADA) for _ in range(80)))
    # A burst of 20, and 60 at 200 a second.
    assert loop.time() - started >= 0.28
