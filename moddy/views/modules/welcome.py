"""The message that greets a new member."""

from __future__ import annotations

import discord
from discord import ui

# In UTF-16 units: nothing but the text is in the message that Discord would count.
MAX_TEXT = 3_900


def welcome_view(
    text: str, *, colour: int | None, image_url: str | None = None, picture: str | None = None
) -> ui.LayoutView:
    """Return a welcome; `text` is not empty and at most `MAX_TEXT` UTF-16 units long.

    `picture` is the name of an attached file. `colour` is an RGB integer.
    """
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=colour)
    container.add_item(ui.TextDisplay(text))
    pictures = [f"attachment://{picture}"] if picture else []
    pictures += [image_url] if image_url else []
    # Each in a gallery of its own: side by side, Discord cuts pictures to squares.
    for address in pictures:
        container.add_item(ui.MediaGallery(discord.MediaGalleryItem(address)))
    view = ui.LayoutView(timeout=None)
    view.add_item(container)
    # Nothing of it is pressed; discord.py is not to keep it.
    view.stop()
    return view
