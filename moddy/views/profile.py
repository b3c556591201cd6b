"""A Discord user's profile. What they pay for, and until when, is shown to themselves only."""

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
    locale: str,
    premium_since: datetime | None = None,
    premium_until: datetime | None = None,
    plan: str | None = None,
    member_since: datetime | None = None,
    avatar: str | None = None,
) -> ui.LayoutView:
    """Return a profile: the name beside the picture, the premium badge, and since when.

    `premium_until` and `plan` are for the eyes of the user themselves; whoever shows the profile
    to others leaves them out. `avatar` is the picture's address on Discord.
    """
    language = language_for(locale)
    badge = language.gettext("Premium") if premium else language.gettext("No premium")
    return card(
        Colour.PREMIUM if premium else Colour.NEUTRAL,
        name_line(name, _NAME_LENGTH) or language.gettext("Profile"),
        f"💎 **{badge}**" if premium else badge,
        facts.lines(
            fact(
                language.gettext("Premium since:"), facts.date(premium_since) if premium else None
            ),
            fact(language.gettext("Plan:"), facts.plan_name(plan) if premium else None),
            fact(
                language.gettext("Premium until:"), facts.date(premium_until) if premium else None
            ),
            fact(language.gettext("Member since:"), facts.date(member_since)),
        ),
        thumbnail=avatar,
    )
