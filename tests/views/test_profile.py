from __future__ import annotations

from datetime import UTC, datetime

import pytest
from discord import ui
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.views.profile import profile_view
from tests.views.reading import (
    accent,
    assert_within_limits,
    components,
    hostile_texts,
    plain_text,
    unescaped,
)

UNTIL = datetime(2025, 3, 1, tzinfo=UTC)
SINCE = datetime(2025, 1, 1, tzinfo=UTC)
JOINED = datetime(2024, 1, 1, tzinfo=UTC)
AVATAR = "https://cdn.discord.example/avatars/1/a.png?size=1024"
SECTION, THUMBNAIL = 9, 11


def view_of(locale: str = "en-US", *, premium: bool = True) -> ui.LayoutView:
    return profile_view(
        name="Anna",
        premium=premium,
        premium_since=SINCE,
        premium_until=UNTIL,
        plan="moddy_max",
        member_since=JOINED,
        avatar=AVATAR,
        locale=locale,
    )


@pytest.mark.parametrize(
    ("premium", "locale", "expected"),
    [
        (
            True,
            "en-US",
            [
                "## Anna",
                "💎 **Premium**",
                "**Premium since:** <t:1735689600:D>",
                "**Plan:** Moddy Max",
                "**Premium until:** <t:1740787200:D>",
                "**Member since:** <t:1704067200:D>",
            ],
        ),
        (False, "en-US", ["## Anna", "No premium", "**Member since:** <t:1704067200:D>"]),
        (
            True,
            "fr",
            [
                "## Anna",
                "💎 **Premium**",
                "**Premium depuis le :** <t:1735689600:D>",
                "**Formule :** Moddy Max",
                "**Premium jusqu\N{RIGHT SINGLE QUOTATION MARK}au :** <t:1740787200:D>",
                "**Membre depuis le :** <t:1704067200:D>",
            ],
        ),
        (False, "fr", ["## Anna", "Pas de Premium", "**Membre depuis le :** <t:1704067200:D>"]),
    ],
)
def test_a_profile(premium: bool, locale: str, expected: list[str]) -> None:
    view = view_of(locale, premium=premium)
    assert_within_limits(view)
    assert plain_text(view).replace("\N{NO-BREAK SPACE}", " ").splitlines() == expected


def test_the_name_and_the_badge_stand_beside_the_picture() -> None:
    [section] = [one for one in components(view_of()) if one["type"] == SECTION]
    assert [one["content"] for one in section["components"]] == ["## Anna", "💎 **Premium**"]
    assert section["accessory"]["type"] == THUMBNAIL
    assert section["accessory"]["media"]["url"] == AVATAR


def test_what_is_not_known_has_no_line() -> None:
    view = profile_view(name="\u200b", premium=True, locale="fr")
    assert plain_text(view) == "## Profil\n💎 **Premium**"


def test_premium_has_its_colour() -> None:
    assert accent(view_of(premium=True)) != accent(view_of(premium=False))


@settings(deadline=None)
@given(hostile_texts(), hostile_texts(), st.booleans(), st.none() | st.just(AVATAR))
def test_any_name_stays_a_name(name: str, plan: str, premium: bool, avatar: str | None) -> None:
    view = profile_view(
        name=name,
        premium=premium,
        premium_since=SINCE,
        premium_until=UNTIL,
        plan=plan,
        member_since=JOINED,
        avatar=avatar,
        locale="en-US",
    )
    assert_within_limits(view)
    heading, *_facts = plain_text(view).splitlines()
    assert not set("<>@[]`|*_") & set(unescaped(heading))
