"""Why somebody cannot set up a server's modules."""

from __future__ import annotations

from enum import Enum, auto

from discord import ui

from moddy.views.language import language_for
from moddy.views.layout import Colour, card


class Refusal(Enum):
    """`NOT_HERE`: Moddy does not know the server."""

    NOT_MANAGER = auto()
    NOT_HERE = auto()


def refusal_view(refusal: Refusal, *, locale: str) -> ui.LayoutView:
    """Return what is missing."""
    language = language_for(locale)
    texts = {
        Refusal.NOT_MANAGER: language.gettext(
            "You need the permission **Manage Server** for this. Nothing was changed."
        ),
        Refusal.NOT_HERE: language.gettext(
            "Moddy does not know this server: it was not added to it, or it is still starting. "
            "Please try again in a minute."
        ),
    }
    return card(Colour.WARNING, language.gettext("Not possible"), texts[refusal])
