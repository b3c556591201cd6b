"""Removals that reconciliation holds back until a person has said so."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from moddy.views.custom_ids import custom_id
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card

# The name of a press.
ALLOW_REMOVALS = "staff_allow_removals"


def removals_allowed_view(count: int, *, locale: str) -> ui.LayoutView:
    """Return what becomes of the removals: those that are still right are carried out."""
    language = language_for(locale)
    if count == 0:
        return card(
            Colour.NEUTRAL,
            language.gettext("Nothing waits"),
            language.gettext("Somebody else was faster, or it has settled itself."),
        )
    text = language.ngettext(
        "{count} removal is carried out within seconds, if it is still right.",
        "{count} removals are carried out within seconds, those that are still right.",
        count,
    )
    return card(Colour.GOOD, language.gettext("Allowed"), text.format(count=count))


def allow_button(language: Language) -> ui.Button[Any]:
    """Return the button that lets them be carried out."""
    return ui.Button(
        style=discord.ButtonStyle.danger,
        label=language.gettext("Allow the removals"),
        custom_id=custom_id(ALLOW_REMOVALS),
    )
