"""Guild modules and saved roles in the store, on SQLite and PostgreSQL."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from msgspec import structs

from moddy.models import Snowflake
from moddy.store import guild_modules, saved_roles
from moddy.store.database import Database
from moddy.store.guild_modules import ModuleRow
from moddy.store.saved_roles import SavedRoles
from moddy.store.tables import role_grants
from moddy.store.transactions import Connection

NOW = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)
GUILD, OTHER = Snowflake("18446744073709551615"), Snowflake(2)
ADA, BEN = Snowflake(11), Snowflake(12)
READER, WRITER = Snowflake(21), Snowflake(22)
HOUR = timedelta(hours=1)


def module(guild_id: Snowflake = GUILD, name: str = "welcome", **values: object) -> ModuleRow:
    row = ModuleRow(
        guild_id=guild_id,
        module=name,
        enabled=False,
        settings=b"{}",
        updated_by=ADA,
        updated_at=NOW,
    )
    return structs.replace(row, **values)


async def change(database: Database, row: ModuleRow) -> ModuleRow:
    async def work(connection: Connection) -> ModuleRow:
        found = await guild_modules.lock(connection, row)
        await guild_modules.save(connection, row)
        return found

    return await database.transaction(work)


async def test_a_module_is_made_changed_and_found(database: Database) -> None:
    assert await database.read(lambda c: guild_modules.find(c, GUILD)) == []
    first = module()
    assert await change(database, first) == first
    second = module(enabled=True, settings=b'{"a":1}', updated_by=BEN, updated_at=NOW + HOUR)
    assert await change(database, second) == first
    await change(database, module(OTHER))
    assert await database.read(lambda c: guild_modules.find(c, GUILD)) == [second]


async def test_guilds_with_a_module_on(database: Database) -> None:
    for row in (
        module(enabled=True),
        module(name="restore_roles", enabled=True),
        module(OTHER),
        module(Snowflake(3), "gone", enabled=True),
    ):
        await change(database, row)
    names = ["welcome", "restore_roles"]
    assert await database.read(lambda c: guild_modules.find_enabled(c, names)) == [GUILD]


async def test_changes_of_one_module_wait_for_each_other(database: Database) -> None:
    """Each adds a letter to what it read; none may get lost."""

    async def work(connection: Connection) -> None:
        row = await guild_modules.lock(connection, module(settings=b""))
        await asyncio.sleep(0)
        await guild_modules.save(connection, structs.replace(row, settings=row.settings + b"x"))

    await asyncio.gather(*(database.transaction(work) for _ in range(12)))
    [row] = await database.read(lambda c: guild_modules.find(c, GUILD))
    assert row.settings == b"x" * 12


def saved(
    user_id: Snowflake = ADA,
    *role_ids: Snowflake,
    at: datetime = NOW,
    guild_id: Snowflake = GUILD,
) -> SavedRoles:
    return SavedRoles(guild_id=guild_id, user_id=user_id, role_ids=role_ids, saved_at=at)


async def keep(database: Database, row: SavedRoles, joined_at: datetime) -> None:
    await database.transaction(lambda c: saved_roles.keep(c, [(row, joined_at)]))


async def find(database: Database, user_id: Snowflake = ADA) -> SavedRoles | None:
    return await database.read(lambda c: saved_roles.find(c, GUILD, user_id))


async def test_roles_are_kept_and_replaced(database: Database) -> None:
    assert await find(database) is None
    await keep(database, saved(ADA, READER), NOW - HOUR)
    await keep(database, saved(ADA, READER, WRITER, at=NOW + HOUR), NOW - HOUR)
    await keep(database, saved(BEN), NOW - HOUR)
    await keep(database, saved(ADA, WRITER, guild_id=OTHER), NOW)
    assert await find(database) == saved(ADA, READER, WRITER, at=NOW + HOUR)
    known = await database.read(lambda c: saved_roles.find_all(c, GUILD))
    assert known == {ADA: saved(ADA, READER, WRITER, at=NOW + HOUR), BEN: saved(BEN)}


async def test_what_is_to_be_given_back_is_not_replaced_before_it_is_settled(
    database: Database,
) -> None:
    await keep(database, saved(ADA, READER), NOW - HOUR)
    back = NOW + HOUR
    await keep(database, saved(ADA, at=back), back)
    assert await find(database) == saved(ADA, READER)
    await database.transaction(lambda c: saved_roles.settle(c, saved(ADA, WRITER, at=back)))
    assert await find(database) == saved(ADA, WRITER, at=back)
    await keep(database, saved(ADA, at=back + HOUR), back)
    assert await find(database) == saved(ADA, at=back + HOUR)


async def test_a_return_is_marked_whatever_the_clocks_say(database: Database) -> None:
    """This machine's clock may be ahead of Discord's when a member leaves and returns at once."""
    await keep(database, saved(ADA, READER, at=NOW + HOUR), NOW - HOUR)

    async def mark(connection: Connection) -> SavedRoles | None:
        assert await saved_roles.mark_returned(connection, GUILD, BEN, NOW) is None
        return await saved_roles.mark_returned(connection, GUILD, ADA, NOW)

    found = await database.transaction(mark)
    assert found is not None
    assert found.role_ids == (READER,)
    assert found.saved_at < NOW
    await keep(database, saved(ADA, at=NOW), NOW)
    assert await find(database) == found
    assert await database.transaction(mark) == found


async def test_what_moddy_granted(database: Database) -> None:
    async def grant(connection: Connection) -> None:
        for guild_id, user_id, role_id in (
            (GUILD, ADA, READER),
            (GUILD, ADA, WRITER),
            (OTHER, BEN, READER),
        ):
            values = {
                "guild_id": guild_id,
                "discord_id": user_id,
                "role_id": role_id,
                "granted_at": NOW,
            }
            await connection.execute(sa.insert(role_grants).values(values))

    await database.transaction(grant)
    granted = await database.read(lambda c: saved_roles.find_granted(c, GUILD, [ADA, BEN]))
    assert granted == {ADA: {READER, WRITER}}


async def test_forgetting(database: Database) -> None:
    for number in range(5):
        at = NOW - number * HOUR
        await keep(database, saved(Snowflake(number + 1), READER, at=at), at)
    before = NOW - HOUR
    for left in (2, 1, 0):
        removed = await database.transaction(lambda c: saved_roles.remove_old(c, before, limit=2))
        assert removed == min(2, left * 2 - 1 if left else 0)
    assert set(await database.read(lambda c: saved_roles.find_all(c, GUILD))) == {"1", "2"}
    await keep(database, saved(ADA, guild_id=OTHER), NOW)
    await database.transaction(lambda c: saved_roles.forget(c, GUILD))
    assert await database.read(lambda c: saved_roles.find_all(c, GUILD)) == {}
    assert set(await database.read(lambda c: saved_roles.find_all(c, OTHER))) == {ADA}
