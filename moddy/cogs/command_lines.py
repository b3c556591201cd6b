"""One line in the log for each command and press: which, whose, how it ended, how long it took."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

import discord
import structlog
from discord import app_commands
from discord.ext import commands

from moddy.cogs.premium_gates import PremiumRequired
from moddy.errors import ModdyError, StaffRefused
from moddy.request_ids import new_request_id
from moddy.views.problems import Problem

log = structlog.get_logger(__name__)

# Where an interaction's `extras` have the moment it came in, on `time.perf_counter`.
STARTED = "started"

Command = app_commands.Command[Any, ..., Any] | app_commands.ContextMenu
Context = commands.Context[Any]


def log_done(kind: str, name: str | None, *, user_id: int, started: float | None) -> None:
    """Log that a command or press did what it was to do; `started` on `time.perf_counter`."""
    log.info(kind, **{kind: name}, **_fields("done", user_id, started))


def log_failure(
    cause: Exception, kind: str, name: str | None, *, user_id: int, started: float | None
) -> str | None:
    """Log what failed or was refused; returns the error id of a failure."""
    refused, failed = (" ".join((kind, outcome)) for outcome in ("refused", "failed"))
    fields = {kind: name, **_fields("refused", user_id, started)}
    if isinstance(cause, PremiumRequired):
        log.info(refused, **fields, error="premium_required")
        return None
    if isinstance(cause, StaffRefused):
        log.info("staff refused", **fields, refusal=cause.refusal.value)
        return None
    if isinstance(cause, ModdyError) and not Problem.of(cause).is_failure:
        log.info(refused, **fields, error=cause.code)
        return None
    error_id = new_request_id()[:8]
    fields |= {"error_id": error_id, "outcome": "failed"}
    if isinstance(cause, ModdyError):
        log.warning(failed, **fields, error=cause.code)
    else:
        log.error(failed, **fields, exc_info=cause)
    return error_id


def _fields(outcome: str, user_id: int, started: float | None) -> dict[str, Any]:
    took = None if started is None else round((time.perf_counter() - started) * 1000, 1)
    return {"outcome": outcome, "discord_id": str(user_id), "milliseconds": took}


class CommandLines(commands.Cog):
    """Logs the commands that worked; those that did not are logged where they are answered."""

    @commands.Cog.listener()
    async def on_app_command_completion(
        self, interaction: discord.Interaction[Any], command: Command
    ) -> None:
        """Log a slash command that worked."""
        started = interaction.extras.get(STARTED)
        name = command.qualified_name
        log_done("command", name, user_id=interaction.user.id, started=started)


class MentionTimes:
    """When commands that were given by a mention began, on `time.perf_counter`."""

    def __init__(self) -> None:
        self._started = WeakKeyDictionary[Context, float]()

    def start(self, ctx: Context) -> None:
        """Note that a command begins."""
        self._started[ctx] = time.perf_counter()

    def started(self, ctx: Context) -> float | None:
        """Return when it began; None when it did not."""
        return self._started.get(ctx)
