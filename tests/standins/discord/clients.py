"""Pointing client libraries of this process at a stand-in."""

from collections.abc import Iterator
from contextlib import contextmanager

import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.standins.discord.server import DiscordStandin


@contextmanager
def discord_py_at(discord: DiscordStandin) -> Iterator[None]:
    """Let discord.py in this process talk to the stand-in instead of to Discord."""
    base, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = discord.rest_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(discord.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = base, gateway
