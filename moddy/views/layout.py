"""The common frame of Moddy's messages: one container with a colour and blocks of text.

Discord's limits for one message are 40 components and 4000 characters in all texts.
Source: https://discord.com/developers/docs/components/reference#what-is-a-component
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

import discord
from discord import ui


class Colour(Enum):
    """Accent colours, as RGB integers."""

    GOOD = 0x2E9E5B
    NEUTRAL = 0x4A6FA5
    WARNING = 0xD9902F
    ENDED = 0x80848E
    PROBLEM = 0xC9403A
    PREMIUM = 0x8E5BD0


def card(
    colour: Colour,
    heading: str,
    *blocks: str | None,
    footer: str | None = None,
    rows: Iterable[ui.ActionRow[Any]] = (),
) -> ui.LayoutView:
    """Return a message with a heading, then blocks of markdown; those that are empty are left out.

    `footer` is shown small, under a line. Nothing is scheduled: the view never times out.
    """
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=colour.value)
    container.add_item(ui.TextDisplay(f"## {heading}"))
    for block in filter(None, blocks):
        container.add_item(ui.TextDisplay(block))
    for row in rows:
        container.add_item(row)
    if footer:
        container.add_item(ui.Separator(spacing=discord.SeparatorSpacing.small))
        container.add_item(ui.TextDisplay(f"-# {footer}"))
    view = ui.LayoutView(timeout=None)
    view.add_item(container)
    return view
