"""A customer's invoices, newest first, each with its PDF. No billing id is ever shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui
from yarl import URL

from moddy.models import Invoice, InvoicesResponse, InvoiceStatus
from moddy.views import facts
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card

# 25 buttons in 5 rows and the rest of the card are 35 of Discord's 40 components.
MAX_INVOICES = 25
_BUTTONS_PER_ROW = 5
_MAX_URL = 512


def invoices_view(response: InvoicesResponse, *, locale: str) -> ui.LayoutView:
    """Return the newest invoices, each with date, amount, status, and a button to its PDF."""
    language = language_for(locale)
    heading = language.gettext("Your invoices")
    if not response.invoices:
        none = language.gettext("You have no invoices yet.")
        return card(Colour.ENDED, heading, none)
    ordered = sorted(
        response.invoices, key=lambda invoice: facts.in_utc(invoice.created), reverse=True
    )
    shown = ordered[:MAX_INVOICES]
    more = len(ordered) - len(shown)
    listed = "\n".join(
        f"{number}. {_line(invoice, language)}" for number, invoice in enumerate(shown, start=1)
    )
    rest = language.ngettext("and {count} more invoice", "and {count} more invoices", more)
    return card(
        Colour.NEUTRAL,
        heading,
        listed,
        rest.format(count=more) if more else None,
        rows=_pdf_rows(shown, language),
    )


def _line(invoice: Invoice, language: Language) -> str:
    parts = (
        facts.date(invoice.created),
        facts.amount(language, invoice.amount, invoice.currency),
        _status(invoice.status, language),
    )
    return " · ".join(filter(None, parts))


def _status(status: InvoiceStatus, language: Language) -> str:
    words = {
        InvoiceStatus.DRAFT: language.gettext("being prepared"),
        InvoiceStatus.OPEN: language.gettext("to be paid"),
        InvoiceStatus.PAID: language.gettext("paid"),
        InvoiceStatus.VOID: language.gettext("void"),
        InvoiceStatus.UNCOLLECTIBLE: language.gettext("not collected"),
    }
    return words.get(status) or language.gettext("not known at the moment")


def _pdf_rows(invoices: Sequence[Invoice], language: Language) -> list[ui.ActionRow[Any]]:
    """Return link buttons, numbered as the invoices are."""
    buttons: list[ui.Button[Any]] = [
        ui.Button(
            style=discord.ButtonStyle.link,
            label=language.gettext("PDF {number}").format(number=number),
            url=url,
        )
        for number, invoice in enumerate(invoices, start=1)
        if (url := _web_address(invoice.invoice_pdf))
    ]
    return [
        ui.ActionRow(*buttons[start : start + _BUTTONS_PER_ROW])
        for start in range(0, len(buttons), _BUTTONS_PER_ROW)
    ]


def _web_address(text: str | None) -> str | None:
    """Return an address that Discord takes for a button, else None.

    Discord refuses the whole message for one bad address: it wants http(s), a full host name
    and at most 512 characters.
    """
    try:
        url = URL(text or "")
        host, port = url.raw_host or "", url.explicit_port
    except ValueError:
        return None
    address = str(url)
    wanted = url.scheme in {"http", "https"} and "." in host.strip(".") and url.raw_user is None
    return address if wanted and port != 0 and len(address) <= _MAX_URL else None
