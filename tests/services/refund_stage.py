"""Refunds over a real store, with a backend that keeps books on what it paid."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import Struct

from moddy.errors import (
    BackendPaused,
    BackendRefused,
    BackendUnauthorized,
    BackendUnavailable,
    RefundOutcomeUnknown,
    StaffRefused,
)
from moddy.models import Invoice, InvoicesResponse, InvoiceStatus, RefundResponse, Snowflake
from moddy.ports import Clock, StaffLog
from moddy.services.refund_rules import Limits
from moddy.services.refunds import Refunds
from moddy.services.staff import Staff
from moddy.services.staff_audit import StaffAudit
from moddy.staff import AuditEntry, Refusal, StaffMember, StaffRole
from moddy.store import refunds as store
from moddy.store import staff as staff_store
from moddy.store import staff_audit
from moddy.store.database import Database
from moddy.store.deliveries import DeliveryKind
from moddy.store.refunds import Refund, RefundState
from moddy.store.tables import deliveries, refunds
from moddy.store.transactions import Connection
from tests.fakes import START, FakeBackend, FixedClock, Gate

CUSTOMER = Snowflake("100000000000000001")
OTHER_CUSTOMER = Snowflake("100000000000000002")
ANNA = Snowflake("500000000000000001")
BERT = Snowflake("500000000000000002")
CLEO = Snowflake("500000000000000003")  # may only look
STRANGER = Snowflake("500000000000000009")
DEVELOPER = Snowflake("500000000000000010")
LOG_CHANNEL = Snowflake("400000000000000002")
LIMITS = Limits(approval_above=5_000, daily_cap=20_000)


class Fault(Enum):
    """What goes wrong with one call for a refund."""

    NONE = "none"
    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"
    PAUSED = "paused"
    NO_CONNECTION = "no connection"
    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    KILLED_BEFORE = "killed before it arrived"
    KILLED_AFTER = "killed after it was paid"


PAID = frozenset({Fault.NONE, Fault.ANSWER_LOST, Fault.KILLED_AFTER})


class Killed(BaseException):
    """The process ended here."""


class Payment(Struct, frozen=True):
    """What was given back under one key."""

    customer_id: Snowflake
    invoice_id: str
    amount_minor: int
    at: datetime


class PayingBackend(FakeBackend):
    """A backend that gives money back, once for each key, and fails as told by `faults`."""

    def __init__(self) -> None:
        super().__init__()
        self.bills: dict[Snowflake, list[Invoice]] = {}
        self.paid: dict[str, Payment] = {}
        self.clock: Clock = FixedClock()
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, int | None]] = []
        self.answer: RefundResponse | None = None
        self.refund_gate = Gate()

    def bill(
        self,
        customer_id: Snowflake = CUSTOMER,
        amount: int = 9_900,
        *,
        invoice_id: str = "in_1",
        currency: str = "eur",
        days_ago: float = 10,
        status: InvoiceStatus = InvoiceStatus.PAID,
    ) -> None:
        """Let a customer have an invoice."""
        invoice = Invoice(
            invoice_id=invoice_id,
            amount=amount,
            currency=currency,
            status=status,
            created=START - timedelta(days=days_ago),
        )
        self.bills.setdefault(customer_id, []).append(invoice)

    async def get_subscription_invoices(
        self, discord_id: Snowflake, limit: int = 10
    ) -> InvoicesResponse:
        """Return the customer's invoices, newest first."""
        await self._called("get_subscription_invoices", discord_id, limit)
        newest_first = sorted(
            self.bills.get(discord_id, []), key=lambda one: one.created, reverse=True
        )
        return InvoicesResponse(success=True, message="", invoices=newest_first[:limit])

    async def refund_payment(
        self,
        discord_id: Snowflake,
        amount_minor: int | None,
        reason: str,
        *,
        idempotency_key: str | None = None,
    ) -> RefundResponse:
        """Pay, or repeat the answer of the key's first time."""
        assert idempotency_key is not None
        self.asked.append((idempotency_key, amount_minor))
        await self.refund_gate.pass_through()
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        _raise_unsent(fault, idempotency_key)
        payment = self.paid.get(idempotency_key)
        if payment is None:
            last, left = self._last(discord_id)
            amount = left if amount_minor is None else amount_minor
            if amount > left:
                # As the real one: Stripe's refusal comes as a 500.
                raise RefundOutcomeUnknown(
                    "x",
                    idempotency_key=idempotency_key,
                    status=500,
                    reason="Stripe error: Charge already refunded",
                )
            payment = Payment(discord_id, last.invoice_id, amount, self.clock.now())
            self.paid[idempotency_key] = payment
        if fault is Fault.KILLED_AFTER:
            raise Killed
        if fault is Fault.ANSWER_LOST:
            raise RefundOutcomeUnknown("x", idempotency_key=idempotency_key)
        return self.answer or RefundResponse(
            success=True,
            message="Refund processed successfully",
            refunded=True,
            refund_id=f"re_{len(self.paid)}",
            amount_refunded=payment.amount_minor,
        )

    def _last(self, customer_id: Snowflake) -> tuple[Invoice, int]:
        """Return the last payment, and what Stripe would still give back of it."""
        bills = [one for one in self.bills[customer_id] if one.status is InvoiceStatus.PAID]
        last = max(bills, key=lambda one: one.created)
        given = [one for one in self.paid.values() if one.invoice_id == last.invoice_id]
        return last, last.amount - sum(one.amount_minor for one in given)


