"""How often one person may ask, with commands and with presses."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import discord
from discord.ext import commands

from moddy.errors import TooSoon


class Cooldown:
    """Lets each person ask `uses` times in `seconds`; `monotonic` measures seconds.

    One object is one budget, whatever commands and buttons spend it. discord.py's own
    ``checks.cooldown`` knows no buttons, and keeps its counts for as long as the module is loaded.
    """

    def __init__(
        self, *, uses: int, seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._buckets: commands.CooldownMapping[discord.Interaction[Any] | discord.Message]
        self._buckets = commands.CooldownMapping.from_cooldown(uses, seconds, _person)
        self._monotonic = monotonic

    def spend(self, use: discord.Interaction[Any] | discord.Message) -> None:
        """Count one use. Raises TooSoon where there is none left."""
        retry_after = self._buckets.update_rate_limit(use, current=self._monotonic())
        if retry_after is not None:
            raise TooSoon(retry_after=retry_after)


def _person(use: discord.Interaction[Any] | discord.Message) -> int:
    return use.author.id if isinstance(use, discord.Message) else use.user.id
