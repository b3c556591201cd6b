"""What a customer is told: facts read leniently from the backend's metadata, without I/O.

The backend's metadata is whatever Stripe's webhooks gave it, so each value is read on its own:
one of a wrong type counts as absent and its line is left out, and never fails the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from moddy.models import NotifyAction, SubscriptionStatus


class NotifyMetadata(Struct, frozen=True, kw_only=True):
    """The metadata keys that Moddy uses; e-mail, phone and Stripe ids are never read.

    `amount_minor` and `prorated_amount_minor` are in the currency's minor units; `currency` is
    an upper-case ISO 4217 code; times are aware and in UTC; `status` is the subscription's.
    """

    subscription_type: str | None = None
    status: SubscriptionStatus | None = None
    amount_minor: int | None = None
    currency: str | None = None
    message: str | None = None
    canceled_at: datetime | None = None
    cancel_at_period_end: bool = False
    current_period_end: datetime | None = None
    changes: tuple[str, ...] = ()
    old_plan: str | None = None
    new_plan: str | None = None
    upgrade_date: datetime | None = None
    prorated_amount_minor: int | None = None
    event_id: str | None = None
    event_created: datetime | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> NotifyMetadata:
        """Return what is usable in `raw`; unknown keys are ignored."""
        if not raw:
            return cls()
        return cls(
            subscription_type=_period(raw.get("subscription_type")),
            status=_status(raw.get("status")),
            amount_minor=_integer(raw.get("amount")),
            currency=_currency(raw.get("currency")),
            message=_text(raw.get("message")),
            canceled_at=read_time(raw.get("canceled_at")),
            cancel_at_period_end=raw.get("cancel_at_period_end") is True,
            current_period_end=read_time(raw.get("current_period_end")),
            changes=_texts(raw.get("changes")),
            old_plan=_text(raw.get("old_plan")),
            new_plan=_text(raw.get("new_plan")),
            upgrade_date=read_time(raw.get("upgrade_date")),
            prorated_amount_minor=_integer(raw.get("prorated_amount")),
            event_id=read_event_id(raw),
            event_created=read_time(raw.get("event_created")),
        )


class Notice(Struct, frozen=True, kw_only=True):
    """One message to one customer, ready to be rendered.

    `locale` is a Discord locale (``fr``, ``en-US``); `plan` is the plan the message is about;
    `ends_at` is set when premium goes on until a moment that lies ahead.
    """

    action: NotifyAction
    locale: str
    plan: str | None = None
    ends_at: datetime | None = None
    metadata: NotifyMetadata = NotifyMetadata()


class RefundNotice(Struct, frozen=True, kw_only=True):
    """The message to a customer who got money back; `currency` is ISO 4217, any case."""

    locale: str
    amount_minor: int
    currency: str


AnyNotice = Notice | RefundNotice


def read_event_id(raw: Mapping[str, Any] | None) -> str | None:
    """Return the id of the event that the metadata is about, which tells a repeat."""
    return _text(raw.get("event_id")) if raw else None


def read_time(value: object) -> datetime | None:
    """Return a moment from ISO 8601 text or Unix seconds (Stripe's form), else None.

    A text without an offset is UTC.
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value.strip())
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(text for text in map(_text, value) if text is not None)


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _currency(value: object) -> str | None:
    text = _text(value)
    if text is None or len(text) != 3 or not text.isascii() or not text.isalpha():
        return None
    return text.upper()


def _status(value: object) -> SubscriptionStatus | None:
    text = _text(value)
    return SubscriptionStatus(text.lower()) if text else None


_PERIODS = {"monthly": "monthly", "month": "monthly", "yearly": "yearly", "year": "yearly"}


def _period(value: object) -> str | None:
    text = _text(value)
    return _PERIODS.get(text.lower()) if text else None
