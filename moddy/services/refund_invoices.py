"""The payment that a refund is taken from."""

from __future__ import annotations

from moddy.errors import BackendContractBroken, BackendRefused
from moddy.models import Invoice, Snowflake
from moddy.ports import Backend
from moddy.services.refund_calls import MAX_MINOR, words
from moddy.services.refund_rules import newest_paid

INVOICES_LOOKED_AT = 50


async def find_newest_paid(backend: Backend, customer_id: Snowflake) -> Invoice | None:
    """Return the customer's last payment as it is now: the backend refunds that one.

    Raises:
        BackendError: it could not be read, or cannot be.
    """
    response = await backend.get_subscription_invoices(customer_id, INVOICES_LOOKED_AT)
    if not response.success:
        raise BackendRefused(response.message, status=200)
    invoice = newest_paid(response.invoices)
    if invoice is not None and not _is_plausible(invoice):
        raise BackendContractBroken("an invoice with an amount or a currency that cannot be")
    return invoice


def _is_plausible(invoice: Invoice) -> bool:
    currency = invoice.currency
    return (
        invoice.amount <= MAX_MINOR
        and invoice.invoice_id == words(invoice.invoice_id)
        and len(currency) == 3
        and currency.isascii()
        and currency.isalpha()
    )
