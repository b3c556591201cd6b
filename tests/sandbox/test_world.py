"""The Discord in memory and its page, with a small bot in Moddy's place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import discord
import pytest
from discord.ext import commands
from yarl import URL

from moddy.sandbox.window import Window, open_window
from moddy.sandbox.world import (
    AGENT,
    AWAY_CUSTOMER,
    CLOSED_CUSTOMER,
    CUSTOMER,
    World,
)

SOON_S = 3


class SmallBot(commands.AutoShardedBot):
    """Has one command; remembers the locale and the monotonic clock that it saw."""

    def __init__(self) -> None:
        intents = discord.Intents(guilds=True, members=True)
        super().__init__("!", intents=intents, shard_count=1, help_command=None)
        self.seen: list[tuple[str, float]] = []

    async def setup_hook(self) -> None:
        async def hello(interaction: discord.Interaction) -> None:
            self.seen.append((interaction.locale.value, time.monotonic()))
            await interaction.response.send_message("Hello", ephemeral=True)

        self.tree.command(name="hello", description="Say hello")(hello)
        await self.tree.sync()


@pytest.fixture
async def bot() -> SmallBot:
    return SmallBot()


@pytest.fixture
async def world(bot: SmallBot) -> AsyncIterator[World]:
    world = World()
    async with world.connect(bot):
        yield world


@pytest.fixture
async def window(world: World) -> AsyncIterator[Window]:
    async with open_window(world, port=0) as window:
        yield window


class Reader:
    """Reads the Discord page as its script does."""

    def __init__(self, session: aiohttp.ClientSession, window: Window) -> None:
        self._session = session
        self._url = URL(window.url)
        self._headers = {"X-Simcord-Capability": self._url.fragment}

    async def open(self) -> None:
        url = self._url.with_path("/api/pages").with_query(None).with_fragment(None)
        async with self._session.post(url, json={}, headers=self._headers) as response:
            assert response.status == 200
            state = await response.json()
        self._headers["X-Simcord-Context"] = state["context"]["id"]

    async def state(self) -> Any:
        url = self._url.with_path("/api/state").with_query(None).with_fragment(None)
        async with self._session.get(url, headers=self._headers) as response:
            assert response.status == 200
            return await response.json()

    async def contents(self) -> list[str]:
        return [one["content"] for one in (await self.state())["messages"].values()]

    async def wait_for(self, content: str) -> list[str]:
        async with asyncio.timeout(SOON_S):
            while True:
                contents = await self.contents()
                if content in contents:
                    return contents
                await asyncio.sleep(0.02)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


async def send(bot: SmallBot, world: World, text: str) -> None:
    user = await bot.fetch_user(int(world.user_id(CUSTOMER)))
    await user.send(text)


async def test_server_and_people(world: World, bot: SmallBot) -> None:
    guild = bot.get_guild(int(world.guild_id))
    assert guild is not None
    role = guild.get_role(int(world.premium_role_id))
    assert role is not None
    assert not role.managed
    assert role < guild.me.top_role
    for person in (CUSTOMER, CLOSED_CUSTOMER, AGENT):
        assert (await guild.fetch_member(int(world.user_id(person)))).global_name == person.name
    with pytest.raises(discord.NotFound):
        await guild.fetch_member(int(world.user_id(AWAY_CUSTOMER)))


async def test_closed_dms(world: World, bot: SmallBot) -> None:
    user = await bot.fetch_user(int(world.user_id(CLOSED_CUSTOMER)))
    for _ in range(2):
        with pytest.raises(discord.Forbidden) as caught:
            await user.send("x")
        assert caught.value.code == 50007


async def test_someone_outside_of_the_server_has_dms(world: World, bot: SmallBot) -> None:
    user = await bot.fetch_user(int(world.user_id(AWAY_CUSTOMER)))
    await user.send("still a customer")
    assert [one.content for one in world.dm_channel(AWAY_CUSTOMER).history()] == [
        "still a customer"
    ]


async def test_everyone_has_their_language_and_time_is_real(world: World, bot: SmallBot) -> None:
    before = time.monotonic()
    await world.user(CUSTOMER).slash("hello")
    await world.members[CLOSED_CUSTOMER].slash(world.general, "hello")
    after = time.monotonic()
    assert [locale for locale, _ in bot.seen] == ["en-US", "fr"]
    assert before <= bot.seen[0][1] <= bot.seen[1][1] <= after


async def test_premium_role(world: World, bot: SmallBot) -> None:
    assert not world.has_premium_role(CUSTOMER)
    guild = bot.get_guild(int(world.guild_id))
    assert guild is not None
    member = await guild.fetch_member(int(world.user_id(CUSTOMER)))
    await member.add_roles(discord.Object(int(world.premium_role_id)))
    assert world.has_premium_role(CUSTOMER)


async def test_message_appears_by_itself(
    world: World, bot: SmallBot, window: Window, session: aiohttp.ClientSession
) -> None:
    reader = Reader(session, window)
    await reader.open()
    assert await reader.contents() == []
    await send(bot, world, "first")
    assert await reader.wait_for("first") == ["first"]
    await send(bot, world, "second")
    assert await reader.wait_for("second") == ["first", "second"]


async def test_message_appears_after_a_click_in_progress(
    world: World, bot: SmallBot, window: Window, session: aiohttp.ClientSession
) -> None:
    reader = Reader(session, window)
    await reader.open()
    click = asyncio.create_task(world.user(CUSTOMER).slash("hello"))
    await asyncio.sleep(0)
    await send(bot, world, "news")
    await click
    assert "news" in await reader.wait_for("news")


async def test_another_view_has_the_same_address(
    world: World, window: Window, session: aiohttp.ClientSession
) -> None:
    first = URL(window.url)
    assert first.host == "127.0.0.1"
    names = [view.name for view in window.views]
    assert names[0] == window.shown
    for name in (*names[1:], names[0]):
        await window.show(name)
        now = URL(window.url)
        assert window.shown == name
        assert (now.origin(), now.fragment) == (first.origin(), first.fragment)
        await Reader(session, window).open()
    assert URL(window.url) == first


async def test_server_view_is_seen_by_its_members(
    world: World, window: Window, session: aiohttp.ClientSession
) -> None:
    await window.show("general")
    reader = Reader(session, window)
    await reader.open()
    state = await reader.state()
    assert {one["name"] for one in state["viewers"]} == {"Ada", "Camille", "Sam", "Rita"}


async def test_staff_channels_are_the_staffs(world: World, window: Window) -> None:
    async with aiohttp.ClientSession() as session:
        await window.show("staff")
        reader = Reader(session, window)
        await reader.open()
        assert {one["name"] for one in (await reader.state())["viewers"]} == {"Sam", "Rita"}


async def test_coming_and_going(
    world: World, bot: SmallBot, window: Window, session: aiohttp.ClientSession
) -> None:
    await window.show("general")
    noor = world.user_id(AWAY_CUSTOMER)
    guild = bot.get_guild(int(world.guild_id))
    assert guild is not None
    for _ in range(2):
        await window.set_member(noor, member=True)
    assert (await guild.fetch_member(int(noor))).global_name == "Noor"
    reader = Reader(session, window)
    await reader.open()
    assert "Noor" in {one["name"] for one in (await reader.state())["viewers"]}
    for _ in range(2):
        await window.set_member(noor, member=False)
    with pytest.raises(discord.NotFound):
        await guild.fetch_member(int(noor))
    assert noor not in window.member_ids
    with pytest.raises(KeyError):
        await window.set_member("4", member=True)


async def test_no_such_view(window: Window) -> None:
    shown = window.url
    with pytest.raises(KeyError):
        await window.show("kitchen")
    assert window.url == shown
