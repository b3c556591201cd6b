"""A customer's invoices, newest first, in pages, each with its PDF. No billing id is ever shown."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import discord
from discord import ui

from moddy.models import Invoice, InvoicesResponse, InvoiceStatus, Snowflake
from moddy.views import facts
from moddy.views.custom_ids import custom_id
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.links import link_button, web_address

# The names of presses: a new answer with the first page, and another page of the same answer.
OPEN_INVOICES = "invoices"
TURN_PAGE = "invoices_page"

PER_PAGE = 6
# As many can be listed; the limit that a customer may name.
MAX_INVOICES = 50
# The backend's links expire after about so long; source: the wire contract, `invoice_pdf`.
PDF_LIFETIME = timedelta(days=30)


def invoices_view(
    response: InvoicesResponse,
    *,
    locale: str,
    now: datetime,
    owner: Snowflake,
    limit: int = MAX_INVOICES,
    page: int = 1,
    website: str | None = None,
) -> ui.LayoutView:
    """Return one page of the newest invoices: date, amount, status and PDF of each.

    `owner` is whose they are, `limit` how many they asked for; a `page` that is not there
    becomes the nearest one. `website` is where older PDFs are to be had.
    """
    language = language_for(locale)
    heading = language.gettext("Your invoices")
    newest_first = sorted(
        response.invoices, key=lambda one: facts.in_utc(one.created), reverse=True
    )
    invoices = newest_first[:limit]
    if not invoices:
        return card(Colour.ENDED, heading, language.gettext("You have no invoices yet."))
    pages = -(-len(invoices) // PER_PAGE)
    page = min(max(page, 1), pages)
    shown = invoices[(page - 1) * PER_PAGE : page * PER_PAGE]
    lost = any(pdf_link(invoice, now) is None for invoice in shown)
    return card(
        Colour.NEUTRAL,
        heading,
        *(_block(invoice, language, now) for invoice in shown),
        _hint(language, website) if lost else None,
        footer=_footer(language, page=page, pages=pages, count=len(invoices)),
        rows=row_of(
            *_paging(language, owner, limit, page=page, pages=pages),
            link_button(language.gettext("Latest invoice (PDF)"), pdf_link(invoices[0], now)),
            link_button(language.gettext("Manage on the website"), website) if lost else None,
        ),
    )


def _block(invoice: Invoice, language: Language, now: datetime) -> str | ui.Section[Any]:
    """Return an invoice with the button to its PDF, or the text that says why there is none."""
    amount = facts.amount(language, invoice.amount, invoice.currency)
    first = " · ".join(filter(None, (f"**{facts.date(invoice.created)}**", amount)))
    status = status_words(invoice.status, language)
    button = link_button(language.gettext("PDF"), pdf_link(invoice, now))
    if button is None:
        return f"{first}\n-# {status} · {without_pdf(invoice, language, now)}"
    return ui.Section(f"{first}\n-# {status}", accessory=button)


def pdf_link(invoice: Invoice, now: datetime) -> str | None:
    """Return the address of an invoice's PDF, None where there is none that works."""
    return None if _has_expired(invoice, now) else web_address(invoice.invoice_pdf)


def _has_expired(invoice: Invoice, now: datetime) -> bool:
    return now - facts.in_utc(invoice.created) > PDF_LIFETIME


def without_pdf(invoice: Invoice, language: Language, now: datetime) -> str:
    """Return why an invoice has no link to its PDF."""
    if invoice.status is InvoiceStatus.DRAFT:
        return language.gettext("its PDF comes later")
    if web_address(invoice.invoice_pdf) and _has_expired(invoice, now):
        return language.gettext("the link to its PDF has expired")
    return language.gettext("no PDF")


def status_words(status: InvoiceStatus, language: Language) -> str:
    """Return an invoice's status in words."""
    words = {
        InvoiceStatus.DRAFT: language.gettext("being prepared"),
        InvoiceStatus.OPEN: language.gettext("to be paid"),
        InvoiceStatus.PAID: language.gettext("paid"),
        InvoiceStatus.VOID: language.gettext("void"),
        InvoiceStatus.UNCOLLECTIBLE: language.gettext("not collected"),
    }
    return words.get(status) or language.gettext("not known at the moment")


def _hint(language: Language, website: str | None) -> str:
    if web_address(website):
        return language.gettext(
            "Links to PDFs work for about 30 days. You find the others on our website."
        )
    return language.gettext(
        "Links to PDFs work for about 30 days. Our support can give you the others."
    )


def _footer(language: Language, *, page: int, pages: int, count: int) -> str:
    counted = language.ngettext("{count} invoice", "{count} invoices", count).format(count=count)
    if pages == 1:
        return counted
    place = language.gettext("Page {page} of {pages}").format(page=page, pages=pages)
    return f"{place} · {counted}"


def _paging(
    language: Language, owner: Snowflake, limit: int, *, page: int, pages: int
) -> list[ui.Button[Any]]:
    if pages == 1:
        return []
    return [
        ui.Button(
            style=discord.ButtonStyle.secondary,
            label=label,
            custom_id=custom_id(TURN_PAGE, owner, str(limit), str(target)),
            disabled=not 1 <= target <= pages,
        )
        for label, target in (
            (language.gettext("Previous"), page - 1),
            (language.gettext("Next"), page + 1),
        )
    ]
