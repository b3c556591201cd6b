"""A customer's invoices as staff see them: in pages, with their ids."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from discord import ui

from moddy.models import Invoice, InvoicesResponse, Snowflake
from moddy.views import facts
from moddy.views.custom_ids import custom_id
from moddy.views.facts import fact
from moddy.views.invoices import PER_PAGE, pdf_link, status_words, without_pdf
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.links import link_button
from moddy.views.staff.paging import count_pages, nearest_page, page_buttons, place
from moddy.views.staff.people import person, shown_id

# The names of presses.
OPEN_INVOICES = "staff_invoices"
TURN_INVOICES = "staff_invoices_page"

DEFAULT_INVOICES = 10


def staff_invoices_view(
    response: InvoicesResponse,
    *,
    customer_id: Snowflake,
    locale: str,
    now: datetime,
    limit: int,
    page: int = 1,
) -> ui.LayoutView:
    """Return one page of a customer's newest `limit` invoices."""
    language = language_for(locale)
    heading = language.gettext("Invoices of a customer")
    customer = fact(language.gettext("Customer:"), person(customer_id))
    newest_first = sorted(
        response.invoices, key=lambda one: facts.in_utc(one.created), reverse=True
    )
    invoices = newest_first[:limit]
    if not invoices:
        return card(Colour.ENDED, heading, customer, language.gettext("There are no invoices."))
    pages = count_pages(len(invoices), PER_PAGE)
    page = nearest_page(page, pages)
    shown = invoices[(page - 1) * PER_PAGE : page * PER_PAGE]
    counted = language.ngettext("{count} invoice", "{count} invoices", len(invoices))
    footer = (place(language, page=page, pages=pages), counted.format(count=len(invoices)))
    return card(
        Colour.NEUTRAL,
        heading,
        customer,
        *(_block(invoice, language, now) for invoice in shown),
        footer=" · ".join(filter(None, footer)),
        rows=row_of(
            *page_buttons(
                language,
                lambda target: custom_id(TURN_INVOICES, customer_id, str(limit), str(target)),
                page=page,
                pages=pages,
            )
        ),
    )


def _block(invoice: Invoice, language: Language, now: datetime) -> str | ui.Section[Any]:
    amount = facts.amount(language, invoice.amount, invoice.currency)
    first = " · ".join(filter(None, (f"**{facts.date(invoice.created)}**", amount)))
    small = [status_words(invoice.status, language), shown_id(invoice.invoice_id)]
    button = link_button(language.gettext("PDF"), pdf_link(invoice, now))
    if button is None:
        small.insert(1, without_pdf(invoice, language, now))
    text = f"{first}\n-# {' · '.join(filter(None, small))}"
    return text if button is None else ui.Section(text, accessory=button)
