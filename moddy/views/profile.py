"""A Discord user's profile, as anyone may see it."""

from __future__ import annotations

from datetime import datetime

from discord import ui

from moddy.views import facts
from moddy.views.facts import fact
from moddy.views.language import language_for
from moddy.views.layout import Colour, card
from moddy.views.texts import name_line

_NAME_LENGTH = 100


def profile_view(
    *,
    name: str,
    premium: bool,
    premium_until: datetime | None,
    member_since: datetime | None,
    locale: str,
) -> ui.LayoutView:
    """Return a profile: the name, whether they have premium and until when, member since when."""
    language = language_for(locale)
    state = language.gettext("yes") if premium else language.gettext("no")
    until = facts.date(premium_until) if premium else None
    return card(
        Colour.PREMIUM if premium else Colour.NEUTRAL,
        name_line(name, _NAME_LENGTH) or language.gettext("Profile"),
        facts.lines(
            fact(language.gettext("Premium:"), state),
            fact(language.gettext("Premium until:"), until),
            fact(language.gettext("Member since:"), facts.date(member_since)),
        ),
    )
