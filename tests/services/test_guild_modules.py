"""What guilds have of modules: read anew in time, changed at once, there while the store is not."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

import pytest
from msgspec import structs

from moddy.errors import StoreUnavailable
from moddy.models import Snowflake
from moddy.services.guild_modules import FRESH_FOR, GuildModules
from moddy.services.premium import Premium
from moddy.services.premium_gate import PremiumGate
from moddy.store import guild_modules, users
from moddy.store.database import Database
from moddy.store.group_commit import Work
from moddy.store.guild_modules import ModuleRow
from moddy.store.transactions import Connection
from tests.fakes import FixedClock
from tests.services.stage import ADA, GUILD, OTHER_ROLE

T = TypeVar("T")

OTHER_GUILD = Snowflake(OTHER_ROLE)


class Unsteady:
    """A store that counts the looks at it, and can be away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0
        self.is_away = False

    async def read(self, work: Work[T]) -> T:
        """Read, or fail while it is away."""
        self.reads += 1
        if self.is_away:
            raise StoreUnavailable("away")
        return await self._database.read(work)

    async def transaction(self, work: Work[T], *, about: str = "") -> T:
        """Write."""
        return await self._database.transaction(work, about=about)


@pytest.fixture
def store(database: Database) -> Unsteady:
    return Unsteady(database)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def modules(store: Unsteady, clock: FixedClock) -> GuildModules:
    return GuildModules(database=store, clock=clock, max_cached=1)  # type: ignore[arg-type]


async def turn_on(modules: GuildModules, guild_id: Snowflake = GUILD) -> ModuleRow:
    return await modules.change(
        guild_id,
        "welcome",
        lambda row: structs.replace(row, enabled=True),
        default=b"{}",
        by=ADA,
    )


async def test_a_change_is_seen_at_once(modules: GuildModules, clock: FixedClock) -> None:
    assert await modules.find(GUILD) == {}
    row = await turn_on(modules)
    assert row == ModuleRow(
        guild_id=GUILD,
        module="welcome",
        enabled=True,
        settings=b"{}",
        updated_by=ADA,
        updated_at=clock.now(),
    )
    assert await modules.find(GUILD) == {"welcome": row}
    assert await modules.find_enabled(["welcome"]) == [GUILD]


async def test_a_change_that_raises_changes_nothing(modules: GuildModules) -> None:
    def refuse(_row: ModuleRow) -> ModuleRow:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await modules.change(GUILD, "welcome", refuse, default=b"{}", by=ADA)
    assert await modules.find(GUILD) == {}


async def test_another_process_is_seen_in_time(
    modules: GuildModules, store: Unsteady, database: Database, clock: FixedClock
) -> None:
    row = await turn_on(modules)
    await modules.find(GUILD)
    await modules.find(GUILD)
    assert store.reads == 1
    other = structs.replace(row, enabled=False)
    await database.transaction(lambda c: guild_modules.save(c, other))
    assert await modules.find(GUILD) == {"welcome": row}
    clock.advance(FRESH_FOR)
    assert await modules.find(GUILD) == {"welcome": other}


async def test_only_so_many_guilds_are_remembered(modules: GuildModules, store: Unsteady) -> None:
    for guild_id in (GUILD, OTHER_GUILD, OTHER_GUILD, GUILD):
        await modules.find(guild_id)
    assert store.reads == 3


async def test_while_the_store_is_away_what_was_known_stays(
    modules: GuildModules, store: Unsteady, clock: FixedClock
) -> None:
    row = await turn_on(modules)
    await modules.find(GUILD)
    store.is_away = True
    clock.advance(timedelta(days=1))
    assert await modules.find(GUILD) == {"welcome": row}
    with pytest.raises(StoreUnavailable):
        await modules.find(OTHER_GUILD)


async def test_a_premium_server_is_one_whose_owner_is_premium(
    database: Database, clock: FixedClock
) -> None:
    premium = Premium(database=database, clock=clock, premium_plans=frozenset())
    gate = PremiumGate(premium=premium, website_url=None)
    owner_id = int(ADA)
    assert not await gate.is_open(None)
    assert not await gate.is_open(owner_id)
    end = clock.now() + timedelta(hours=1)

    async def give(connection: Connection) -> None:
        await users.lock(connection, ADA)
        await users.save_premium(connection, ADA, premium=True, until=end)

    await database.transaction(give)
    assert await gate.is_open(owner_id)
    clock.advance(timedelta(hours=1))
    assert not await gate.is_open(owner_id)
