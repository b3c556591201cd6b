"""A stand-in for each test, and discord.py pointed at it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.standins.discord import DiscordStandin
from tests.standins.discord.clients import discord_py_at


@pytest.fixture
async def discord() -> AsyncIterator[DiscordStandin]:
    async with DiscordStandin() as standin:
        yield standin
        assert standin.unknown_routes == []


@pytest.fixture
def _discord_py(discord: DiscordStandin) -> Iterator[None]:
    with discord_py_at(discord):
        yield
