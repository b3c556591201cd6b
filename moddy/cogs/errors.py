"""What a person sees when a command or a press fails: a sentence, an error id, what to do."""

from __future__ import annotations

from typing import Any

import discord
import structlog
from discord import app_commands, ui

from moddy.cogs.command_lines import STARTED, log_failure
from moddy.cogs.premium_gates import PremiumRequired
from moddy.cogs.replies import reply
from moddy.errors import StaffRefused, TooSoon
from moddy.views.problems import Problem, problem_view
from moddy.views.staff.problems import staff_problem_view
from moddy.views.staff.refusals import refusal_view

log = structlog.get_logger(__name__)

# Among an interaction's extras: it is staff who asked, and may read what the backend said.
_FOR_STAFF = "for_staff"


def answer_as_staff(interaction: discord.Interaction[Any]) -> None:
    """Have what goes wrong with this interaction told as it is told to staff."""
    interaction.extras[_FOR_STAFF] = True


async def answer_command_error(
    interaction: discord.Interaction[Any], error: app_commands.AppCommandError
) -> None:
    """Log a failed command under a new error id and tell the user of it, for their eyes only."""
    cause: Exception = error
    if isinstance(error, app_commands.CommandInvokeError):
        cause = error.original
    elif isinstance(error, app_commands.CommandOnCooldown):
        cause = TooSoon(retry_after=error.retry_after)
    interaction.client.dispatch("app_command_failure", interaction, cause)
    command = interaction.command.qualified_name if interaction.command else None
    await _answer(interaction, cause, "command", command, started=interaction.extras.get(STARTED))


async def answer_press_error(
    interaction: discord.Interaction[Any],
    error: Exception,
    *,
    name: str | None,
    started: float | None = None,
) -> None:
    """Do as `answer_command_error` for a press that the handler `name` failed at."""
    await _answer(interaction, error, "press", name, started=started)


async def answer_mention_error(
    message: discord.Message,
    error: Exception,
    *,
    name: str | None,
    locale: str,
    started: float | None = None,
) -> None:
    """Do as `answer_command_error` for a command that staff gave by mentioning Moddy."""
    error_id = log_failure(error, "command", name, user_id=message.author.id, started=started)
    await reply(message, _explanation(error, error_id, locale=locale, for_staff=True))


async def _answer(
    interaction: discord.Interaction[Any],
    cause: Exception,
    kind: str,
    name: str | None,
    *,
    started: float | None,
) -> None:
    error_id = log_failure(cause, kind, name, user_id=interaction.user.id, started=started)
    for_staff = bool(interaction.extras.get(_FOR_STAFF))
    view = _explanation(cause, error_id, locale=interaction.locale.value, for_staff=for_staff)
    try:
        if interaction.response.is_done():
            await interaction.followup.send(view=view, ephemeral=True)
        else:
            await interaction.response.send_message(view=view, ephemeral=True)
    except discord.HTTPException as failure:
        # The interaction's token has expired, or Discord is down: there is no way to answer.
        log.warning("error not shown", error_id=error_id, status=failure.status)


def _explanation(
    cause: Exception, error_id: str | None, *, locale: str, for_staff: bool
) -> ui.LayoutView:
    if isinstance(cause, PremiumRequired):
        return cause.view(locale)
    if isinstance(cause, StaffRefused):
        return refusal_view(cause.refusal, locale=locale)
    retry_after = getattr(cause, "retry_after", None)
    if for_staff:
        return staff_problem_view(cause, error_id=error_id, locale=locale, retry_after=retry_after)
    problem = Problem.of(cause)
    return problem_view(problem, error_id=error_id, locale=locale, retry_after=retry_after)
