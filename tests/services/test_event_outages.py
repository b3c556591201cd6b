"""A backend that is away for long, and a backlog that must not grow without end."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from moddy.errors import BackendUnavailable
from moddy.models import EventType, Snowflake
from moddy.services.events import BATCH
from moddy.store import events as event_store
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind, DeliveryState
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.fakes import START
from tests.services.event_stage import DOWN, EventStage
from tests.services.stage import ADA, BEN

USERS = [Snowflake(1000 + n) for n in range(6)]
EVENT_SWEEP_S = 20.0
DRAIN_S = 600.0


async def drain(stage: EventStage) -> float:
    """Bring the backend back; returns the virtual seconds until it has every event."""
    stage.backend.error = None
    back_at = stage.clock.now()
    while True:
        await stage.events.revive()
        await stage.settle()
        took = stage.clock.now() - back_at
        if sum(map(len, stage.backend.taken.values())) == stage.number:
            return took.total_seconds()
        assert took < timedelta(hours=2)
        stage.clock.advance(timedelta(seconds=EVENT_SWEEP_S))


@pytest.mark.parametrize(
    ("hours", "step_s", "per_step"), [(1, 120.0, 8), (72, 7200.0, 8)], ids=["1 h", "72 h"]
)
async def test_backend_down_for_hours(
    database: Database, hours: int, step_s: float, per_step: int
) -> None:
    """Everything arrives, in each user's order, once, and within ten minutes at the pace."""
    stage = EventStage(database, rate=0.5)  # so that the backlog takes most of those minutes
    stage.backend.error = DOWN
    for _ in range(round(hours * 3600 / step_s)):
        for _ in range(per_step):
            await stage.record(USERS[stage.number % len(USERS)])
        await stage.events.revive()
        await stage.pass_time(step_s)
    assert stage.clock.now() - START == timedelta(hours=hours)
    assert stage.backend.taken == {}
    # At most one probe in a step; the breaker kept the backend from being hammered.
    assert len(stage.backend.asked) < 5 + hours * 3600 / step_s
    took = await drain(stage)
    assert stage.number / stage.rate <= took <= DRAIN_S
    for index, user_id in enumerate(USERS):
        numbers = [n + 1 for n in range(stage.number) if n % len(USERS) == index]
        assert stage.backend.taken[user_id] == numbers
    assert set(await stage.rows("state")) == {("delivered",)}
    # Same key on every try, and another one for every event.
    assert len(set(stage.backend.asked)) == len({key for key, _ in stage.backend.asked})
    assert len(set(stage.backend.asked)) == stage.number


async def test_lonely_event_does_not_wait_out_its_hour(database: Database) -> None:
    stage = EventStage(database)
    stage.backend.error = DOWN
    await stage.record()
    for delay in (0, 1, 5, 30, 120, 600, 1800):
        await stage.pass_time(delay)
        await stage.events.revive()
    assert len(stage.backend.asked) == 7
    assert await drain(stage) <= 1.1 * EVENT_SWEEP_S


async def test_outage_longer_than_any_schedule_gives_no_event_up(database: Database) -> None:
    stage = EventStage(database)
    stage.backend.error = DOWN
    await stage.record(ADA)
    await stage.record(BEN)
    for _ in range(100):
        await stage.pass_time(3600)
        await stage.events.revive()
    assert sum(row[0] for row in await stage.rows("tries")) > 72
    assert await drain(stage) <= 1.1 * EVENT_SWEEP_S


async def test_event_that_fails_while_the_backend_is_well_is_given_up(database: Database) -> None:
    stage = EventStage(database)
    stage.backend.poison[1] = BackendUnavailable("500", status=500)
    await stage.record()
    for _ in range(80):
        await stage.events.revive()
        await stage.pass_time(3600)
    assert await stage.rows("state", "last_error") == [("dead", "backend_unavailable")]


async def test_restart_in_an_outage_revives_too(database: Database) -> None:
    stage = EventStage(database)
    stage.backend.error = DOWN
    await stage.record()
    for delay in (0, 1, 5, 30, 120, 600):
        await stage.pass_time(delay)
    stage.events = stage.make_events()
    stage.deliveries = stage.make_worker(stage.events)
    assert await drain(stage) <= 1.1 * EVENT_SWEEP_S


async def test_single_failing_event_keeps_to_its_schedule(database: Database) -> None:
    """The backend is well: reviving the event again and again would only hammer it."""
    stage = EventStage(database)
    stage.backend.poison[1] = BackendUnavailable("500", status=500)
    await stage.events.revive()
    await stage.record()
    for delay in (0, 1, 5, 30, 120, 599):
        await stage.pass_time(delay)
        assert await stage.events.revive() == 0
    assert len(stage.backend.asked) == 5
    await stage.pass_time(1)
    assert len(stage.backend.asked) == 6


async def test_backend_that_is_well_is_not_asked_how_it_is(database: Database) -> None:
    stage = EventStage(database)
    await stage.events.revive()
    stage.backend.calls.clear()
    await stage.events.revive()
    assert stage.backend.calls == []


