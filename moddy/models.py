"""The wire: what Moddy and the website backend say to each other.

Field names, paths and messages follow the wire contract. These Structs do no I/O. Amounts
(``amount``, ``amount_refunded``) are integers in the currency's minor units, as Stripe writes
them; times are ISO 8601 in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")

MAX_SNOWFLAKE = 2**64 - 1
_DIGITS = re.compile(r"[0-9]{1,20}", re.ASCII)


class Snowflake(str):
    """A Discord id: a string of 1 to 20 decimal digits, value 1 … 2^64-1.

    Written without leading zeros, so that one id has one spelling.
    Source: https://discord.com/developers/docs/reference#snowflakes
    """

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Snowflake:
        """Return the id that `value` spells.

        Raises:
            TypeError: `value` is not a string (a JSON number loses digits in other languages).
            ValueError: it is not a Discord id.
        """
        if not isinstance(value, str):
            raise TypeError("Expected a Discord id as a string of digits")
        if not _DIGITS.fullmatch(value) or not 1 <= int(value) <= MAX_SNOWFLAKE:
            raise ValueError("Expected a Discord id: 1 to 20 digits, from 1 to 2^64-1")
        return cls(int(value))


class NotifyAction(Enum):
    """What happened to a customer's subscription."""

    SUBSCRIPTION_CREATED = "subscription_created"
    SUBSCRIPTION_UPDATED = "subscription_updated"
    SUBSCRIPTION_CANCELLED = "subscription_cancelled"
    PLAN_UPGRADED = "plan_upgraded"
    PLAN_DOWNGRADED = "plan_downgraded"


class InternalNotifyUserRequest(Struct, frozen=True, kw_only=True):
    """``POST /internal/notify``."""

    discord_id: Snowflake
    action: NotifyAction
    plan: str | None = None
    metadata: dict[str, Any] | None = None


class InternalNotifyUserResponse(Struct, frozen=True, kw_only=True):
    """The answer to ``POST /internal/notify``."""

    success: bool
    message: str
    notification_sent: bool


class InternalUpdateRolesRequest(Struct, frozen=True, kw_only=True):
    """``POST /internal/roles/update``."""

    discord_id: Snowflake
    plan: str
    add_roles: list[Snowflake] | None = None
    remove_roles: list[Snowflake] | None = None


class InternalUpdateRolesResponse(Struct, frozen=True, kw_only=True):
    """The answer to ``POST /internal/roles/update``."""

    success: bool
    message: str
    roles_updated: bool
    guild_id: str | None


class HealthStatus(Enum):
    """Whether the gateway is ready and the store answers."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class InternalHealthResponse(Struct, frozen=True, kw_only=True):
    """``GET /internal/health``: exactly these three keys."""

    status: HealthStatus
    service: str
    version: str


class ServiceResponse(Struct, frozen=True, kw_only=True):
    """``GET /``."""

    service: str
    status: str


class PremiumResponse(Struct, frozen=True, kw_only=True):
    """``GET /internal/users/{discord_id}/premium``."""

    discord_id: str
    premium: bool
    premium_until: datetime | None


class ErrorResponse(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Any refusal that no answer table covers."""

    error: str
    field: str | None = None
    request_id: str | None = None


class EventType(Enum):
    """What Moddy tells the backend about."""

    MEMBER_JOINED = "member_joined"
    MEMBER_LEFT = "member_left"
    ROLE_UPDATED = "role_updated"
    COMMAND_USED = "command_used"
    MESSAGE_SENT = "message_sent"


class BackendHealthResponse(Struct, frozen=True, kw_only=True):
    """The backend's ``GET /internal/health``."""

    status: str
    service: str
    version: str


class UserInfoRequest(Struct, frozen=True, kw_only=True):
    """``POST /internal/user/info``."""

    discord_id: str


