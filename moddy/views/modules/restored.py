"""What the log channel is told when a returning member has their roles again."""

from __future__ import annotations

from collections.abc import Sequence

from discord import ui

from moddy.models import Snowflake
from moddy.views.language import Language
from moddy.views.layout import Colour, card

_MAX_ROLES = 40


def restored_view(
    user_id: Snowflake,
    *,
    given: Sequence[Snowflake],
    withheld: Sequence[Snowflake],
    may_manage: bool,
    language: Language,
) -> ui.LayoutView:
    """Return which roles a member has again and which Moddy could not or may not give."""
    hint = None
    if not may_manage:
        hint = language.gettext(
            "Moddy lacks the permission **Manage Roles**. Give it to Moddy's role in the server's "
            "settings, under Roles; Moddy then tries again."
        )
    blocks = (
        language.gettext("{member} is back.").format(member=f"<@{user_id}>"),
        _named(language.gettext("Given back:"), given, language),
        _named(language.gettext("Not given back:"), withheld, language),
        hint,
    )
    heading = (
        language.gettext("Roles restored") if given else language.gettext("Roles not restored")
    )
    return card(Colour.WARNING if withheld else Colour.GOOD, heading, *blocks)


def _named(heading: str, role_ids: Sequence[Snowflake], language: Language) -> str | None:
    if not role_ids:
        return None
    more = len(role_ids) - _MAX_ROLES
    named = " ".join(f"<@&{role_id}>" for role_id in role_ids[:_MAX_ROLES])
    rest = language.ngettext("and {count} more role", "and {count} more roles", more)
    return f"**{heading}** {named}" + (f" {rest.format(count=more)}" if more > 0 else "")
