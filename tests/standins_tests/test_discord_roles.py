"""discord.py gives and takes roles under the hierarchy rules."""

import discord as discord_py
import pytest

from tests.standins.discord import DiscordStandin, Guild
from tests.standins_tests.small_bot import SmallBot, connected

pytestmark = pytest.mark.usefixtures("_discord_py")


async def test_role_is_given_and_taken(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    premium = guild.add_role("Premium")
    alice = discord.add_user("alice")
    discord.add_member(guild, alice)
    async with connected(SmallBot(), discord) as bot:
        seen = bot.get_guild(guild.id)
        assert seen is not None
        member = seen.get_member(alice.id)
        assert member is not None
        updated = bot.wait_for("member_update", timeout=5)
        await member.add_roles(discord_py.Object(premium.id))
        assert guild.members[alice.id].roles == {premium.id}
        _, after = await updated
        assert after.get_role(premium.id) is not None
        await member.remove_roles(discord_py.Object(premium.id))
        assert guild.members[alice.id].roles == set()
        await member.edit(roles=[discord_py.Object(premium.id)])
        assert guild.members[alice.id].roles == {premium.id}


async def refusal(
    discord: DiscordStandin, guild: Guild, user_id: int, role_id: int
) -> tuple[int, int]:
    """Status and code of the answer when the bot tries to give the role."""
    async with connected(SmallBot(), discord) as bot:
        with pytest.raises(discord_py.HTTPException) as refused:
            await bot.http.add_role(guild.id, user_id, role_id)
    return refused.value.status, refused.value.code


async def test_role_above_the_bot(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    premium = guild.add_role("Premium", position=5)
    guild.set_bot_position(5)
    assert premium.position == 6
    assert await refusal(discord, guild, discord.world.owner.id, premium.id) == (403, 50013)


async def test_without_manage_roles(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    premium = guild.add_role("Premium")
    guild.set_bot_permissions(0)
    assert await refusal(discord, guild, discord.world.owner.id, premium.id) == (403, 50013)


async def test_managed_role(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    boost = guild.add_role("Boost", managed=True)
    assert await refusal(discord, guild, discord.world.owner.id, boost.id) == (400, 50028)


async def test_unknown_role_and_member(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    premium = guild.add_role("Premium")
    outsider = discord.add_user("outsider")
    assert await refusal(discord, guild, discord.world.owner.id, 123) == (404, 10011)
    assert await refusal(discord, guild, outsider.id, premium.id) == (404, 10007)
    assert await refusal(discord, guild, 123, premium.id) == (404, 10013)


async def test_guild_that_the_bot_left(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    async with connected(SmallBot(), discord) as bot:
        discord.remove_guild(guild)
        await discord.wait_until(lambda: not bot.guilds)
        with pytest.raises(discord_py.NotFound) as refused:
            await bot.fetch_guild(guild.id)
        assert refused.value.code == 10004
