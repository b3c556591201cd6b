"""What a user sees when a command fails: always a sentence, an error id, and what to do."""

from __future__ import annotations

from typing import Any

import discord
import structlog
from discord import app_commands

from moddy.errors import ModdyError
from moddy.request_ids import new_request_id
from moddy.views.problems import Problem, problem_view

log = structlog.get_logger(__name__)


async def answer_command_error(
    interaction: discord.Interaction[Any], error: app_commands.AppCommandError
) -> None:
    """Log a failed command under a new error id and tell the user of it, for their eyes only."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    interaction.client.dispatch("app_command_failure", interaction, cause)
    error_id = new_request_id()[:8]
    command = interaction.command.qualified_name if interaction.command else None
    if isinstance(cause, ModdyError):
        log.warning("command failed", command=command, error_id=error_id, error=cause.code)
    else:
        log.error("command failed", command=command, error_id=error_id, exc_info=cause)
    view = problem_view(Problem.of(cause), error_id=error_id, locale=interaction.locale.value)
    try:
        if interaction.response.is_done():
            await interaction.followup.send(view=view, ephemeral=True)
        else:
            await interaction.response.send_message(view=view, ephemeral=True)
    except discord.HTTPException as failure:
        # The interaction's token has expired, or Discord is down: there is no way to answer.
        log.warning("command error not shown", error_id=error_id, status=failure.status)
