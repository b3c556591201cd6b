"""Broken gateway connections: discord.py resumes, or identifies anew."""

import asyncio

import discord as discord_py
import pytest
from discord.backoff import ExponentialBackoff

from tests.standins.discord import DiscordStandin
from tests.standins.discord.clients import discord_py_at
from tests.standins_tests.small_bot import SmallBot, connected

pytestmark = pytest.mark.usefixtures("_discord_py")


@pytest.mark.parametrize("code", [1006, 4000])
async def test_missed_join_is_replayed_after_resume(discord: DiscordStandin, code: int) -> None:
    guild = discord.add_guild()
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        await discord.gateway.drop(code)
        assert discord.gateway.connections == []
        discord.add_member(guild, alice)
        joined = await asyncio.wait_for(bot.joined.get(), 5)
        assert joined.id == alice.id
        await asyncio.wait_for(bot.resumed.wait(), 5)
    assert (discord.gateway.identifies, discord.gateway.resumes) == (1, 1)


async def test_reconnect_request_resumes(discord: DiscordStandin) -> None:
    async with connected(SmallBot(), discord) as bot:
        await discord.gateway.reconnect()
        await asyncio.wait_for(bot.resumed.wait(), 5)
    assert (discord.gateway.identifies, discord.gateway.resumes) == (1, 1)


async def test_invalid_session_identifies_anew(discord: DiscordStandin) -> None:
    guild = discord.add_guild()
    async with connected(SmallBot(), discord) as bot:
        await discord.gateway.invalid_session(resumable=False)
        await discord.wait_until(lambda: discord.gateway.identifies == 2)
        await discord.gateway.wait_ready(timeout=5)
        discord.add_member(guild, discord.add_user("alice"))
        await asyncio.wait_for(bot.joined.get(), 5)
    assert discord.gateway.resumes == 0


async def test_refused_intents(discord: DiscordStandin) -> None:
    discord.gateway.refuse = 4014
    with pytest.raises(discord_py.PrivilegedIntentsRequired):
        async with connected(SmallBot(), discord):
            pass
    assert discord.gateway.identifies == 0


async def test_gateway_that_is_away_for_a_while(
    discord: DiscordStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    # discord.py otherwise waits for a random time of some seconds.
    monkeypatch.setattr(ExponentialBackoff, "delay", lambda backoff: 0.05)
    async with connected(SmallBot(), discord) as bot:
        discord.gateway.accept = False
        await discord.gateway.drop()
        await asyncio.sleep(0.1)
        assert discord.gateway.connections == []
        discord.gateway.accept = True
        await discord.gateway.wait_ready(timeout=10)
        assert not bot.is_closed()


async def test_silent_gateway_is_left(discord: DiscordStandin) -> None:
    discord.gateway.heartbeat_interval = 0.2
    async with connected(SmallBot(heartbeat_timeout=0.6), discord) as bot:
        await discord.wait_until(lambda: discord.gateway.heartbeats >= 2)
        discord.gateway.silent = True
        await discord.wait_until(lambda: not discord.gateway.connections)
        discord.gateway.silent = False
        await asyncio.wait_for(bot.resumed.wait(), 5)


async def test_malformed_event_is_delivered_as_it_is(discord: DiscordStandin) -> None:
    async with connected(SmallBot(), discord) as bot:
        await discord.gateway.send_raw("MODDY_UNHEARD_OF", {"no": "sense"})
        await discord.gateway.drop()
        await asyncio.wait_for(bot.resumed.wait(), 5)


async def test_stand_in_stops_while_a_bot_is_connected() -> None:
    async with DiscordStandin() as standin:
        with discord_py_at(standin):
            bot = SmallBot()
            running = asyncio.create_task(bot.start(standin.token))
            await asyncio.wait_for(bot.up.wait(), 5)
    await bot.close()
    running.cancel()
    await asyncio.wait({running})
