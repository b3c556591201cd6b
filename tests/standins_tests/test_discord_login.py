"""discord.py logs in to the stand-in and sees what is there."""

import asyncio

import discord as discord_py
import pytest

from tests.standins.discord import DiscordStandin
from tests.standins_tests.small_bot import SmallBot, connected

pytestmark = pytest.mark.usefixtures("_discord_py")


async def test_bot_sees_guild_roles_channels_and_all_members(discord: DiscordStandin) -> None:
    guild = discord.add_guild(name="Moddy HQ", preferred_locale="fr")
    premium = guild.add_role("Premium", position=3)
    news = guild.add_text_channel("news")
    people = [discord.add_user(f"user{number}") for number in range(1200)]
    for user in people:
        discord.add_member(guild, user, roles=[premium])

    async with connected(SmallBot(), discord) as bot:
        seen = bot.get_guild(guild.id)
        assert seen is not None
        assert seen.name == "Moddy HQ"
        assert seen.preferred_locale is discord_py.Locale.french
        assert len(seen.members) == 1202  # with the owner and the bot
        member = seen.get_member(people[-1].id)
        assert member is not None
        assert [role.name for role in member.roles] == ["@everyone", "Premium"]
        assert seen.me.top_role.managed
        assert seen.me.guild_permissions.manage_roles
        assert seen.get_channel(news.id) is not None
        assert seen.get_role(premium.id) < seen.me.top_role
        assert bot.application_id == discord.world.application_id


async def test_wrong_token_is_refused(discord: DiscordStandin) -> None:
    bot = SmallBot()
    with pytest.raises(discord_py.LoginFailure):
        await bot.start("something else")
    await bot.close()


async def test_token_is_never_kept(discord: DiscordStandin) -> None:
    async with connected(SmallBot(), discord):
        assert discord.requests
        assert all(discord.token not in str(vars(call)) for call in discord.requests)


async def test_join_and_leave_arrive(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        discord.add_member(guild, alice)
        joined = await asyncio.wait_for(bot.joined.get(), 5)
        assert joined.name == "alice"
        left = asyncio.create_task(bot.wait_for("raw_member_remove", timeout=5))
        await asyncio.sleep(0)
        discord.remove_member(guild, alice)
        assert (await left).user.id == alice.id


async def test_guilds_are_spread_over_shards(discord: DiscordStandin) -> None:
    discord.shard_count = 2
    guilds = [discord.add_guild(f"guild {number}") for number in range(4)]
    async with connected(SmallBot(), discord) as bot:
        assert discord.gateway.identifies == 2
        assert {guild.id for guild in bot.guilds} == {guild.id for guild in guilds}
        assert {guild.shard_id for guild in bot.guilds} == {0, 1}


async def test_commands_are_synced(discord: DiscordStandin) -> None:
    async with connected(SmallBot(), discord):
        assert [command["name"] for command in discord.commands] == ["greet", "plans"]
        assert discord.command_syncs == 1


async def test_unknown_route_is_noticed(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    async with connected(SmallBot(), discord) as bot:
        seen = bot.get_guild(guild.id)
        assert seen is not None
        with pytest.raises(discord_py.NotFound):
            await seen.invites()
    assert discord.unknown_routes == [f"GET /guilds/{guild.id}/invites"]
    discord.unknown_routes.clear()
