"""What a panel shows, and its controls: menus, switches and buttons.

What is chosen in a menu or pressed takes effect at once; texts are written in a form. A control's
custom id carries the module's and the field's name, see `Press`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

import discord
from discord import ui
from msgspec import Struct

from moddy.models import Snowflake
from moddy.views.custom_ids import custom_id
from moddy.views.language import Language
from moddy.views.modules.fields import (
    MAX_CHOSEN,
    ChannelField,
    ChoiceField,
    Field,
    RolesField,
    SwitchField,
    TextField,
)

_BUTTONS_PER_ROW = 5
CHANNEL_TYPES = (discord.ChannelType.text, discord.ChannelType.news)


class Press:
    """The names in the custom ids of the panels' controls."""

    HOME = "config"
    PANEL = "config_panel"
    SET = "config_set"
    FORM = "config_form"
    WRITE = "config_write"
    TURN = "config_turn"
    TRY = "config_try"


class ModuleState(Enum):
    """How a module stands in a server; `BROKEN`: its stored settings cannot be read."""

    ON = auto()
    OFF = auto()
    BROKEN = auto()


class Panel(Struct, frozen=True, kw_only=True):
    """A module's settings, to be shown.

    `problems` keep it from working as it is, `refused` is why the last change was not made, and
    `report` what became of a test. `locked` names the fields that this server would need premium
    for. `known_ids` are the channels and roles that still exist.
    """

    module: str
    title: str
    summary: str
    state: ModuleState
    fields: Sequence[Field] = ()
    problems: Sequence[str] = ()
    refused: Sequence[str] = ()
    report: Sequence[str] = ()
    locked: frozenset[str] = frozenset()
    known_ids: frozenset[int] = frozenset()
    can_try: bool = False


class Entry(Struct, frozen=True, kw_only=True):
    """A line of the overview."""

    module: str
    title: str
    summary: str
    state: ModuleState


def menu(panel: Panel, field: Field, language: Language) -> list[ui.Item[Any]]:
    """Return the field's name with its menu, where it has one."""
    control: ui.Item[Any]
    control_id = custom_id(Press.SET, panel.module, field.name)
    match field:
        case ChannelField():
            control = ui.ChannelSelect(
                custom_id=control_id,
                channel_types=list(CHANNEL_TYPES),
                placeholder=language.gettext("No channel"),
                min_values=0,
                default_values=_known(panel, (field.value,), discord.abc.GuildChannel),
            )
        case RolesField():
            control = ui.RoleSelect(
                custom_id=control_id,
                placeholder=language.gettext("No roles"),
                min_values=0,
                max_values=MAX_CHOSEN,
                default_values=_known(panel, field.values, discord.Role),
            )
        case ChoiceField():
            control = ui.Select(
                custom_id=control_id,
                options=[
                    discord.SelectOption(
                        label=option.label, value=option.value, default=option.value == field.value
                    )
                    for option in field.options
                ],
            )
        case _:
            return []
    return [ui.TextDisplay(f"**{field.label}**"), ui.ActionRow(control)]


def _known(
    panel: Panel, ids: Sequence[Snowflake | None], kind: type[Any]
) -> list[discord.SelectDefaultValue]:
    """Return what a menu has chosen; Discord refuses one that is gone."""
    is_role = kind is discord.Role
    made = (
        discord.SelectDefaultValueType.role if is_role else discord.SelectDefaultValueType.channel
    )
    return [
        discord.SelectDefaultValue(id=int(one), type=made)
        for one in ids[:MAX_CHOSEN]
        if one is not None and int(one) in panel.known_ids
    ]


def switches(panel: Panel, language: Language) -> list[ui.Button[Any]]:
    buttons: list[ui.Button[Any]] = []
    for field in panel.fields:
        if not isinstance(field, SwitchField):
            continue
        locked = field.name in panel.locked
        is_on = field.value and not locked
        word = language.gettext("on") if is_on else language.gettext("off")
        buttons.append(
            ui.Button(
                label=language.gettext("{label}: {state}").format(label=field.label, state=word),
                emoji="🔒" if locked else None,
                disabled=locked,
                style=discord.ButtonStyle.success if is_on else discord.ButtonStyle.secondary,
                custom_id=custom_id(
                    Press.SET, panel.module, field.name, "false" if field.value else "true"
                ),
            )
        )
    return buttons


def actions(panel: Panel, language: Language) -> list[ui.Button[Any]]:
    module = panel.module
    buttons: list[ui.Button[Any]] = []
    if panel.state is ModuleState.BROKEN:
        turn, label = "reset", language.gettext("Start over with new settings")
    elif panel.state is ModuleState.ON:
        turn, label = "off", language.gettext("Turn off")
    else:
        turn, label = "on", language.gettext("Turn on")
    style = discord.ButtonStyle.danger if turn == "reset" else discord.ButtonStyle.primary
    buttons.append(
        ui.Button(label=label, style=style, custom_id=custom_id(Press.TURN, module, turn))
    )
    if any(isinstance(field, TextField) for field in panel.fields):
        label = language.gettext("Edit the texts")
        buttons.append(ui.Button(label=label, custom_id=custom_id(Press.FORM, module)))
    if panel.can_try:
        label = language.gettext("Test it on me")
        buttons.append(ui.Button(label=label, custom_id=custom_id(Press.TRY, module)))
    back = language.gettext("Back")
    buttons.append(ui.Button(label=back, custom_id=custom_id(Press.HOME)))
    return buttons


def rows_of(buttons: Sequence[ui.Button[Any]]) -> list[ui.ActionRow[Any]]:
    starts = range(0, len(buttons), _BUTTONS_PER_ROW)
    return [ui.ActionRow(*buttons[start : start + _BUTTONS_PER_ROW]) for start in starts]