async def fill(stage: EventStage, **counts: int) -> None:
    """Store waiting events of these types, in this order, in a few statements."""
    for topic, count in counts.items():
        rows = [
            {
                "id": f"{topic[:9]}{n}",
                "kind": DeliveryKind.EVENT.value,
                "topic": topic,
                "discord_id": ADA,
                "state": DeliveryState.PENDING.value,
                "payload": b"{}",
                "body_hash": b"",
                "tries": 0,
                "due_at": START,
                "created_at": START,
            }
            for n in range(count)
        ]

        async def work(connection: Connection, rows: list[dict[str, object]] = rows) -> None:
            await connection.execute(sa.insert(deliveries), rows)

        await stage.database.transaction(work)


async def remaining(stage: EventStage) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for topic, delivery_id in await stage.rows("topic", "id"):
        found.setdefault(topic, []).append(delivery_id.removeprefix(topic[:9]))
    return found


@pytest.mark.parametrize(
    ("counts", "max_waiting", "left"),
    [
        ({"message_sent": 5, "command_used": 5}, 10, {"message_sent": 5, "command_used": 5}),
        ({"message_sent": 5, "command_used": 5}, 7, {"message_sent": 2, "command_used": 5}),
        ({"command_used": 5, "message_sent": 5}, 7, {"message_sent": 2, "command_used": 5}),
        ({"message_sent": 5, "command_used": 5}, 3, {"command_used": 3}),
        (
            {"member_joined": 4, "message_sent": 3, "member_left": 4, "role_updated": 4},
            10,
            {"member_joined": 4, "member_left": 4, "role_updated": 4},
        ),
    ],
)
async def test_oldest_messages_are_dropped_first_then_commands_and_members_never(
    database: Database, counts: dict[str, int], max_waiting: int, left: dict[str, int]
) -> None:
    stage = EventStage(database, max_waiting=max_waiting)
    await fill(stage, **counts)
    dropped = sum(counts.values()) - sum(left.values())
    assert await stage.events.trim() == dropped
    assert stage.events.dropped == dropped
    assert await remaining(stage) == {
        topic: [str(n) for n in range(counts[topic] - count, counts[topic])]
        for topic, count in left.items()
    }
    assert await stage.events.trim() == 0
    assert stage.events.dropped == dropped


async def test_dropping_is_told_with_its_number(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = EventStage(database, max_waiting=2)
    await fill(stage, message_sent=9)
    await stage.events.trim()
    printed = capsys.readouterr().out
    assert "events dropped" in printed
    assert "7" in printed


async def test_event_in_hand_and_finished_ones_are_not_dropped(database: Database) -> None:
    stage = EventStage(database, max_waiting=1)
    await stage.record(BEN, EventType.MESSAGE_SENT)
    await stage.settle()
    await fill(stage, message_sent=3)
    oldest = (await stage.rows("id"))[1][0]
    assert await stage.lease(oldest) is not None
    assert await stage.events.trim() == 2
    assert [row[0] for row in await stage.rows("state")] == ["delivered", "pending"]
    assert (await stage.rows("id"))[1] == (oldest,)


@pytest.mark.slow
async def test_trimming_100_000_events_holds_nobody_up(database: Database) -> None:
    """It comes in batches, between which others write."""
    stage = EventStage(database, max_waiting=50_000)
    for _ in range(4):
        await fill_many(stage, 25_000)
    longest = 0.0
    writes = 0

    async def write() -> None:
        nonlocal longest, writes
        while not trimming.done():
            started = time.perf_counter()
            await stage.record(BEN, EventType.MEMBER_JOINED)
            longest = max(longest, time.perf_counter() - started)
            writes += 1
            await asyncio.sleep(0.005)

    trimming = asyncio.create_task(stage.events.trim())
    await write()
    # The last batch comes after some of the writes.
    assert 50_000 <= await trimming <= 50_000 + writes
    assert writes > math.floor(50_000 / BATCH / 4)
    assert longest < 1.0
    waiting = await stage.database.read(event_store.count_waiting)
    assert 50_000 <= waiting <= 50_000 + writes


async def fill_many(stage: EventStage, count: int) -> None:
    """Store waiting messages that the database makes up by itself."""
    first = stage.number
    stage.number += count
    numbers = sa.select(sa.literal(first).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < first + count - 1))
    number = numbers.c.n
    columns = ["id", "kind", "topic", "discord_id", "state", "payload", "body_hash", "tries"]
    made = sa.select(
        sa.cast(number, sa.String),
        sa.literal("event"),
        sa.literal("message_sent"),
        sa.cast(number % 1000 + 1, sa.String),
        sa.literal("pending"),
        sa.literal(b"{}", sa.LargeBinary),
        sa.literal(b"", sa.LargeBinary),
        sa.literal(0),
    ).add_columns(*[sa.literal(START, deliveries.c.due_at.type)] * 2)
    query = sa.insert(deliveries).from_select([*columns, "due_at", "created_at"], made)

    async def work(connection: Connection) -> None:
        await connection.execute(query)

    await stage.database.transaction(work)
