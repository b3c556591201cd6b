"""Who and what the pictures are about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from discord import ui
from msgspec import Struct

from moddy.models import Snowflake

# What the page takes for the present, so that pictures are the same from day to day.
NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
WEBSITE = "https://moddy.example/account"
AVATAR = "https://cdn.discordapp.com/avatars/1/ada.png"
LOCALES = ("en-US", "fr")


class Cast(Struct, frozen=True, kw_only=True):
    """The people, who exist in the pictures' Discord, and the Discord locale of the reader.

    `team` are fourteen more of the staff.
    """

    customer: Snowflake
    agent: Snowflake
    supervisor: Snowflake
    team: tuple[Snowflake, ...]
    role: Snowflake
    locale: str


Layout = Callable[[Cast], ui.LayoutView]


def days(count: float) -> datetime:
    """Return the moment so many days from the present; negative: ago."""
    return NOW + timedelta(days=count)
