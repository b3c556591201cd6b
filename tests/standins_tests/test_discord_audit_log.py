"""discord.py reads the audit log, over the gateway and over REST, when it may."""

import asyncio
from collections.abc import AsyncIterator

import discord as discord_py
import pytest

from tests.standins.discord import (
    AuditAction,
    DiscordStandin,
    Guild,
    Permission,
    User,
    ban,
    kick,
    prune,
    set_roles,
)
from tests.standins_tests.small_bot import SmallBot, connected

pytestmark = pytest.mark.usefixtures("_discord_py")

MAY_VIEW = Permission.MANAGE_ROLES | Permission.VIEW_AUDIT_LOG


class AuditBot(SmallBot):
    """Notes what it hears, in order."""

    def __init__(self, *, moderation: bool = True) -> None:
        super().__init__(moderation=moderation)
        self.heard: asyncio.Queue[tuple[str, object]] = asyncio.Queue()

    async def on_audit_log_entry_create(self, entry: discord_py.AuditLogEntry) -> None:
        self.heard.put_nowait(("entry", entry))

    async def on_raw_member_remove(self, payload: discord_py.RawMemberRemoveEvent) -> None:
        self.heard.put_nowait(("left", payload.user.id))

    async def on_member_ban(self, guild: discord_py.Guild, user: discord_py.User) -> None:
        self.heard.put_nowait(("ban", user.id))

    async def next(self) -> tuple[str, object]:
        return await asyncio.wait_for(self.heard.get(), 5)

    async def next_entry(self) -> discord_py.AuditLogEntry:
        kind, entry = await self.next()
        assert kind == "entry"
        assert isinstance(entry, discord_py.AuditLogEntry)
        return entry


@pytest.fixture
def guild(discord: DiscordStandin) -> Guild:
    guild = discord.add_guild()
    guild.set_bot_permissions(MAY_VIEW)
    return guild


@pytest.fixture
def alice(discord: DiscordStandin, guild: Guild) -> User:
    alice = discord.add_user("alice")
    discord.add_member(guild, alice)
    return alice


@pytest.fixture
async def bot(discord: DiscordStandin, guild: Guild) -> AsyncIterator[AuditBot]:
    async with connected(AuditBot(), discord) as bot:
        assert isinstance(bot, AuditBot)
        yield bot


@pytest.mark.parametrize("entry_first", [True, False])
async def test_kick(guild: Guild, alice: User, bot: AuditBot, entry_first: bool) -> None:
    kick(guild, alice, guild.owner, entry_first=entry_first)
    heard = [await bot.next(), await bot.next()]
    assert [kind for kind, _ in heard] == (["entry", "left"] if entry_first else ["left", "entry"])
    entry = next(what for kind, what in heard if kind == "entry")
    assert isinstance(entry, discord_py.AuditLogEntry)
    assert entry.action is discord_py.AuditLogAction.kick
    assert entry.target is not None
    assert (entry.user_id, entry.target.id) == (guild.owner.id, alice.id)
    assert alice.id not in guild.members


@pytest.mark.parametrize("entry_first", [True, False])
async def test_ban(guild: Guild, alice: User, bot: AuditBot, entry_first: bool) -> None:
    ban(guild, alice, None, entry_first=entry_first)
    heard = [await bot.next() for _ in range(3)]
    kinds = [kind for kind, _ in heard]
    assert kinds == (["entry", "ban", "left"] if entry_first else ["ban", "left", "entry"])


async def test_prune_names_nobody(guild: Guild, alice: User, bot: AuditBot) -> None:
    prune(guild, [alice], guild.owner)
    entry = await bot.next_entry()
    assert entry.action is discord_py.AuditLogAction.member_prune
    assert entry.target is None
    assert await bot.next() == ("left", alice.id)


async def test_roles_given_and_taken_at_once(guild: Guild, alice: User, bot: AuditBot) -> None:
    old, new = guild.add_role("Old"), guild.add_role("New")
    set_roles(guild, alice, {old.id}, guild.owner)
    await bot.next_entry()
    set_roles(guild, alice, {new.id}, guild.owner, entry_first=True)
    entry = await bot.next_entry()
    assert [role.id for role in entry.changes.after.roles] == [new.id]
    assert [role.id for role in entry.changes.before.roles] == [old.id]


async def test_what_the_bot_does_is_written_down(guild: Guild, alice: User, bot: AuditBot) -> None:
    role = guild.add_role("Premium")
    await bot.http.add_role(guild.id, alice.id, role.id, reason="a reason: 1")
    # Nothing changes the second time.
    await bot.http.add_role(guild.id, alice.id, role.id, reason="again")
    entry = await bot.next_entry()
    assert (entry.user_id, entry.reason) == (bot.application_id, "a reason: 1")
    assert len(guild.audit_log.entries) == 1
    seen = bot.get_guild(guild.id)
    assert seen is not None
    [read] = [one async for one in seen.audit_logs(action=entry.action)]
    assert read.id == entry.id
    assert [one async for one in seen.audit_logs(action=discord_py.AuditLogAction.kick)] == []


async def test_without_the_permission(discord: DiscordStandin, guild: Guild, alice: User) -> None:
    guild.set_bot_permissions(Permission.MANAGE_ROLES)
    async with connected(AuditBot(), discord) as bot:
        assert isinstance(bot, AuditBot)
        ban(guild, alice, guild.owner)
        assert await bot.next() == ("left", alice.id)
        seen = bot.get_guild(guild.id)
        assert seen is not None
        with pytest.raises(discord_py.Forbidden):
            [one async for one in seen.audit_logs()]
        guild.set_bot_permissions(Permission.BAN_MEMBERS)
        ban(guild, discord.add_user("ben"), guild.owner)
        assert (await bot.next())[0] == "ban"


async def test_without_the_intent(discord: DiscordStandin, guild: Guild, alice: User) -> None:
    async with connected(AuditBot(moderation=False), discord) as bot:
        assert isinstance(bot, AuditBot)
        kick(guild, alice, guild.owner, entry_first=True)
        assert await bot.next() == ("left", alice.id)
    assert [entry.action for entry in guild.audit_log.entries] == [AuditAction.MEMBER_KICK]


async def test_events_are_repeated_at_a_resume(
    discord: DiscordStandin, guild: Guild, alice: User, bot: AuditBot
) -> None:
    kick(guild, alice, guild.owner)
    first = [await bot.next(), await bot.next()]
    discord.gateway.repeats = 2
    await discord.gateway.drop()
    again = [await bot.next(), await bot.next()]
    assert [kind for kind, _ in again] == [kind for kind, _ in first] == ["left", "entry"]
    await asyncio.wait_for(bot.resumed.wait(), 5)
    assert discord.gateway.resumes == 1


async def test_five_thousand_members_come_in_chunks(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    for number in range(5_000):
        discord.add_member(guild, discord.add_user(f"user-{number}"))
    async with connected(SmallBot(learns_members=False), discord) as bot:
        seen = bot.get_guild(guild.id)
        assert seen is not None
        assert not seen.chunked
        await asyncio.wait_for(seen.chunk(), 10)
        # The bot and the owner are members, too.
        assert len(seen.members) == 5_002
