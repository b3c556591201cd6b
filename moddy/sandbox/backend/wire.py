"""The six endpoints' JSON, written from the wire contract and apart from `moddy.models`.

Moddy's own Structs are left alone here on purpose: a mistake in them must show as a
disagreement with this side. Amounts are integers in minor units, times ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

DiscordId = Annotated[str, Meta(pattern=r"^[0-9]{1,20}$")]
EventName = Literal["member_joined", "member_left", "role_updated", "command_used", "message_sent"]


class HealthAnswer(Struct, frozen=True, kw_only=True):
    """``GET /internal/health``."""

    status: str
    service: str
    version: str


class AboutUser(Struct, frozen=True, kw_only=True):
    """A request that names a Discord user and nothing else."""

    discord_id: DiscordId


class UserInfoAnswer(Struct, frozen=True, kw_only=True):
    """``POST /internal/user/info``."""

    success: bool
    message: str
    user_found: bool
    discord_id: str | None = None
    email: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class EventNotice(Struct, frozen=True, kw_only=True):
    """``POST /internal/event/notify``."""

    event_type: EventName
    discord_id: DiscordId
    metadata: dict[str, Any] = {}


class EventAnswer(Struct, frozen=True, kw_only=True):
    """Whether the event was taken."""

    success: bool
    message: str
    event_received: bool


class SubscriptionRecord(Struct, frozen=True, kw_only=True):
    """A subscription as ``POST /internal/subscription/info`` tells it."""

    subscription_id: str
    customer_id: str
    status: str
    subscription_type: str
    current_period_start: datetime
    current_period_end: datetime
    cancel_at_period_end: bool
    amount: int
    currency: str


class SubscriptionAnswer(Struct, frozen=True, kw_only=True):
    """``POST /internal/subscription/info``."""

    success: bool
    message: str
    has_subscription: bool
    subscription: SubscriptionRecord | None = None


class InvoicesQuery(Struct, frozen=True, kw_only=True):
    """``POST /internal/subscription/invoices``."""

    discord_id: DiscordId
    limit: Annotated[int, Meta(ge=1, le=100)] = 10


class InvoiceRecord(Struct, frozen=True, kw_only=True):
    """One invoice; `amount` is what was paid."""

    invoice_id: str
    amount: int
    currency: str
    status: str
    created: datetime
    invoice_pdf: str | None = None


class InvoicesAnswer(Struct, frozen=True, kw_only=True):
    """The newest invoices first."""

    success: bool
    message: str
    invoices: list[InvoiceRecord]


class RefundOrder(Struct, frozen=True, kw_only=True):
    """``POST /internal/subscription/refund``; `amount` None means all that is left."""

    discord_id: DiscordId
    amount: Annotated[int, Meta(gt=0)] | None = None
    reason: str = ""


class RefundAnswer(Struct, frozen=True, kw_only=True):
    """What was refunded."""

    success: bool
    message: str
    refunded: bool
    refund_id: str | None = None
    amount_refunded: int | None = None
