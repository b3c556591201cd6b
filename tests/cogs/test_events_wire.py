"""Members' events over a real gateway connection, from discord.py's socket to the store."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from yarl import URL

from moddy.app import open_moddy
from moddy.config import Settings
from moddy.gateway import connect_gateway
from moddy.messenger import Connection, DiscordRoles
from moddy.models import EventType, Snowflake
from moddy.services.event_batches import EventPayload
from moddy.store.database import open_database
from moddy.store.tables import deliveries
from tests.cogs.event_town import MAY_VIEW, Town, until
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin, Permission, ban, kick, prune, set_roles
from tests.standins.discord.clients import discord_py_at

MEMBERS = 5_000


def kinds(events: list[EventPayload]) -> list[str]:
    return [event.event_type.value for event in events]


@pytest.fixture
async def discord() -> AsyncIterator[DiscordStandin]:
    async with DiscordStandin() as standin:
        yield standin
        assert standin.unknown_routes == []


@pytest.fixture(autouse=True)
def _discord_py(discord: DiscordStandin) -> Iterator[None]:
    with discord_py_at(discord):
        yield


@pytest.fixture
async def town(
    discord: DiscordStandin, migrated_sqlite_file: Path, tmp_path: Path
) -> AsyncIterator[Town]:
    commits: list[str] = []
    path = shutil.copy(migrated_sqlite_file, tmp_path / "moddy.db")
    async with open_database(f"sqlite:///{path}", checkpoint=commits.append) as database:
        yield Town(discord, database, commits)


@pytest.mark.slow
async def test_guild_of_five_thousand(town: Town) -> None:
    """Its members come in chunks; what changes about one never seen before is told."""
    users = [town.add(f"user-{number}") for number in range(MEMBERS)]
    town.guild.set_bot_permissions(Permission.MANAGE_ROLES)
    async with town.moddy() as bot:
        seen = bot.get_guild(town.guild.id)
        assert seen is not None
        assert len(seen.members) == MEMBERS + 2
        # Learning members is no event.
        assert await town.read() == []
        set_roles(town.guild, users[3_333], {town.role.id}, town.guild.owner)
        town.discord.remove_member(town.guild, users[4_444])
        given, left = await town.recorded(2)
    assert given.metadata["added_roles"] == [str(town.role.id)]
    assert left.metadata["guild_name"] == "Moddy HQ"
    assert ":joined-" in left.key


async def test_guild_with_too_many_members_to_know(town: Town) -> None:
    """The audit log tells of those whom the cache does not know."""
    ada, ben = town.add("ada"), town.add("ben")
    async with town.moddy(max_known_members=2) as bot:
        seen = bot.get_guild(town.guild.id)
        assert seen is not None
        set_roles(town.guild, ada, {town.role.id}, town.guild.owner)
        kick(town.guild, ben, town.guild.owner)
        given, left = await town.recorded(2)
        assert not seen.chunked
    assert given.metadata["updated_by"] == str(town.guild.owner.id)
    assert left.metadata["reason"] == "kick"


@pytest.mark.slow
@pytest.mark.parametrize("entry_first", [True, False])
async def test_reasons_and_authors(town: Town, entry_first: bool) -> None:
    users = [town.add(f"user-{number}") for number in range(4)]
    owner = town.guild.owner
    async with town.moddy():
        set_roles(town.guild, users[0], {town.role.id}, owner, entry_first=entry_first)
        set_roles(town.guild, users[1], {town.role.id}, None)
        kick(town.guild, users[0], owner, entry_first=entry_first)
        ban(town.guild, users[1], owner, entry_first=entry_first)
        town.discord.remove_member(town.guild, users[2])
        found = await town.recorded(5)
        prune(town.guild, [users[3]], owner)
        pruned = (await town.recorded(6))[-1]
    by_user = {(event.key.split(":")[2], event.event_type.value): event for event in found}

    def read(number: int, kind: str, name: str) -> Any:
        return by_user[str(users[number].id), kind].metadata.get(name)

    assert [read(n, "member_left", "reason") for n in range(3)] == ["kick", "ban", "left"]
    assert read(0, "role_updated", "updated_by") == str(owner.id)
    assert read(1, "role_updated", "updated_by") is None
    assert "reason" not in pruned.metadata


async def test_audit_log_that_moddy_may_not_see(town: Town) -> None:
    """What is known is told, without a call to Discord and without a word of error."""
    town.guild.set_bot_permissions(Permission.MANAGE_ROLES)
    ada, ben = town.add("ada"), town.add("ben")
    async with town.moddy():
        calls = len(town.discord.requests)
        set_roles(town.guild, ada, {town.role.id}, town.guild.owner)
        kick(town.guild, ben, town.guild.owner)
        ban(town.guild, ada, town.guild.owner)
        found = await town.recorded(3)
        assert len(town.discord.requests) == calls
    assert kinds(found).count("member_left") == 2
    for event in found:
        assert {"reason", "updated_by"}.isdisjoint(event.metadata)


@pytest.mark.slow
async def test_permission_is_lost_and_comes_back(town: Town) -> None:
    ada, ben, cat = (town.add(name) for name in ("ada", "ben", "cat"))
    async with town.moddy():
        kick(town.guild, ada, town.guild.owner)
        town.guild.set_bot_permissions(0)
        kick(town.guild, ben, town.guild.owner)
        town.guild.set_bot_permissions(MAY_VIEW)
        kick(town.guild, cat, town.guild.owner)
        found = await town.recorded(3)
    reasons = {event.key.split(":")[2]: event.metadata.get("reason") for event in found}
    assert reasons == {str(ada.id): "kick", str(ben.id): None, str(cat.id): "kick"}


async def test_moddys_own_change(town: Town) -> None:
    ada = town.add("ada")
    async with town.moddy() as bot:
        roles = DiscordRoles(Connection(bot, lambda: True), is_gateway_ready=lambda: True)
        premium = [Snowflake(town.role.id)]
        await roles.change(Snowflake(town.guild.id), Snowflake(ada.id), add=premium, remove=[])
        [event] = await town.recorded(1)
    assert event.metadata["added_roles"] == premium
    assert event.metadata["updated_by"] == str(town.discord.bot.id)


@pytest.mark.slow
async def test_events_around_a_resume(town: Town) -> None:
    """What was missed comes then; what was heard before comes again, and is not told again."""
    ada, ben = town.add("ada"), town.add("ben")
    gateway = town.discord.gateway
    async with town.moddy():
        set_roles(town.guild, ada, {town.role.id}, town.guild.owner)
        cat = town.add("cat")
        set_roles(town.guild, cat, {town.role.id}, None)
        before = await town.recorded(3)
        gateway.repeats = 4
        await gateway.drop()
        kick(town.guild, ben, town.guild.owner)
        town.discord.remove_member(town.guild, cat)
        await town.discord.wait_until(lambda: gateway.resumes == 1, 10)
        found = await town.recorded(5)
        # And once more, all of it, with something new behind it.
        gateway.repeats = 8
        await gateway.reconnect()
        await town.discord.wait_until(lambda: gateway.resumes == 2, 10)
        town.add("dan")
        again = await town.recorded(6)
        assert again[:5] == found
        assert again[5].event_type is EventType.MEMBER_JOINED
    assert found[:3] == before
    reasons = {event.key.split(":")[2]: event.metadata.get("reason") for event in found[3:]}
    assert reasons == {str(ben.id): "kick", str(cat.id): "left"}


@pytest.mark.parametrize("may_view", [True, False])
async def test_two_instances_tell_once(town: Town, may_view: bool) -> None:
    if not may_view:
        town.guild.set_bot_permissions(Permission.MANAGE_ROLES)
    users = [town.add(f"user-{number}") for number in range(10)]
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(town.moddy())
        newcomer = town.add("newcomer")
        for user in users:
            set_roles(town.guild, user, {town.role.id}, town.guild.owner)
        for user in users[:5]:
            set_roles(town.guild, user, set(), town.guild.owner)
        kick(town.guild, newcomer, town.guild.owner)
        found = await town.recorded(1 + 10 + 5 + 1)
    assert kinds(found).count("role_updated") == 15
    assert all(("updated_by" in one.metadata) == may_view for one in found if "role" in one.key)


@pytest.mark.slow
async def test_thousand_joins_in_a_burst_cost_few_transactions(town: Town) -> None:
    async with town.moddy():
        before = len(town.commits)
        users = [town.add(f"user-{number}") for number in range(1_000)]
        found = await town.recorded(1_000)
        spent = len(town.commits) - before
    assert {event.key.split(":")[2] for event in found} == {str(user.id) for user in users}
    # One for each moment in which some came; a join of its own would be a thousand.
    assert spent < 100


async def test_from_discord_to_the_backend(discord: DiscordStandin, tmp_path: Path) -> None:
    """All of Moddy; what came last is stored although it is stopped in the same moment."""
    guild = discord.add_guild()
    guild.set_bot_permissions(MAY_VIEW)
    url = f"sqlite:///{tmp_path / 'moddy.db'}"
    async with BackendStandin() as backend:
        settings = Settings(
            internal_port=0,
            internal_api_secret=backend.secret,
            backend_internal_url=URL(backend.url),
            database_url=url,
            moddy_guild_id=Snowflake(guild.id),
            report_messages=True,
            shard_count=1,
        )
        async with open_moddy(
            settings, connect=lambda bot: connect_gateway(bot, discord.token), loopback=True
        ) as moddy:
            await until(lambda: moddy.bot.gateway_ready)
            ada = discord.add_user("ada")
            discord.add_member(guild, ada)
            channel = guild.add_text_channel("general")
            await discord.message(ada, channel, "my secret words")
            kick(guild, ada, guild.owner)
            await until(lambda: len(backend.calls_to("/internal/event/notify")) == 3)
            ben = discord.add_user("ben")
            discord.add_member(guild, ben)
            await until(lambda: any(one.get_member(ben.id) for one in moddy.bot.guilds))
        calls = backend.calls_to("/internal/event/notify")
        told: list[dict[str, Any]] = [call.json for call in calls[:3]]
    assert [event["event_type"] for event in told] == [
        "member_joined",
        "message_sent",
        "member_left",
    ]
    assert {event["discord_id"] for event in told} == {str(ada.id)}
    assert told[1]["metadata"] == {"guild_id": str(guild.id), "channel_id": str(channel.id)}
    assert told[2]["metadata"]["reason"] == "kick"
    assert "secret" not in str(told)
    async with open_database(url) as database:
        query = sa.select(deliveries.c.topic).where(deliveries.c.discord_id == str(ben.id))
        assert await database.read(lambda c: c.scalar(query)) == "member_joined"
