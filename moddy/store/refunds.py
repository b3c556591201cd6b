"""Refunds, from the moment that one is proposed."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from msgspec import Struct, structs

from moddy.models import Snowflake
from moddy.store.tables import refunds
from moddy.store.transactions import Connection


class RefundState(Enum):
    """Where a refund stands."""

    PROPOSED = "proposed"  # its agent has to confirm it
    AWAITING = "awaiting"  # a second person has to approve it
    SENDING = "sending"  # the backend is being asked, or was when Moddy ended
    REFUNDED = "refunded"
    FAILED = "failed"  # certainly not done
    UNKNOWN = "unknown"  # asked for, and nobody knows whether it was done
    CANCELLED = "cancelled"  # by its agent
    REJECTED = "rejected"  # by the second person


# These stand in the way of another refund for the same customer.
OPEN = (RefundState.AWAITING, RefundState.SENDING, RefundState.UNKNOWN)
# These count against what is left of an invoice, and against the agent's cap.
COUNTED = (*OPEN, RefundState.REFUNDED)


class Refund(Struct, frozen=True, kw_only=True):
    """One refund. `is_full`: all that is left was asked for, with the word for it.

    `amount_minor` is what was confirmed, and all that the backend is ever asked for;
    `invoice_minor` is what was paid, and `refundable_minor` what was left of that before.
    `refunded_minor` is what was given back, by the backend's word. `error` is the backend's own
    words; for staff. `asks` counts how often the backend was asked, from `sent_at` to `asked_at`.
    """

    id: str
    state: RefundState
    customer_id: Snowflake
    agent_id: Snowflake
    is_full: bool
    amount_minor: int
    currency: str
    invoice_id: str
    invoice_created: datetime
    invoice_minor: int
    refundable_minor: int
    reason: str
    created_at: datetime
    expires_at: datetime
    approver_id: Snowflake | None = None
    asks: int = 0
    sent_at: datetime | None = None
    asked_at: datetime | None = None
    finished_at: datetime | None = None
    refunded_minor: int | None = None
    stripe_refund_id: str | None = None
    error: str | None = None

    @property
    def idempotency_key(self) -> str:
        """What every call to the backend for this refund carries."""
        return f"refund-{self.id}"

    @property
    def was_asked_again(self) -> bool:
        """Whether the backend was asked more than once."""
        return self.asks > 1

    @property
    def given_minor(self) -> int:
        """What was given back, or may have been or will be."""
        return self.amount_minor if self.refunded_minor is None else self.refunded_minor

    def is_open(self, now: datetime) -> bool:
        """Whether it stands in the way of another refund for the same customer."""
        return self.state in OPEN and not self.has_expired(now)

    def has_expired(self, now: datetime) -> bool:
        """Whether it waited for somebody's yes for too long."""
        waits = self.state in (RefundState.PROPOSED, RefundState.AWAITING)
        return waits and self.expires_at <= now


async def insert(connection: Connection, refund: Refund) -> None:
    """Store a new refund."""
    await connection.execute(sa.insert(refunds).values(_values(refund)))


async def save(connection: Connection, refund: Refund, *, was: RefundState) -> bool:
    """Write a refund that has changed; returns False when it is no longer in state `was`."""
    result = await connection.execute(
        sa.update(refunds)
        .where(refunds.c.id == refund.id, refunds.c.state == was.value)
        .values(_values(refund))
    )
    return result.rowcount == 1


async def find(connection: Connection, refund_id: str) -> Refund | None:
    """Return a refund."""
    row = (await connection.execute(sa.select(refunds).where(refunds.c.id == refund_id))).first()
    return None if row is None else _refund(row)


async def find_open(
    connection: Connection, customer_id: Snowflake, now: datetime, *, besides: str = ""
) -> Refund | None:
    """Return the refund of a customer that has to be settled before one more is made.

    `besides` is the id of one that does not count.
    """
    query = (
        sa.select(refunds)
        .where(refunds.c.customer_id == customer_id, refunds.c.id != besides)
        .where(refunds.c.state.in_([state.value for state in OPEN]))
        .order_by(refunds.c.created_at)
    )
    found = map(_refund, await connection.execute(query))
    return next((refund for refund in found if refund.is_open(now)), None)


async def sum_of_invoice(
    connection: Connection, refund: Refund, now: datetime, *, unapproved: bool = False
) -> int:
    """Return what other refunds gave back of the same invoice, or may have, in minor units.

    `unapproved`: only by refunds that one person alone decided on.
    """
    same = [
        refunds.c.customer_id == refund.customer_id,
        refunds.c.invoice_id == refund.invoice_id,
        refunds.c.id != refund.id,
    ]
    if unapproved:
        same.append(refunds.c.approver_id.is_(None))
    return await _sum(connection, now, *same)


async def sum_of_agent(
    connection: Connection, refund: Refund, now: datetime, *, since: datetime
) -> int:
    """Return what the same agent's other refunds gave since then, or may give, in minor units.

    One that is still open counts whatever its age: it may be paid at any moment.
    """
    undecided = refunds.c.state.in_([state.value for state in OPEN])
    return await _sum(
        connection,
        now,
        refunds.c.agent_id == refund.agent_id,
        refunds.c.id != refund.id,
        sa.or_(undecided, refunds.c.asked_at >= since),
    )


async def find_lost(connection: Connection, before: datetime, *, limit: int) -> list[Refund]:
    """Return refunds that the backend was asked for before then and that nobody waits for."""
    query = (
        sa.select(refunds)
        .where(refunds.c.state == RefundState.SENDING.value, refunds.c.asked_at < before)
        .limit(limit)
    )
    return [_refund(row) for row in await connection.execute(query)]


async def _sum(connection: Connection, now: datetime, *conditions: sa.ColumnElement[bool]) -> int:
    waits_in_vain = sa.and_(
        refunds.c.state == RefundState.AWAITING.value, refunds.c.expires_at <= now
    )
    given = sa.func.coalesce(refunds.c.refunded_minor, refunds.c.amount_minor)
    query = sa.select(sa.func.coalesce(sa.func.sum(given), 0)).where(
        *conditions, refunds.c.state.in_([state.value for state in COUNTED]), ~waits_in_vain
    )
    return int(await connection.scalar(query) or 0)


def _values(refund: Refund) -> dict[str, object]:
    return structs.asdict(refund) | {"state": refund.state.value}


def _refund(row: sa.Row[tuple[object, ...]]) -> Refund:
    values = dict(row._mapping)
    approver = values["approver_id"]
    values |= {
        "state": RefundState(values["state"]),
        "customer_id": Snowflake(values["customer_id"]),
        "agent_id": Snowflake(values["agent_id"]),
        "approver_id": None if approver is None else Snowflake(approver),
    }
    return Refund(**values)
