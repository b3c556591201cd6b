"""Answers to messages."""

from __future__ import annotations

import discord
import structlog
from discord import ui

log = structlog.get_logger(__name__)


async def reply(message: discord.Message, view: ui.LayoutView) -> None:
    """Answer a message where it stands, pinging nobody; also when it was deleted meanwhile.

    Where Moddy may not write, nothing comes of it but a line in the log.
    """
    try:
        await message.channel.send(
            view=view,
            reference=message.to_reference(fail_if_not_exists=False),
            allowed_mentions=discord.AllowedMentions.none(),
        )
    except discord.HTTPException as failure:
        log.warning("message not answered", status=failure.status, code=failure.code)
