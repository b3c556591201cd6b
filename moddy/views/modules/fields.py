"""Fields of a module's settings, as its panel shows them. `name` is that of the Struct's field."""

from __future__ import annotations

from msgspec import Struct

from moddy.models import Snowflake

# Discord's most for one menu.
MAX_CHOSEN = 25


class ChannelField(Struct, frozen=True, kw_only=True):
    """A text channel, or none."""

    name: str
    label: str
    value: Snowflake | None


class RolesField(Struct, frozen=True, kw_only=True):
    """Up to 25 roles."""

    name: str
    label: str
    values: tuple[Snowflake, ...]


class Option(Struct, frozen=True):
    """One of the values of a `ChoiceField`."""

    value: str
    label: str


class ChoiceField(Struct, frozen=True, kw_only=True):
    """One of a few values."""

    name: str
    label: str
    value: str
    options: tuple[Option, ...]


class SwitchField(Struct, frozen=True, kw_only=True):
    """On or off. `about` is what premium servers get, where only those have it."""

    name: str
    label: str
    value: bool
    about: str = ""


class TextField(Struct, frozen=True, kw_only=True):
    """A text, written in the module's form. `hint` is shown beside the box.

    Discord's limits: 45 characters for the label, 100 for the hint.
    """

    name: str
    label: str
    value: str
    hint: str
    max_length: int
    long: bool = False


Field = ChannelField | RolesField | ChoiceField | SwitchField | TextField
