"""Recording: what is seen at once, stored in batches, kept while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from moddy.errors import StoreUnavailable
from moddy.models import EventType, Snowflake
from moddy.services.attribution import Departure
from moddy.services.event_recorder import BATCH, EventRecorder
from moddy.services.occurrences import Occurrence, event_key
from moddy.store.database import open_database
from moddy.store.migrate import migrate
from tests.fakes import START
from tests.services.event_stage import EventStage
from tests.services.stage import GUILD, SOON_S

AWAY = StoreUnavailable("gone")


class Shelf:
    """A store; `error` is raised instead of storing, `poison` is what it cannot store."""

    def __init__(self) -> None:
        self.batches: list[list[Occurrence]] = []
        self.error: Exception | None = None
        self.poison: Occurrence | None = None
        self.tries = 0
        self.hangs = False

    async def store(self, batch: Sequence[Occurrence]) -> None:
        self.tries += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        if self.poison in batch:
            raise ValueError("secret words")
        self.batches.append(list(batch))

    @property
    def stored(self) -> list[Occurrence]:
        return [occurrence for batch in self.batches for occurrence in batch]


def make(number: int, event_type: EventType = EventType.MEMBER_JOINED) -> Occurrence:
    user_id = Snowflake(1000 + number)
    return Occurrence(
        event_type=event_type,
        user_id=user_id,
        metadata={"number": number, "guild_id": str(GUILD)},
        seen_at=START,
        key=event_key(event_type, user_id, str(number), guild_id=GUILD),
    )


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@asynccontextmanager
async def running(recorder: EventRecorder) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(recorder.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


async def wait_stored(shelf: Shelf, count: int) -> None:
    async with asyncio.timeout(SOON_S):
        while len(shelf.stored) < count:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.005)


async def wait_tried(shelf: Shelf, times: int) -> None:
    async with asyncio.timeout(SOON_S):
        while shelf.tries < times:  # noqa: ASYNC110 (nothing tells of it)
            await asyncio.sleep(0.001)


async def test_thousand_joins_are_a_few_transactions(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    commits: list[str] = []
    directory = tmp_path_factory.mktemp("burst")
    async with open_database(
        f"sqlite:///{directory / 'moddy.db'}", checkpoint=commits.append
    ) as db:
        await migrate(db)
        stage = EventStage(db)
        recorder = EventRecorder(store=stage.events.store)
        async with running(recorder):
            commits.clear()
            loop = asyncio.get_running_loop()
            ticks = 0

            def tick() -> None:
                nonlocal ticks
                ticks += 1
                loop.call_soon(tick)

            loop.call_soon(tick)
            for number in range(1000):
                recorder.record(make(number))
            # Whoever records waits for nothing: the loop did not even get a turn.
            assert ticks == 0
            while recorder.held:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0.01)
        assert len(await stage.rows("id")) == 1000
        assert len(commits) <= 1000 // BATCH + 1
        assert recorder.held == 0


async def test_events_of_a_moment_share_a_batch(shelf: Shelf) -> None:
    recorder = EventRecorder(store=shelf.store, window=0.02)
    async with running(recorder):
        for number in range(10):
            recorder.record(make(number))
            await asyncio.sleep(0)
        await wait_stored(shelf, 10)
        recorder.record(make(10))
        await wait_stored(shelf, 11)
    assert [len(batch) for batch in shelf.batches] == [10, 1]


async def test_store_that_is_away_gets_everything_later_in_order(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = EventRecorder(store=shelf.store, window=0.0, retry=0.005)
    shelf.error = AWAY
    async with running(recorder):
        for number in range(BATCH + 7):
            recorder.record(make(number))
        await wait_tried(shelf, 3)
        assert shelf.stored == []
        assert recorder.held == BATCH + 7
        shelf.error = None
        await wait_stored(shelf, BATCH + 7)
    assert [one.metadata["number"] for one in shelf.stored] == list(range(BATCH + 7))
    assert recorder.dropped == 0
    # Once for the outage, not for each try.
    assert capsys.readouterr().out.count("store unavailable") == 1


async def test_beyond_the_bound_messages_go_first_then_commands(shelf: Shelf) -> None:
    recorder = EventRecorder(store=shelf.store, max_held=100)
    kinds = [EventType.MEMBER_JOINED, EventType.COMMAND_USED, EventType.MESSAGE_SENT]
    for number in range(300):
        recorder.record(make(number, kinds[number % 3]))
    assert await recorder.flush()
    assert [one.event_type for one in shelf.stored] == [EventType.MEMBER_JOINED] * 100
    assert recorder.dropped == 200
    for number in range(103):
        recorder.record(make(number))
    await recorder.flush()
    # Where there is nothing else, the oldest of the members' events go too.
    assert [one.metadata["number"] for one in shelf.stored[100:]] == list(range(6, 103))
    assert recorder.dropped == 206


async def test_newest_of_a_kind_are_kept(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = EventRecorder(store=shelf.store, max_held=20)
    for number in range(15):
        recorder.record(make(number))
    for number in range(15, 26):
        recorder.record(make(number, EventType.MESSAGE_SENT))
    await recorder.flush()
    numbers = [one.metadata["number"] for one in shelf.stored]
    assert numbers[:15] == list(range(15))
    assert numbers[15:] == list(range(26 - len(numbers[15:]), 26))
    assert recorder.dropped == 26 - len(numbers)
    printed = capsys.readouterr().out
    assert "events dropped" in printed
    assert "message_sent" in printed


async def test_event_that_cannot_be_stored_keeps_no_other(shelf: Shelf) -> None:
    recorder = EventRecorder(store=shelf.store, window=0.0)
    events = [make(number) for number in range(5)]
    shelf.poison = events[2]
    async with running(recorder):
        for event in events:
            recorder.record(event)
        await wait_stored(shelf, 4)
    assert shelf.stored == [*events[:2], *events[3:]]
    assert recorder.dropped == 1


async def test_rest_is_stored_when_it_stops(shelf: Shelf) -> None:
    recorder = EventRecorder(store=shelf.store, window=30.0)
    async with running(recorder):
        await asyncio.sleep(0)
        recorder.record(make(1))
        recorder.attribution.departed(
            make(2, EventType.MEMBER_LEFT), patient=True, otherwise=Departure.LEFT
        )
    assert [one.metadata for one in shelf.stored] == [make(1).metadata, make(2).metadata]


async def test_stop_while_a_batch_is_under_way_stores_it(shelf: Shelf) -> None:
    recorder = EventRecorder(store=shelf.store, window=0.0)
    shelf.hangs = True
    async with running(recorder):
        recorder.record(make(1))
        await wait_tried(shelf, 1)
        shelf.hangs = False
    assert [one.metadata["number"] for one in shelf.stored] == [1]


async def test_stop_while_the_store_is_away_says_what_is_lost(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = EventRecorder(store=shelf.store, window=0.0)
    shelf.error = AWAY
    async with running(recorder):
        for number in range(3):
            recorder.record(make(number))
        await wait_tried(shelf, 1)
    printed = capsys.readouterr().out
    assert "events lost" in printed
    assert "3" in printed


async def test_what_waits_for_its_cause_is_stored_when_it_has_waited(shelf: Shelf) -> None:
    now = 0.0
    recorder = EventRecorder(store=shelf.store, window=0.005, monotonic=lambda: now)
    departure = make(1, EventType.MEMBER_LEFT)
    async with running(recorder):
        recorder.attribution.departed(departure, patient=True, otherwise=Departure.LEFT)
        await asyncio.sleep(0.05)
        assert shelf.stored == []
        now = 60.0
        await wait_stored(shelf, 1)
    assert shelf.stored[0].metadata["reason"] == "left"
