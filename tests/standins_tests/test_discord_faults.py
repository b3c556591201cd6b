"""Ordered faults reach discord.py as Discord's own would."""

import asyncio
import time

import aiohttp
import discord as discord_py
import pytest

from tests.standins.discord import DiscordStandin
from tests.standins_tests.small_bot import SmallBot, connected

pytestmark = pytest.mark.usefixtures("_discord_py")

MESSAGES = "/channels/*/messages"


async def test_server_error_is_retried(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        fault = discord.faults.add("POST", MESSAGES, status=500)
        await person.send("hello")
    assert fault.hits == 1
    assert [call.status for call in discord.calls("POST", "/messages")] == [500, 200]
    assert len(discord.dms[alice.id]) == 1


async def test_rate_limit_is_waited_out(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        discord.faults.add("POST", MESSAGES, status=429, retry_after=0.3)
        before = time.monotonic()
        await person.send("hello")
        assert time.monotonic() - before >= 0.3
    assert len(discord.dms[alice.id]) == 1


async def test_ban_by_the_proxy_is_not_retried(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        discord.faults.add("POST", MESSAGES, status=429, cloudflare=True)
        with pytest.raises(discord_py.HTTPException) as refused:
            await person.send("hello")
    assert refused.value.status == 429
    assert len(discord.calls("POST", "/messages")) == 1


async def test_error_code(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        person = await bot.fetch_user(alice.id)
        discord.faults.add("POST", "/users/@me/channels", status=403, code=40003, times=None)
        for _ in range(2):
            with pytest.raises(discord_py.Forbidden) as refused:
                await person.send("hello")
            assert refused.value.code == 40003
        discord.faults.clear()
        await person.send("hello")


async def test_answer_lost_after_the_effect(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        channel = await (await bot.fetch_user(alice.id)).create_dm()
        discord.faults.add("POST", MESSAGES, drop=True, apply=True)
        with pytest.raises(aiohttp.ClientError):
            await channel.send("hello", nonce="order-1")
        assert discord.requests[-1].status is None
        assert len(discord.dms[alice.id]) == 1
        await channel.send("hello", nonce="order-1")
        assert len(discord.dms[alice.id]) == 1


async def test_connection_dropped_before_the_effect(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        channel = await (await bot.fetch_user(alice.id)).create_dm()
        discord.faults.add("POST", MESSAGES, drop=True)
        with pytest.raises(aiohttp.ClientError):
            await channel.send("hello")
        assert discord.dms[alice.id] == []


async def test_slow_answer_takes_effect_though_nobody_waits(discord: DiscordStandin) -> None:
    alice = discord.add_user("alice")
    async with connected(SmallBot(), discord) as bot:
        channel = await (await bot.fetch_user(alice.id)).create_dm()
        discord.faults.add("POST", MESSAGES, delay=0.3)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(channel.send("hello"), 0.1)
        assert discord.dms[alice.id] == []
        await discord.wait_until(lambda: len(discord.dms[alice.id]) == 1)


async def test_stand_in_stops_while_a_call_hangs() -> None:
    async with aiohttp.ClientSession() as session:
        async with DiscordStandin() as standin:
            standin.faults.add(delay=60)
            hanging = asyncio.create_task(session.get(f"{standin.rest_url}/gateway"))
            await standin.wait_until(lambda: len(standin.requests) == 1)
            before = time.monotonic()
        assert time.monotonic() - before < 2
        await asyncio.wait({hanging})
        if hanging.exception() is None:
            hanging.result().release()
