"""Customers, subscriptions, invoices and refunds: the money side of the reference backend."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from moddy.sandbox.backend.tables import accounts, events, invoices, subscriptions
from moddy.sandbox.backend.wire import EventNotice, InvoiceRecord, RefundOrder, SubscriptionRecord

FREE_PLAN = "free"
CURRENCY = "eur"
PRICES_MINOR = {
    ("moddy_plus", "monthly"): 499,
    ("moddy_plus", "yearly"): 4990,
    ("moddy_max", "monthly"): 999,
    ("moddy_max", "yearly"): 9990,
}
PERIODS = {"monthly": timedelta(days=30), "yearly": timedelta(days=365)}
REFUND_WINDOW = timedelta(days=180)
LIVE_STATUSES = ("active", "trialing", "past_due")


class BillingError(Exception):
    """Billing says no; the text is what the other side reads."""


class Seed(Struct, frozen=True, kw_only=True):
    """A customer to start with; `note` is for the page, `plan` what they subscribe to."""

    discord_id: str
    name: str
    email: str
    phone: str
    note: str = ""
    plan: str | None = None


class Account(Struct, frozen=True, kw_only=True):
    """A customer of the website."""

    discord_id: str
    customer_id: str
    name: str
    note: str
    email: str
    phone: str
    created_at: datetime
    updated_at: datetime


class SubscriptionState(Struct, frozen=True, kw_only=True):
    """A customer's last subscription, ended or not, with its plan."""

    discord_id: str
    subscription_id: str
    plan: str
    status: str
    subscription_type: str
    current_period_start: datetime
    current_period_end: datetime
    cancel_at_period_end: bool
    amount: int
    currency: str

    @property
    def live(self) -> bool:
        """Whether the customer still has what they pay for."""
        return self.status in LIVE_STATUSES


class ReceivedEvent(Struct, frozen=True, kw_only=True):
    """An event that Moddy told."""

    number: int
    event_type: str
    discord_id: str
    metadata: dict[str, Any]
    received_at: datetime