def _raise_unsent(fault: Fault, key: str) -> None:
    errors: Mapping[Fault, BaseException] = {
        Fault.REFUSED: BackendRefused("No payment to refund", status=400),
        Fault.UNAUTHORIZED: BackendUnauthorized("x", status=401, reason="Invalid secret"),
        Fault.PAUSED: BackendPaused(retry_after=30),
        Fault.NO_CONNECTION: BackendUnavailable("connection refused"),
        Fault.REQUEST_LOST: RefundOutcomeUnknown("x", idempotency_key=key),
        Fault.KILLED_BEFORE: Killed(),
    }
    if fault in errors:
        raise errors[fault]


class SilentLog:
    """A staff channel that nobody reads."""

    async def post(self, channel_id: Snowflake, entry: AuditEntry, *, nonce: str) -> str:
        return "1"


class RefundStage:
    """Everything that a test of refunds needs; two over one store are two processes."""

    def __init__(
        self,
        database: Database,
        *,
        backend: PayingBackend | None = None,
        clock: Clock | None = None,
        limits: Limits = LIMITS,
        log: StaffLog | None = None,
        channel_id: Snowflake | None = LOG_CHANNEL,
    ) -> None:
        self.database = database
        self.clock = FixedClock()
        used: Clock = clock or self.clock
        self.backend = backend or PayingBackend()
        self.backend.clock = used
        self.audit = StaffAudit(
            database=database, clock=used, log=log or SilentLog(), channel_id=channel_id
        )
        self.staff = Staff(
            database=database, clock=used, audit=self.audit, developer_ids=[DEVELOPER]
        )
        self.refunds = Refunds(
            database=database,
            clock=used,
            backend=self.backend,
            staff=self.staff,
            audit=self.audit,
            limits=limits,
        )

    async def employ(
        self,
        person_id: Snowflake,
        *,
        role: StaffRole = StaffRole.SUPPORT,
        may_view: bool = True,
        may_manage: bool = True,
    ) -> None:
        """Put somebody on the staff."""
        member = StaffMember(
            discord_id=person_id,
            role=role,
            may_view=may_view,
            may_manage=may_manage,
            added_by=DEVELOPER,
            added_at=START,
        )
        await self.database.transaction(lambda c: staff_store.save(c, member))

    async def open_office(self) -> None:
        """Employ Anna and Bert, and Cleo who may only look; bill both customers."""
        await self.employ(ANNA)
        await self.employ(BERT)
        await self.employ(CLEO, may_manage=False)
        self.backend.bill()
        self.backend.bill(OTHER_CUSTOMER, invoice_id="in_2")

    async def proposed(
        self, amount: str = "20", *, agent: Snowflake = ANNA, customer: Snowflake = CUSTOMER
    ) -> str:
        """Propose a refund and return its id."""
        proposal = await self.refunds.propose(agent, customer, amount)
        assert proposal.is_new
        return proposal.refund.id

    async def pay(self, amount: str, *, customer: Snowflake = CUSTOMER) -> Refund:
        """Bring a refund to its end, with a second person's word where it takes one."""
        refund = await self.refunds.confirm(ANNA, await self.proposed(amount, customer=customer))
        if refund.state is RefundState.AWAITING:
            refund = await self.refunds.approve(BERT, refund.id)
        return refund

    async def unknown(self, fault: Fault = Fault.ANSWER_LOST) -> str:
        """Bring a refund to where nobody knows whether it was done."""
        self.backend.faults.append(fault)
        refund_id = await self.proposed()
        await self.refunds.confirm(ANNA, refund_id)
        return refund_id

    async def row(self, refund_id: str) -> Refund:
        """Return a refund as it is stored."""
        found = await self.refunds.find(refund_id)
        assert found is not None
        return found

    async def all_refunds(self) -> list[Refund]:
        """Return every refund."""
        return await self._refunds(sa.true())

    async def all_of(self, customer_id: Snowflake) -> list[Refund]:
        """Return every refund of a customer."""
        return await self._refunds(refunds.c.customer_id == customer_id)

    async def _refunds(self, condition: sa.ColumnElement[bool]) -> list[Refund]:
        query = sa.select(refunds.c.id).where(condition)
        ids = await self.database.read(lambda c: _scalars(c, query))
        return [await self.row(str(one)) for one in ids]

    async def save(self, refund: Refund, was: Refund) -> None:
        """Change a refund behind the service's back."""
        await self.database.transaction(lambda c: store.save(c, refund, was=was.state))

    async def messages(self) -> list[str]:
        """Return the keys of the messages that customers are owed."""
        query = sa.select(deliveries.c.idempotency_key).where(
            deliveries.c.kind == DeliveryKind.REFUND.value
        )
        return [str(one) for one in await self.database.read(lambda c: _scalars(c, query))]

    async def trail(self) -> list[AuditEntry]:
        """Return the trail, oldest first."""
        page = await self.database.read(
            lambda c: staff_audit.read_page(c, 1, person_id=None, size=10_000)
        )
        return list(reversed(page.entries))

    def wait(self, **by: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**by))


def refused(refusal: Refusal) -> pytest.RaisesExc[StaffRefused]:
    """Expect that a step is refused for this reason."""
    return pytest.RaisesExc(StaffRefused, check=lambda error: error.refusal is refusal)


async def _scalars(connection: Connection, query: sa.Select[Any]) -> list[object]:
    return list((await connection.execute(query)).scalars())
