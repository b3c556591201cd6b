"""Support staff: their roles, what they can do, and the trail of it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from msgspec import Struct

from moddy.models import Snowflake


class StaffRole(Enum):
    """A staff member's place; by itself it grants nothing about subscriptions."""

    MANAGER = "Manager"
    SUPERVISOR = "Supervisor_Sup"
    SUPPORT = "Support"

    @property
    def rank(self) -> int:
        """The place in the hierarchy; a larger rank stands higher."""
        return {StaffRole.SUPPORT: 1, StaffRole.SUPERVISOR: 2, StaffRole.MANAGER: 3}[self]


class StaffAction(Enum):
    """What staff can do; each use of it, allowed or refused, is in the trail."""

    VIEW_SUBSCRIPTION = "view_subscription"
    VIEW_INVOICES = "view_invoices"
    VIEW_ACCOUNT = "view_account"
    REVEAL_EMAIL = "reveal_email"
    VIEW_DELIVERIES = "view_deliveries"
    RETRY_DELIVERY = "retry_delivery"
    PROPOSE_REFUND = "propose_refund"
    CONFIRM_REFUND = "confirm_refund"
    CANCEL_REFUND = "cancel_refund"
    APPROVE_REFUND = "approve_refund"
    REJECT_REFUND = "reject_refund"
    ASK_REFUND_AGAIN = "ask_refund_again"
    SETTLE_REFUND = "settle_refund"  # by hand, after a look at Stripe
    LIST_STAFF = "list_staff"
    ADD_STAFF = "add_staff"
    REMOVE_STAFF = "remove_staff"
    READ_AUDIT = "read_audit"
    READ_HELP = "read_help"
    # What became of a refund; the actor is whoever had it sent.
    REFUND_RESULT = "refund_result"
    # What a sweep would have taken away, and a person's word on it.
    HOLD_REMOVALS = "hold_removals"
    ALLOW_REMOVALS = "allow_removals"


class AuditOutcome(Enum):
    """How an action ended."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    # Of a refund:
    REFUNDED = "refunded"
    FAILED = "failed"
    UNKNOWN = "unknown"


class StaffMember(Struct, frozen=True, kw_only=True):
    """Someone who helps customers.

    `may_view` and `may_manage` are the permissions subscription_view and subscription_manage.
    """

    discord_id: Snowflake
    role: StaffRole
    may_view: bool
    may_manage: bool
    added_by: Snowflake
    added_at: datetime


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One line of the trail. `detail` is a few words for people, without personal data."""

    actor_id: Snowflake
    action: StaffAction
    outcome: AuditOutcome
    at: datetime
    subject_id: Snowflake | None = None
    detail: str | None = None
    refund_id: str | None = None