class Billing:
    """Reads and changes the books inside one transaction of the caller's."""

    def __init__(self, connection: AsyncConnection, *, now: Callable[[], datetime]) -> None:
        self._connection = connection
        self._now = now

    async def add_account(self, seed: Seed) -> None:
        """Open an account, with a subscription and a paid invoice when the seed has a plan."""
        now = self._now()
        opened = now - timedelta(days=90)
        values = {
            "discord_id": seed.discord_id,
            "customer_id": _new_id("cus"),
            "name": seed.name,
            "note": seed.note,
            "email": seed.email,
            "phone": seed.phone,
            "created_at": opened,
            "updated_at": opened,
        }
        await self._connection.execute(insert(accounts).values(values))
        if seed.plan is not None:
            await self.subscribe(
                seed.discord_id, plan=seed.plan, period="monthly", at=now - timedelta(days=12)
            )

    async def list_accounts(self) -> Sequence[Account]:
        """Return all customers, in the order in which they came."""
        rows = await self._connection.execute(select(accounts))
        return [Account(**row._mapping) for row in rows]

    async def find_account(self, discord_id: str) -> Account | None:
        """Return the customer with this Discord id."""
        query = select(accounts).where(accounts.c.discord_id == discord_id)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else Account(**row._mapping)

    async def find_subscription(self, discord_id: str) -> SubscriptionState | None:
        """Return the customer's last subscription, also when it has ended."""
        query = select(subscriptions).where(subscriptions.c.discord_id == discord_id)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else SubscriptionState(**row._mapping)

    async def subscription_record(self, discord_id: str) -> SubscriptionRecord | None:
        """Return the last subscription as the wire tells it, None when it is over."""
        account = await self.find_account(discord_id)
        state = await self.find_subscription(discord_id)
        if account is None or state is None or not state.live:
            return None
        return SubscriptionRecord(
            subscription_id=state.subscription_id,
            customer_id=account.customer_id,
            status=state.status,
            subscription_type=state.subscription_type,
            current_period_start=state.current_period_start,
            current_period_end=state.current_period_end,
            cancel_at_period_end=state.cancel_at_period_end,
            amount=state.amount,
            currency=state.currency,
        )

    async def subscribe(
        self, discord_id: str, *, plan: str, period: str, at: datetime | None = None
    ) -> None:
        """Begin a subscription at `at` (now), and write its first, paid invoice."""
        start = at or self._now()
        amount = price(plan, period)
        values = {
            "discord_id": discord_id,
            "subscription_id": _new_id("sub"),
            "plan": plan,
            "status": "active",
            "subscription_type": period,
            "current_period_start": start,
            "current_period_end": start + PERIODS[period],
            "cancel_at_period_end": False,
            "amount": amount,
            "currency": CURRENCY,
        }
        over = delete(subscriptions).where(subscriptions.c.discord_id == discord_id)
        await self._connection.execute(over)
        await self._connection.execute(insert(subscriptions).values(values))
        await self.add_invoice(discord_id, amount=amount, created=start)

    async def change_subscription(self, discord_id: str, **values: object) -> None:
        """Write new values into the customer's subscription."""
        change = update(subscriptions).where(subscriptions.c.discord_id == discord_id)
        await self._connection.execute(change.values(values))

    async def add_invoice(
        self, discord_id: str, *, amount: int, created: datetime, status: str = "paid"
    ) -> str:
        """Write an invoice of `amount` minor units and return its id."""
        invoice_id = _new_id("in")
        values = {
            "invoice_id": invoice_id,
            "discord_id": discord_id,
            "amount": amount,
            "amount_refunded": 0,
            "currency": CURRENCY,
            "status": status,
            "created": created,
        }
        await self._connection.execute(insert(invoices).values(values))
        return invoice_id

    async def list_invoices(self, discord_id: str, *, limit: int) -> list[InvoiceRecord]:
        """Return the customer's newest invoices, at most `limit`."""
        rows = await self._connection.execute(
            _invoices_of(discord_id).limit(limit),
        )
        return [
            InvoiceRecord(
                invoice_id=row.invoice_id,
                amount=row.amount,
                currency=row.currency,
                status=row.status,
                created=row.created,
                invoice_pdf=f"https://pay.example.com/invoice/{row.invoice_id}/pdf",
            )
            for row in rows
        ]

    async def refund(self, order: RefundOrder) -> tuple[str, int]:
        """Give back part or all of the customer's last payment; return refund id and amount.

        Raises:
            BillingError: nothing was paid, nothing is left, it is too much, or 180 days are over.
        """
        query = _invoices_of(order.discord_id).where(invoices.c.status == "paid").limit(1)
        paid: Row[Any] | None = (await self._connection.execute(query)).one_or_none()
        if paid is None:
            raise BillingError("No payment to refund")
        if self._now() - paid.created > REFUND_WINDOW:
            raise BillingError("Stripe error: Charge is older than 180 days")
        left = paid.amount - paid.amount_refunded
        if left == 0:
            raise BillingError("Stripe error: Charge already refunded")
        amount = left if order.amount is None else order.amount
        if amount > left:
            raise BillingError(
                f"Stripe error: Refund amount ({amount}) is greater than unrefunded amount"
                f" on charge ({left})"
            )
        change = update(invoices).where(invoices.c.invoice_id == paid.invoice_id)
        await self._connection.execute(
            change.values(amount_refunded=invoices.c.amount_refunded + amount)
        )
        return _new_id("re"), amount

    async def add_event(self, notice: EventNotice) -> None:
        """Keep an event that Moddy told."""
        values = {
            "event_type": notice.event_type,
            "discord_id": notice.discord_id,
            "metadata": notice.metadata,
            "received_at": self._now(),
        }
        await self._connection.execute(insert(events).values(values))

    async def list_events(self, *, limit: int) -> list[ReceivedEvent]:
        """Return the newest events first, at most `limit`."""
        rows = await self._connection.execute(
            select(events).order_by(events.c.number.desc()).limit(limit)
        )
        return [ReceivedEvent(**row._mapping) for row in rows]


def price(plan: str, period: str) -> int:
    """Return a plan's price in minor units of the euro.

    Raises:
        BillingError: there is no such plan or billing period.
    """
    try:
        return PRICES_MINOR[plan, period]
    except KeyError:
        raise BillingError("Unknown plan or billing period") from None


def _invoices_of(discord_id: str) -> Any:
    newest_first = (invoices.c.created.desc(), invoices.c.invoice_id)
    return select(invoices).where(invoices.c.discord_id == discord_id).order_by(*newest_first)


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(8)}"
