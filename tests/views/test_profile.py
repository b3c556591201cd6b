from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.views.profile import profile_view
from tests.views.reading import accent, assert_within_limits, hostile_texts, plain_text, unescaped

UNTIL = datetime(2025, 3, 1, tzinfo=UTC)
SINCE = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("premium", "locale", "expected"),
    [
        (
            True,
            "en-US",
            [
                "## Anna",
                "**Premium:** yes",
                "**Premium until:** <t:1740787200:D>",
                "**Member since:** <t:1735689600:D>",
            ],
        ),
        (False, "en-US", ["## Anna", "**Premium:** no", "**Member since:** <t:1735689600:D>"]),
        (
            True,
            "fr",
            [
                "## Anna",
                "**Premium :** oui",
                "**Premium jusqu\N{RIGHT SINGLE QUOTATION MARK}au :** <t:1740787200:D>",
                "**Membre depuis le :** <t:1735689600:D>",
            ],
        ),
    ],
)
def test_a_profile(premium: bool, locale: str, expected: list[str]) -> None:
    view = profile_view(
        name="Anna", premium=premium, premium_until=UNTIL, member_since=SINCE, locale=locale
    )
    assert plain_text(view).replace("\N{NO-BREAK SPACE}", " ").splitlines() == expected


def test_what_is_not_known_has_no_line() -> None:
    view = profile_view(
        name="\u200b", premium=True, premium_until=None, member_since=None, locale="fr"
    )
    assert plain_text(view).replace("\N{NO-BREAK SPACE}", " ") == "## Profil\n**Premium :** oui"


def test_premium_has_its_colour() -> None:
    views = [
        profile_view(name="A", premium=one, premium_until=None, member_since=None, locale="fr")
        for one in (True, False)
    ]
    assert accent(views[0]) != accent(views[1])


@settings(deadline=None)
@given(hostile_texts(), st.booleans())
def test_any_name_stays_a_name(name: str, premium: bool) -> None:
    view = profile_view(
        name=name, premium=premium, premium_until=None, member_since=None, locale="en-US"
    )
    assert_within_limits(view)
    heading, *_facts = plain_text(view).splitlines()
    assert not set("<>@[]`|*_") & set(unescaped(heading))
