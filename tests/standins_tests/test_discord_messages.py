"""discord.py sends and receives messages through the stand-in."""

import asyncio
from typing import Any

import discord as discord_py
import pytest

from tests.standins.discord import IS_COMPONENTS_V2, DiscordStandin, Permission
from tests.standins_tests.small_bot import PlansView, SmallBot, connected

pytestmark = pytest.mark.usefixtures("_discord_py")


async def test_direct_message_arrives_once_per_nonce(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        first = await person.send("hello", nonce="order-1")
        again = await person.send("hello", nonce="order-1")
        other = await person.send("hello", nonce="order-2")
    assert first.id == again.id != other.id
    assert [message.nonce for message in discord.dms[alice.id]] == ["order-1", "order-2"]
    assert discord.dms[alice.id][0].content == "hello"


async def test_view_arrives_with_its_text(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        sent = await person.send(
            view=PlansView(), allowed_mentions=discord_py.AllowedMentions.none()
        )
        assert sent.flags.components_v2
    message = discord.dms[alice.id][0]
    assert message.flags & IS_COMPONENTS_V2
    assert message.text == "Plan A"
    assert message.allowed_mentions == {"parse": []}


@pytest.mark.parametrize(("policy", "code"), [("closed", 50007), ("closed_50278", 50278)])
async def test_closed_direct_messages(discord: DiscordStandin, policy: Any, code: int) -> None:
    alice = discord.add_user("alice", dms=policy)
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        channel = await person.create_dm()
        with pytest.raises(discord_py.Forbidden) as refused:
            await channel.send("hello")
    assert refused.value.code == code
    assert discord.dms[alice.id] == []


async def test_unknown_user(discord: DiscordStandin) -> None:
    async with connected(SmallBot(), discord) as bot:
        with pytest.raises(discord_py.NotFound) as refused:
            await bot.fetch_user(123)
        assert refused.value.code == 10013
        with pytest.raises(discord_py.NotFound) as refused:
            await bot.create_dm(discord_py.Object(123))
        assert refused.value.code == 10013


async def test_channel_permissions(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    open_ = guild.add_text_channel("open")
    quiet = guild.add_text_channel("quiet", deny_bot=Permission.SEND_MESSAGES)
    hidden = guild.add_text_channel("hidden", deny_everyone=Permission.VIEW_CHANNEL)
    async with connected(SmallBot(), discord) as bot:
        sent = await bot.get_partial_messageable(open_.id).send("news")
        await sent.edit(content="old news")
        codes = []
        for channel in (quiet, hidden):
            with pytest.raises(discord_py.Forbidden) as refused:
                await bot.get_partial_messageable(channel.id).send("news")
            codes.append(refused.value.code)
        assert codes == [50013, 50001]
        assert open_.messages[0].content == "old news"
        await sent.delete()
        assert open_.messages == []


async def test_limits_of_a_message(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        long_view = discord_py.ui.LayoutView()
        for _ in range(3):
            long_view.add_item(discord_py.ui.TextDisplay("x" * 1500))
        for body in ({"content": "x" * 2001}, {"view": long_view}):
            with pytest.raises(discord_py.HTTPException) as refused:
                await person.send(**body)
            assert (refused.value.status, refused.value.code) == (400, 50035)
    assert discord.dms[alice.id] == []


async def test_text_is_hidden_without_the_content_intent(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    channel = guild.add_text_channel("chat")
    alice = discord.add_user("alice")
    discord.add_member(guild, alice)
    async with connected(SmallBot(), discord) as bot:
        await discord.message(alice, channel, "secret")
        await discord.message(alice, channel, "help", mentions=[discord.bot])
        first = await asyncio.wait_for(bot.written.get(), 5)
        second = await asyncio.wait_for(bot.written.get(), 5)
    assert first.content == ""
    assert second.content == f"<@{discord.bot.id}> help"
    assert second.mentions[0].id == discord.bot.id


async def test_mentions_follow_allowed_mentions(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        await person.send(f"{alice.mention} @everyone")
        await person.send(
            f"{alice.mention} @everyone", allowed_mentions=discord_py.AllowedMentions.none()
        )
    loud, quiet = discord.dms[alice.id]
    assert (loud.mentioned_user_ids, loud.mentions_everyone) == ([alice.id], True)
    assert (quiet.mentioned_user_ids, quiet.mentions_everyone) == ([], False)
