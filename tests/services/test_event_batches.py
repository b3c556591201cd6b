"""Storing events: each once, by how many processes and how often it is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from moddy.models import EventType, Snowflake
from moddy.services.event_batches import SAME
from moddy.services.events import Events
from moddy.services.occurrences import (
    JSON,
    Occurrence,
    RoleChange,
    audit_key,
    departure_key,
    event_key,
)
from moddy.store.database import Database
from tests.services.event_stage import EventStage
from tests.services.stage import ADA, BEN, GUILD, OTHER_ROLE, PREMIUM_ROLE

FIRST, SECOND = "2025-01-01T12:00:00Z", "2025-01-01T12:00:09Z"
AUTHOR = Snowflake("500000000000000001")
MAX_KEY = 255


class Watcher:
    """One process that sees what happens, over a common store."""

    def __init__(self, stage: EventStage) -> None:
        self._stage = stage
        self._events = stage.make_events()

    async def store(self, *batch: Occurrence) -> None:
        await self._events.store(batch)

    def join(self, moment: str, user_id: Snowflake = ADA) -> Occurrence:
        key = event_key(EventType.MEMBER_JOINED, user_id, moment, guild_id=GUILD)
        return self._stage.make(EventType.MEMBER_JOINED, user_id, key=key)

    def leave(self, joined_at: str | None = None, user_id: Snowflake = ADA) -> Occurrence:
        """A departure; `joined_at` is known of members in the cache."""
        key = None if joined_at is None else departure_key(user_id, joined_at, guild_id=GUILD)
        return self._stage.make(EventType.MEMBER_LEFT, user_id, key=key)

    def roles(
        self,
        *,
        add: Sequence[Snowflake] = (),
        remove: Sequence[Snowflake] = (),
        entry: int | None = None,
        joined_at: str | None = FIRST,
    ) -> Occurrence:
        """A role change; `entry` is the number of its entry in the audit log."""
        change = RoleChange(added=frozenset(add), removed=frozenset(remove))
        more: dict[str, JSON] = {} if entry is None else {"updated_by": str(AUTHOR)}
        key = None if entry is None else audit_key(ADA, entry, guild_id=GUILD)
        return self._stage.make(
            EventType.ROLE_UPDATED, ADA, key=key, membership=joined_at, **change.metadata, **more
        )


@pytest.fixture
def stage(database: Database) -> EventStage:
    return EventStage(database)


@pytest.fixture
def one(stage: EventStage) -> Watcher:
    return Watcher(stage)


@pytest.fixture
def other(stage: EventStage) -> Watcher:
    return Watcher(stage)


async def topics(stage: EventStage) -> list[str]:
    return [row[0].removeprefix("member_") for row in await stage.rows("topic")]


async def test_same_event_is_one(stage: EventStage, one: Watcher, other: Watcher) -> None:
    await asyncio.gather(*(watcher.store(watcher.join(FIRST)) for watcher in [one, other] * 3))
    await one.store(one.join(FIRST), one.join(FIRST))
    assert await topics(stage) == ["joined"]


async def test_two_processes_that_store_the_same_in_another_order(stage: EventStage) -> None:
    """Neither waits for ever for the other's rows, and each event is stored once."""
    users = [Snowflake(1000 + n) for n in range(200)]
    one, other = Watcher(stage), Watcher(stage)
    for _ in range(5):
        await asyncio.gather(
            one.store(*(one.join(FIRST, user_id) for user_id in users)),
            other.store(*(other.join(FIRST, user_id) for user_id in reversed(users))),
        )
    assert sorted(await stage.rows("discord_id")) == sorted((user_id,) for user_id in users)


async def test_two_processes_have_each_event_take_effect_once(stage: EventStage) -> None:
    other = stage.make_events()
    users = [Snowflake(1000 + n % 7) for n in range(60)]

    async def see(events: Events) -> None:
        for number, user_id in enumerate(users):
            key = event_key(EventType.COMMAND_USED, user_id, str(number))
            event = stage.make(EventType.COMMAND_USED, user_id, key=key, number=number)
            await events.store([event])

    async with stage.working(stage.make_worker(other)):
        await asyncio.gather(see(stage.events), see(other))
        await stage.wait_for_states(*["delivered"] * 60)
    assert len(stage.backend.asked) == 60
    for user_id in set(users):
        numbers = [number for number, user in enumerate(users) if user == user_id]
        assert stage.backend.taken[user_id] == numbers


async def test_order_of_a_user_is_kept_within_a_batch(stage: EventStage, one: Watcher) -> None:
    await one.store(one.join(FIRST, BEN), one.join(FIRST), one.leave(FIRST), one.leave(FIRST, BEN))
    rows = await stage.rows("discord_id", "topic")
    for user_id in (ADA, BEN):
        assert [topic for user, topic in rows if user == user_id] == [
            "member_joined",
            "member_left",
        ]


@pytest.mark.parametrize("joined_at", [FIRST, None], ids=["cached", "not cached"])
@pytest.mark.parametrize("also", [FIRST, None], ids=["cached", "not cached"])
async def test_departure_seen_by_two_processes_is_one(
    stage: EventStage, one: Watcher, other: Watcher, joined_at: str | None, also: str | None
) -> None:
    await one.store(one.join(FIRST))
    await one.store(one.leave(joined_at))
    stage.clock.advance(timedelta(seconds=30))
    await other.store(other.leave(also), other.leave(also))
    assert await topics(stage) == ["joined", "left"]