class _InUtc(Struct, frozen=True, kw_only=True):
    """A Struct whose times are aware: one that the backend wrote without an offset is UTC."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, datetime) and value.tzinfo is None:
                msgspec.structs.force_setattr(self, name, value.replace(tzinfo=UTC))


class UserInfoResponse(_InUtc, frozen=True, kw_only=True):
    """The account that belongs to a Discord user. `email` is personal data: never log it."""

    success: bool
    message: str
    user_found: bool
    discord_id: str | None = None
    email: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class EventNotifyRequest(Struct, frozen=True, kw_only=True):
    """``POST /internal/event/notify``."""

    event_type: EventType
    discord_id: str
    metadata: dict[str, Any]


class EventNotifyResponse(Struct, frozen=True, kw_only=True):
    """Whether the backend took the event."""

    success: bool
    message: str
    event_received: bool


class _Lenient(Enum):
    """An enum of Stripe's words: a word this version does not know is ``unknown``."""

    @classmethod
    def _missing_(cls, value: object) -> Enum:
        return cls["UNKNOWN"]


class SubscriptionStatus(_Lenient):
    """Source: https://docs.stripe.com/api/subscriptions/object#subscription_object-status"""

    ACTIVE = "active"
    CANCELED = "canceled"
    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    PAST_DUE = "past_due"
    TRIALING = "trialing"
    UNPAID = "unpaid"
    UNKNOWN = "unknown"


class InvoiceStatus(_Lenient):
    """Source: https://docs.stripe.com/api/invoices/object#invoice_object-status"""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    UNKNOWN = "unknown"


class Subscription(_InUtc, frozen=True, kw_only=True):
    """A customer's subscription, as the backend tells it."""

    subscription_id: str
    customer_id: str
    status: SubscriptionStatus
    subscription_type: str
    current_period_start: datetime
    current_period_end: datetime
    cancel_at_period_end: bool
    amount: int
    currency: str


class SubscriptionInfoRequest(Struct, frozen=True, kw_only=True):
    """``POST /internal/subscription/info``."""

    discord_id: str


class SubscriptionInfoResponse(Struct, frozen=True, kw_only=True):
    """A customer's subscription, or that there is none."""

    success: bool
    message: str
    has_subscription: bool
    subscription: Subscription | None = None


class Invoice(_InUtc, frozen=True, kw_only=True):
    """One invoice. `amount` is what was paid; `invoice_pdf` expires after about 30 days."""

    invoice_id: str
    amount: int
    currency: str
    status: InvoiceStatus
    created: datetime
    invoice_pdf: str | None = None


class InvoicesRequest(Struct, frozen=True, kw_only=True):
    """``POST /internal/subscription/invoices``."""

    discord_id: str
    limit: int


class InvoicesResponse(Struct, frozen=True, kw_only=True):
    """A customer's invoices."""

    success: bool
    message: str
    invoices: list[Invoice] = []


class RefundRequest(Struct, frozen=True, kw_only=True):
    """``POST /internal/subscription/refund``. `amount` None means all of it."""

    discord_id: str
    amount: int | None
    reason: str


class RefundResponse(Struct, frozen=True, kw_only=True):
    """What became of a refund."""

    success: bool
    message: str
    refunded: bool
    refund_id: str | None = None
    amount_refunded: int | None = None


def _decode_hook(kind: type, value: object) -> object:
    if kind is Snowflake:
        return Snowflake.parse(value)
    raise NotImplementedError(kind)


def _encode_hook(value: object) -> object:
    if isinstance(value, Snowflake):
        return str(value)
    raise NotImplementedError(type(value))


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Return a JSON decoder for one wire type; make it once, use it often."""
    return msgspec.json.Decoder(kind, dec_hook=_decode_hook)


def from_json(value: Any, kind: type[T], *, strict: bool = True) -> T:
    """Return a decoded JSON value as a wire type; strings also spell numbers if not `strict`.

    Raises:
        msgspec.ValidationError: it is not one.
    """
    return msgspec.convert(value, kind, strict=strict, dec_hook=_decode_hook)


_encoder = msgspec.json.Encoder(enc_hook=_encode_hook)


def encode(value: object) -> bytes:
    """Return `value` as compact JSON in UTF-8."""
    return _encoder.encode(value)
