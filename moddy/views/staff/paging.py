"""Pages with buttons, for lists that staff look through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import discord
from discord import ui

from moddy.views.language import Language


def page_buttons(
    language: Language, custom_id_of: Callable[[int], str], *, page: int, pages: int
) -> list[ui.Button[Any]]:
    """Return the buttons to the pages beside this one; none where there is only one page."""
    if pages == 1:
        return []
    return [
        ui.Button(
            style=discord.ButtonStyle.secondary,
            label=label,
            custom_id=custom_id_of(target),
            disabled=not 1 <= target <= pages,
        )
        for label, target in (
            (language.gettext("Previous"), page - 1),
            (language.gettext("Next"), page + 1),
        )
    ]


def place(language: Language, *, page: int, pages: int) -> str | None:
    """Return which page this is; None where there is only one."""
    if pages == 1:
        return None
    return language.gettext("Page {page} of {pages}").format(page=page, pages=pages)


def count_pages(items: int, per_page: int) -> int:
    """Return how many pages so many items make, at least one."""
    return max(1, -(-items // per_page))


def nearest_page(page: int, pages: int) -> int:
    """Return the page that is there and nearest to the one asked for."""
    return min(max(page, 1), pages)
