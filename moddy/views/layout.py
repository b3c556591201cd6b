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
    *blocks: str | ui.Item[Any] | None,
    footer: str | None = None,
    rows: Iterable[ui.ActionRow[Any]] = (),
    thumbnail: str | None = None,
) -> ui.LayoutView:
    """Return a message with a heading, then blocks of markdown; those that are empty are left out.

    A block may also be a component, such as a section. `footer` is shown small, under a line.
    Beside the `thumbnail`, a picture's address, stand the heading and the first text. Nothing is
    scheduled: the view never times out.
    """
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=colour.value)
    items = [_item(block) for block in (f"## {heading}", *blocks) if block]
    if thumbnail:
        texts = [item for item in items[:2] if isinstance(item, ui.TextDisplay)]
        beside: ui.Section[Any] = ui.Section(*texts, accessory=ui.Thumbnail(thumbnail))
        items[: len(texts)] = [beside]
    for item in [*items, *rows]:
        container.add_item(item)
    if footer:
        container.add_item(ui.Separator(spacing=discord.SeparatorSpacing.small))
        container.add_item(ui.TextDisplay(f"-# {footer}"))
    view = ui.LayoutView(timeout=None)
    view.add_item(container)
    # Moddy routes presses by custom id; discord.py is not to keep the view for callbacks.
    view.stop()
    return view


def row_of(*buttons: ui.Button[Any] | None) -> list[ui.ActionRow[Any]]:
    """Return one row with those buttons that are there; without any, no row."""
    present = [button for button in buttons if button is not None]
    return [ui.ActionRow(*present)] if present else []


def _item(block: str | ui.Item[Any]) -> ui.Item[Any]:
    return ui.TextDisplay(block) if isinstance(block, str) else block
