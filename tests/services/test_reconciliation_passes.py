"""The passes over the guild: when they are, what holds them up, and what they hold back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import sqlalchemy as sa

from moddy.errors import DiscordRefused, DiscordUnavailable, GuildNotFound
from moddy.models import Snowflake
from moddy.store.database import Database
from tests.services.stage import ADA, BEN
from tests.services.watch import BRAKE, INTERVAL, Watch

MANY = [Snowflake(10**17 + number) for number in range(1000, 1000 + BRAKE + 2)]


@asynccontextmanager
async def refusing(database: Database, user_id: Snowflake) -> AsyncIterator[None]:
    """Have the store refuse every delivery to one user."""
    if database.is_sqlite:
        first = (
            "CREATE TRIGGER refusing BEFORE INSERT ON deliveries "
            f"WHEN NEW.discord_id = '{user_id}' BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
        last = "DROP TRIGGER refusing"
    else:
        check = f"CHECK (discord_id <> '{user_id}') NOT VALID"
        first = f"ALTER TABLE deliveries ADD CONSTRAINT refusing {check}"
        last = "ALTER TABLE deliveries DROP CONSTRAINT refusing"
    await database.transaction(lambda c: c.execute(sa.text(first)))
    try:
        yield
    finally:
        await database.transaction(lambda c: c.execute(sa.text(last)))


async def test_a_member_whom_discord_refuses_is_tried_once_an_hour(watch: Watch) -> None:
    watch.stage.roles.add_member(ADA)
    await watch.make_premium(ADA)
    watch.stage.roles.change_error = DiscordRefused("x")
    for _ in range(5):
        await watch.reconcile()
    assert len(await watch.repairs()) == 1
    watch.stage.roles.change_error = None
    watch.stage.clock.advance(timedelta(hours=1))
    await watch.reconcile()
    assert watch.has_role(ADA)


async def test_one_bad_member_ends_no_sweep(watch: Watch) -> None:
    await watch.give(ADA, BEN)
    watch.stage.roles.members[ADA].clear()
    watch.stage.roles.members[BEN].clear()
    async with refusing(watch.stage.database, ADA):
        await watch.reconcile()
    assert (watch.has_role(ADA), watch.has_role(BEN)) == (False, True)
    assert watch.counters.failed == 1
    await watch.reconcile()
    assert watch.has_role(ADA)


async def test_too_many_removals_are_held_for_a_word(watch: Watch) -> None:
    await watch.give(*MANY)
    await watch.turn_off(*MANY)
    for _ in range(3):
        await watch.reconcile()
    assert all(watch.has_role(user_id) for user_id in MANY)
    assert (watch.held, watch.counters.removed) == ([len(MANY)], 0)
    # One of them pays after all before the word.
    await watch.make_premium(MANY[0])
    assert await watch.allow() == len(MANY)
    assert await watch.allow() == 0
    assert await watch.guild.sweep() == len(MANY) - 1  # at once
    await watch.deliver()
    assert [user_id for user_id in MANY if watch.has_role(user_id)] == [MANY[0]]
    # The word was for those, then.
    await watch.make_premium(*MANY)
    await watch.reconcile()
    await watch.turn_off(*MANY)
    await watch.reconcile()
    assert all(watch.has_role(user_id) for user_id in MANY)
    assert watch.held == [len(MANY), len(MANY)]


async def test_the_held_stay_so_when_few_are_left_and_staff_are_reminded(watch: Watch) -> None:
    await watch.give(*MANY, ADA)
    await watch.turn_off(*MANY)
    await watch.reconcile()
    await watch.make_premium(*MANY[2:])
    await watch.turn_off(ADA)
    await watch.reconcile()
    assert not watch.has_role(ADA)
    assert all(watch.has_role(user_id) for user_id in MANY)
    assert watch.held == [len(MANY)]
    watch.stage.clock.advance(timedelta(days=1))
    await watch.reconcile()
    assert watch.held == [len(MANY), 2]
    await watch.make_premium(*MANY)
    await watch.reconcile()
    assert await watch.allow() == 0


async def test_as_many_as_the_brake_lets_go(watch: Watch) -> None:
    await watch.give(*MANY)
    await watch.turn_off(*MANY[:BRAKE])
    assert await watch.reconcile() == BRAKE
    assert [watch.has_role(user_id) for user_id in MANY].count(True) == len(MANY) - BRAKE
    assert watch.held == []


async def test_at_the_start_and_every_interval_in_one_process_at_a_time(watch: Watch) -> None:
    await watch.give(ADA)
    watch.stage.roles.members[ADA].clear()
    assert await watch.guild.sweep() == 0
    watch.stage.clock.advance(INTERVAL - timedelta(seconds=1))
    assert await watch.guild.sweep() == 0
    watch.stage.clock.advance(timedelta(seconds=1))
    assert await watch.guild.sweep() == 1
    watch.start()
    assert await watch.guild.sweep() == 1
    assert await watch.guild.sweep() == 0


async def test_discord_away_in_the_middle(watch: Watch) -> None:
    """The next slice goes on, and the members before are not asked for again."""
    await watch.give(*MANY)
    for user_id in MANY:
        watch.stage.roles.members[user_id].clear()
    watch.stage.roles.page_size = 3
    watch.stage.roles.pages.clear()
    watch.stage.roles.page_errors = [None, DiscordUnavailable("x")]
    assert await watch.look() == 0
    assert await watch.guild.sweep() == len(MANY) - 3
    assert watch.stage.roles.pages == [int(MANY[at]) - 1 for at in (0, 3, 6)]
    await watch.deliver()
    assert all(watch.has_role(user_id) for user_id in MANY)


async def test_not_ready_and_not_there(watch: Watch) -> None:
    await watch.give(ADA)
    watch.stage.roles.members[ADA].clear()
    watch.is_ready = False
    assert await watch.look() == 0
    watch.is_ready = True
    watch.stage.roles.read_error = GuildNotFound("x")
    assert await watch.look() == 0
    watch.stage.roles.read_error = None
    assert await watch.guild.sweep() == 0  # not before the interval has passed
    assert await watch.reconcile() == 1


async def test_only_where_somebody_matters_members_are_asked_for(watch: Watch) -> None:
    roles = watch.stage.roles
    for number in range(200):
        roles.add_member(str(10**17 + number * 1000))
    await watch.reconcile()
    assert roles.pages == []
    roles.page_size = 10
    some = [Snowflake(10**17 + number * 1000) for number in (50, 55, 150)]
    await watch.make_premium(*some, Snowflake("7"))  # who is not a member
    assert await watch.reconcile() == 3
    assert roles.pages == [6, int(some[0]) - 1, int(some[2]) - 1]


async def test_a_backlog_of_updates_is_not_made_longer(database: Database) -> None:
    watch = Watch(database, max_due=3)
    await watch.give(*MANY[:2])
    for user_id in MANY:
        watch.stage.roles.add_member(user_id)
    await watch.make_premium(*MANY)
    await watch.look()
    watch.stage.roles.add_member(ADA)
    await watch.make_premium(ADA)
    async with watch.stage.working():
        await watch.look()
    await watch.deliver()
    assert all(watch.has_role(user_id) for user_id in (*MANY, ADA))
