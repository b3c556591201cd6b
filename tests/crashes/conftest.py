"""A Discord and Moddy's lives for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.crashes.lives import Launcher
from tests.standins.discord import DiscordStandin


@pytest.fixture
async def discord() -> AsyncIterator[DiscordStandin]:
    async with DiscordStandin() as standin:
        yield standin
        assert standin.unknown_routes == []


@pytest.fixture
async def launcher() -> AsyncIterator[Launcher]:
    async with Launcher() as opened:
        yield opened
