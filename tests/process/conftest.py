"""A stage for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.process.stage import Stage
from tests.standins.backend import BackendStandin
from tests.standins.discord import DiscordStandin


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with DiscordStandin() as discord, BackendStandin() as backend:
        yield Stage(discord, backend, tmp_path)
        assert discord.unknown_routes == []
