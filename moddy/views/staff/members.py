"""Who is staff, and what each of them may do."""

from __future__ import annotations

from discord import ui

from moddy.models import Snowflake
from moddy.staff import StaffMember
from moddy.views import facts
from moddy.views.custom_ids import custom_id
from moddy.views.facts import fact
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.staff.paging import count_pages, nearest_page, page_buttons, place
from moddy.views.staff.people import person
from moddy.views.texts import escaped

# The name of a press.
TURN_MEMBERS = "staff_members_page"

PER_PAGE = 15
_ROLE_LENGTH = 40


def members_view(members: list[StaffMember], *, locale: str, page: int = 1) -> ui.LayoutView:
    """Return one page of the staff."""
    language = language_for(locale)
    heading = language.gettext("Staff")
    if not members:
        return card(
            Colour.ENDED,
            heading,
            language.gettext("Nobody yet. `/admin staff add` adds somebody."),
        )
    ranked = sorted(members, key=lambda one: -one.role.rank)
    pages = count_pages(len(ranked), PER_PAGE)
    page = nearest_page(page, pages)
    shown = ranked[(page - 1) * PER_PAGE : page * PER_PAGE]
    counted = language.ngettext("{count} member", "{count} members", len(ranked))
    footer = (place(language, page=page, pages=pages), counted.format(count=len(ranked)))
    return card(
        Colour.NEUTRAL,
        heading,
        "\n".join(_line(member, language) for member in shown),
        footer=" · ".join(filter(None, footer)),
        rows=row_of(
            *page_buttons(
                language,
                lambda target: custom_id(TURN_MEMBERS, str(target)),
                page=page,
                pages=pages,
            )
        ),
    )


def member_added_view(member: StaffMember, *, locale: str) -> ui.LayoutView:
    """Return what somebody on the staff may do from now on."""
    language = language_for(locale)
    return card(
        Colour.GOOD,
        language.gettext("Now on the staff"),
        facts.lines(
            fact(language.gettext("Who:"), person(member.discord_id)),
            fact(language.gettext("Role:"), escaped(member.role.value, _ROLE_LENGTH)),
            fact(language.gettext("Permissions:"), _permissions(member, language)),
        ),
    )


def member_removed_view(person_id: Snowflake, *, locale: str) -> ui.LayoutView:
    """Return that somebody is no longer on the staff."""
    language = language_for(locale)
    return card(
        Colour.NEUTRAL,
        language.gettext("No longer on the staff"),
        fact(language.gettext("Who:"), person(person_id)),
    )


def _line(member: StaffMember, language: Language) -> str:
    role = escaped(member.role.value, _ROLE_LENGTH)
    return f"- {person(member.discord_id)} · **{role}** · {_permissions(member, language)}"


def _permissions(member: StaffMember, language: Language) -> str:
    granted = [
        name
        for name, has in (
            ("`subscription_view`", member.may_view),
            ("`subscription_manage`", member.may_manage),
        )
        if has
    ]
    return ", ".join(granted) or language.gettext("no permissions")
