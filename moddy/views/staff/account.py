"""The account on the website that belongs to a Discord user. Its e-mail is shown on request."""

from __future__ import annotations

import discord
from discord import ui

from moddy.models import Snowflake, UserInfoResponse
from moddy.views import facts
from moddy.views.custom_ids import custom_id
from moddy.views.facts import fact
from moddy.views.language import language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.staff.people import moment, person, shown_id
from moddy.views.texts import REDACTED, name_line

# The names of presses.
OPEN_ACCOUNT = "staff_account"
REVEAL_EMAIL = "staff_email"

# In UTF-16 units; source of the 254 octets: RFC 5321, 4.5.3.1.3. Escaped it is twice as long.
_EMAIL_LENGTH = 512


def account_view(
    response: UserInfoResponse, *, customer_id: Snowflake, locale: str
) -> ui.LayoutView:
    """Return a customer's account with its e-mail masked."""
    language = language_for(locale)
    heading = language.gettext("Account on the website")
    customer = fact(language.gettext("Customer:"), person(customer_id))
    if not response.user_found:
        return card(
            Colour.ENDED,
            heading,
            customer,
            language.gettext("No account on the website is linked to this user."),
        )
    reveal = ui.Button[ui.LayoutView](
        style=discord.ButtonStyle.secondary,
        label=language.gettext("Reveal e-mail"),
        custom_id=custom_id(REVEAL_EMAIL, customer_id),
    )
    return card(
        Colour.NEUTRAL,
        heading,
        customer,
        facts.lines(
            fact(language.gettext("Discord id:"), shown_id(response.discord_id)),
            fact(
                language.gettext("E-mail:"),
                masked(response.email) if response.email else language.gettext("none"),
            ),
            fact(language.gettext("Created on:"), moment(response.created_at)),
            fact(language.gettext("Changed on:"), moment(response.updated_at)),
        ),
        footer=language.gettext("Who reveals an e-mail is noted.") if response.email else None,
        rows=row_of(reveal if response.email else None),
    )


def email_view(email: str | None, *, customer_id: Snowflake, locale: str) -> ui.LayoutView:
    """Return a customer's e-mail in full, for one agent's eyes."""
    language = language_for(locale)
    shown = name_line(email, _EMAIL_LENGTH) if email else None
    return card(
        Colour.NEUTRAL,
        language.gettext("E-mail of a customer"),
        facts.lines(
            fact(language.gettext("Customer:"), person(customer_id)),
            fact(language.gettext("E-mail:"), shown or language.gettext("none")),
        ),
    )


def masked(email: str) -> str:
    """Return an e-mail of which no more than two first letters can be read."""
    name, at, domain = email.partition("@")
    return "".join((_first(name), REDACTED, at, _first(domain), REDACTED if at else ""))


def _first(text: str) -> str:
    return text[:1] if text[:1].isascii() and text[:1].isalnum() else ""
