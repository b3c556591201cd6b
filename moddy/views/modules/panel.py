"""The panels of ``/config``: all modules of a server, and the settings of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from moddy.views.custom_ids import custom_id
from moddy.views.language import Language
from moddy.views.layout import Colour, card, row_of
from moddy.views.modules.controls import (
    Entry,
    ModuleState,
    Panel,
    Press,
    actions,
    menu,
    rows_of,
    switches,
)
from moddy.views.modules.fields import (
    SwitchField,
    TextField,
)
from moddy.views.premium import locked_text, premium_button
from moddy.views.texts import name_line

# As many problems are shown together; each of at most `_PROBLEM_LENGTH` characters.
_MAX_PROBLEMS = 4
_PROBLEM_LENGTH = 280
_TEXT_LENGTH = 300
_COLOURS = {
    ModuleState.ON: Colour.GOOD,
    ModuleState.OFF: Colour.ENDED,
    ModuleState.BROKEN: Colour.PROBLEM,
}


def overview_view(entries: Sequence[Entry], language: Language) -> ui.LayoutView:
    """Return all modules with a button to each."""
    sections: list[ui.Item[Any]] = [
        ui.Section(
            f"**{entry.title}** · {_state(entry.state, language)}\n{entry.summary}",
            accessory=ui.Button(
                label=language.gettext("Set up"),
                custom_id=custom_id(Press.PANEL, entry.module),
            ),
        )
        for entry in entries
    ]
    return card(
        Colour.NEUTRAL,
        language.gettext("What Moddy does on this server"),
        *sections,
        footer=language.gettext("Only members who may manage the server see and change this."),
    )


def panel_view(panel: Panel, language: Language, *, website_url: str | None) -> ui.LayoutView:
    """Return a module's settings with everything to change them."""
    state = language.gettext("This module is {state}.").format(state=_state(panel.state, language))
    is_locked = bool(panel.locked)
    return card(
        Colour.WARNING if panel.refused or panel.problems else _COLOURS[panel.state],
        panel.title,
        f"{panel.summary}\n{state}",
        _list(language.gettext("This was not saved:"), panel.refused),
        _list(language.gettext("This has to be put right:"), panel.problems),
        _list(language.gettext("Your test:"), panel.report),
        *_texts(panel, language),
        *(item for field in panel.fields for item in menu(panel, field, language)),
        *(
            locked_text(field.about, language)
            for field in panel.fields
            if isinstance(field, SwitchField) and field.name in panel.locked
        ),
        rows=[
            *rows_of(switches(panel, language)),
            *rows_of(actions(panel, language)),
            *row_of(premium_button(website_url, language) if is_locked else None),
        ],
    )


def form(panel: Panel, language: Language) -> ui.Modal:
    """Return the form for the texts of a module."""
    # Discord's most for a title is 45 characters.
    modal = ui.Modal(title=panel.title[:45], custom_id=custom_id(Press.WRITE, panel.module))
    for field in panel.fields:
        if isinstance(field, TextField):
            modal.add_item(_text_input(field))
    # The answer comes by its custom id; discord.py is not to keep the form for a callback.
    modal.stop()
    return modal


def _text_input(field: TextField) -> ui.Label[Any]:
    style = discord.TextStyle.paragraph if field.long else discord.TextStyle.short
    box: ui.TextInput[Any] = ui.TextInput(
        custom_id=field.name,
        style=style,
        default=field.value or None,
        required=False,
        max_length=field.max_length,
    )
    return ui.Label(text=field.label, description=field.hint, component=box)


def _state(state: ModuleState, language: Language) -> str:
    words = {
        ModuleState.ON: language.gettext("🟢 on"),
        ModuleState.OFF: language.gettext("⚪ off"),
        ModuleState.BROKEN: language.gettext("🔴 stopped: its settings cannot be read"),
    }
    return words[state]


def _list(heading: str, lines: Sequence[str]) -> str | None:
    if not lines:
        return None
    shown = [f"- {_cut(line)}" for line in lines[:_MAX_PROBLEMS]]
    return "\n".join([f"**{heading}**", *shown])


def _cut(line: str) -> str:
    return line if len(line) <= _PROBLEM_LENGTH else line[: _PROBLEM_LENGTH - 1] + "…"


def _texts(panel: Panel, language: Language) -> list[str]:
    nothing = language.gettext("not set")
    return [
        f"**{field.label}**\n{name_line(field.value, _TEXT_LENGTH) or nothing}"
        for field in panel.fields
        if isinstance(field, TextField)
    ]
