"""What Moddy owes or owed a customer: messages, roles, events; and having one tried anew."""

from __future__ import annotations

from typing import Any

import discord
from discord import ui

from moddy.models import Snowflake
from moddy.services.support import DELIVERIES_SHOWN, Retried
from moddy.store.console import RETRYABLE, Obstacle, Row
from moddy.store.deliveries import DeliveryKind, DeliveryState
from moddy.views.custom_ids import custom_id
from moddy.views.facts import fact
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.staff.paging import count_pages, nearest_page, page_buttons, place
from moddy.views.staff.people import ago, person
from moddy.views.texts import name_line

# The names of presses.
OPEN_DELIVERIES = "staff_deliveries"
TURN_DELIVERIES = "staff_deliveries_page"
RETRY = "staff_retry"

PER_PAGE = 6
_WORD_LENGTH = 64
# As good as unique, and short enough to read out.
_SHORT_ID = 12


def deliveries_view(
    rows: list[Row],
    *,
    customer_id: Snowflake,
    locale: str,
    page: int = 1,
) -> ui.LayoutView:
    """Return one page of a customer's deliveries, newest first."""
    language = language_for(locale)
    heading = language.gettext("Deliveries to a customer")
    customer = fact(language.gettext("Customer:"), person(customer_id))
    if not rows:
        return card(Colour.ENDED, heading, customer, language.gettext("There are none."))
    pages = count_pages(len(rows), PER_PAGE)
    page = nearest_page(page, pages)
    shown = rows[(page - 1) * PER_PAGE : page * PER_PAGE]

    def turn(target: int) -> str:
        return custom_id(TURN_DELIVERIES, customer_id, str(target))

    again = ui.Button[ui.LayoutView](
        style=discord.ButtonStyle.secondary,
        label=language.gettext("Look again"),
        custom_id=turn(page),
    )
    return card(
        Colour.NEUTRAL,
        heading,
        customer,
        *(_block(row, language) for row in shown),
        footer=_footer(language, len(rows), page=page, pages=pages),
        rows=row_of(*page_buttons(language, turn, page=page, pages=pages), again),
    )


def retried_view(retried: Retried, *, locale: str) -> ui.LayoutView:
    """Return what became of a retry."""
    language = language_for(locale)
    row = retried.row
    what = f"{_kind(row.kind, language)} · {row.id[:_SHORT_ID]}"
    if retried.obstacle is None:
        return card(
            Colour.GOOD,
            language.gettext("It is tried again now"),
            what,
            language.gettext("Look again in a moment to see what became of it."),
        )
    return card(
        Colour.WARNING,
        language.gettext("It was not tried again"),
        what,
        _obstacle(retried.obstacle, language),
    )


def _block(row: Row, language: Language) -> str | ui.Section[Any]:
    tries = language.ngettext("{count} try", "{count} tries", row.tries).format(count=row.tries)
    error = name_line(row.last_error, _WORD_LENGTH) if row.last_error else None
    small = (tries, error, row.id[:_SHORT_ID])
    text = "\n".join(
        (
            f"**{_kind(row.kind, language)}** · {ago(row.created_at)}",
            _state(row.state, language),
            f"-# {' · '.join(filter(None, small))}",
        )
    )
    if row.state not in RETRYABLE:
        return text
    doubtful = row.state == DeliveryState.UNCERTAIN.value
    button = ui.Button[ui.LayoutView](
        style=discord.ButtonStyle.danger if doubtful else discord.ButtonStyle.primary,
        label=language.gettext("Send it again") if doubtful else language.gettext("Try again"),
        custom_id=custom_id(RETRY, row.user_id, row.id),
    )
    return ui.Section(text, accessory=button)


def _footer(language: Language, count: int, *, page: int, pages: int) -> str:
    counted = language.ngettext("{count} delivery", "{count} deliveries", count)
    if count == DELIVERIES_SHOWN:
        counted = language.gettext("the newest {count}")
    return " · ".join(
        filter(None, (place(language, page=page, pages=pages), counted.format(count=count)))
    )


def _kind(kind: str, language: Language) -> str:
    words = {
        DeliveryKind.NOTIFY.value: language.gettext("Message about the subscription"),
        DeliveryKind.ROLES.value: language.gettext("Roles"),
        DeliveryKind.EVENT.value: language.gettext("Event for the website"),
        DeliveryKind.REFUND.value: language.gettext("Message about a refund"),
        DeliveryKind.STAFF_LOG.value: language.gettext("Note in the staff log"),
    }
    # A newer Moddy may have left kinds and states that this version has no word for.
    return words.get(kind) or name_line(kind, _WORD_LENGTH) or "?"


def _state(state: str, language: Language) -> str:
    words = {
        DeliveryState.PENDING: "🟡 " + language.gettext("to be delivered"),
        DeliveryState.WAITING: "🟡 " + language.gettext("waits for the member to join"),
        DeliveryState.KEPT: "🟠 "
        + language.gettext("direct messages are closed; shown with the next command"),
        DeliveryState.DELIVERED: "🟢 " + language.gettext("delivered"),
        DeliveryState.SHOWN: "🟢 " + language.gettext("shown with a command"),
        DeliveryState.REFUSED: "🔴 " + language.gettext("refused for good"),
        DeliveryState.REPLACED: "⚪ " + language.gettext("replaced by a newer one"),
        DeliveryState.STALE: "⚪ " + language.gettext("older than what was known"),
        DeliveryState.DEAD: "🔴 " + language.gettext("given up after many tries"),
        DeliveryState.UNCERTAIN: "🟠 "
        + language.gettext("may have been sent; sent again, it may come twice"),
        DeliveryState.DROPPED: "⚪ " + language.gettext("dropped by hand"),
    }
    known = {kind.value: text for kind, text in words.items()}
    return known.get(state) or name_line(state, _WORD_LENGTH) or "?"


def _obstacle(obstacle: Obstacle, language: Language) -> str:
    return {
        Obstacle.GONE: language.gettext("It is no longer there."),
        Obstacle.LEASED: language.gettext("It is being tried right now. Look again in a minute."),
        Obstacle.CHANGED: language.gettext("It has changed meanwhile. Look again."),
        Obstacle.OUTDATED: language.gettext(
            "A newer role update was accepted since, which it would undo."
        ),
    }[obstacle]