async def test_departure_seen_at_the_same_moment_is_one(
    stage: EventStage, one: Watcher, other: Watcher
) -> None:
    for _ in range(5):
        await asyncio.gather(one.store(one.leave()), other.store(other.leave()))
    assert await topics(stage) == ["left"]


@pytest.mark.parametrize("cached", [True, False])
async def test_every_departure_counts(
    stage: EventStage, one: Watcher, other: Watcher, cached: bool
) -> None:
    for moment in (FIRST, SECOND):
        for watcher in (one, other):
            await watcher.store(watcher.join(moment), watcher.leave(moment if cached else None))
    # Joined and not seen joining: Moddy was down.
    stage.clock.advance(SAME)
    await one.store(one.leave())
    assert await topics(stage) == [*["joined", "left"] * 2, "left"]


async def test_late_process_repeats_a_departure_after_the_return(
    stage: EventStage, one: Watcher, other: Watcher
) -> None:
    """The second one reads its events late: the departure is the one before the return."""
    await one.store(one.join(FIRST), one.leave(FIRST), one.join(SECOND))
    await other.store(other.join(FIRST), other.leave(FIRST))
    await other.store(other.join(SECOND))
    assert await topics(stage) == ["joined", "left", "joined"]


async def test_role_change_from_the_audit_log_is_one(
    stage: EventStage, one: Watcher, other: Watcher
) -> None:
    for watcher in (one, other, one):
        await watcher.store(watcher.roles(add=[PREMIUM_ROLE], entry=1))
    assert await topics(stage) == ["role_updated"]


async def test_the_same_roles_again_are_another_change(stage: EventStage, one: Watcher) -> None:
    """Given, taken and given again within a moment, each with its entry."""
    given = [one.roles(add=[PREMIUM_ROLE], entry=number) for number in (1, 3)]
    await one.store(given[0], one.roles(remove=[PREMIUM_ROLE], entry=2), given[1])
    assert len(await topics(stage)) == 3


async def test_role_change_of_two_processes_of_which_one_has_no_entry(
    stage: EventStage, one: Watcher, other: Watcher
) -> None:
    await one.store(one.roles(add=[PREMIUM_ROLE]))
    await other.store(other.roles(add=[PREMIUM_ROLE], entry=1))
    await other.store(other.roles(remove=[PREMIUM_ROLE], entry=2))
    await one.store(one.roles(remove=[PREMIUM_ROLE]))
    assert len(await topics(stage)) == 2


async def test_role_changes_without_entries(
    stage: EventStage, one: Watcher, other: Watcher
) -> None:
    """The last word about a role is what is not told again; other roles are other changes."""
    given, taken = [PREMIUM_ROLE], [PREMIUM_ROLE]
    for add, remove in ((given, []), ([OTHER_ROLE], []), ([], taken), (given, [])):
        await asyncio.gather(
            *(each.store(each.roles(add=add, remove=remove)) for each in (one, other))
        )
    assert len(await topics(stage)) == 4
    # Taken while Moddy was down, and given again: it has no part in what was told before.
    stage.clock.advance(timedelta(seconds=30))
    after_restart = Watcher(stage)
    await after_restart.store(after_restart.roles(add=[PREMIUM_ROLE]))
    assert len(await topics(stage)) == 5


@pytest.mark.parametrize("late", [1, 2, 4])
async def test_process_that_is_late_with_role_changes(
    stage: EventStage, one: Watcher, other: Watcher, late: int
) -> None:
    """The same role comes and goes, and one of them is some changes behind."""
    changes = [([PREMIUM_ROLE], []), ([], [PREMIUM_ROLE])] * 3
    for number in range(len(changes) + late):
        for watcher, place in ((one, number), (other, number - late)):
            if 0 <= place < len(changes):
                add, remove = changes[place]
                await watcher.store(watcher.roles(add=add, remove=remove))
    assert len(await topics(stage)) == len(changes)


async def test_change_that_is_replayed_after_the_departure(stage: EventStage, one: Watcher) -> None:
    """The same within one membership is a repeat; who returned got the role anew."""
    await one.store(one.join(FIRST), one.roles(add=[PREMIUM_ROLE]), one.leave(FIRST))
    await one.store(one.join(FIRST), one.roles(add=[PREMIUM_ROLE]), one.leave(FIRST))
    assert len(await topics(stage)) == 3
    await one.store(one.join(SECOND), one.roles(add=[PREMIUM_ROLE], joined_at=SECOND))
    assert len(await topics(stage)) == 5


async def test_what_was_seen_long_ago_is_forgotten(stage: EventStage) -> None:
    events = stage.make_events()
    for number in range(5):
        change = RoleChange(added=frozenset({PREMIUM_ROLE}), removed=frozenset())
        await events.store([stage.make(EventType.ROLE_UPDATED, ADA, **change.metadata)])
        stage.clock.advance(SAME * 3)
        assert len(await topics(stage)) == number + 1
        assert len(events._own_changes) == 1


async def test_derived_keys_fit_a_header(stage: EventStage, one: Watcher) -> None:
    longest = Snowflake(2**64 - 1)
    await one.store(one.leave(user_id=longest), one.roles(add=[PREMIUM_ROLE]))
    for (key,) in await stage.rows("idempotency_key"):
        assert key.isascii()
        assert key.isprintable()
        assert len(key) <= MAX_KEY
