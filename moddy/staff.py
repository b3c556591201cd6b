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
    VIEW_REFUND = "view_refund"
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


class Refusal(Enum):
    """Why staff may not do something; nothing was done."""

    NOT_STAFF = "not_staff"
    NEEDS_VIEW = "needs_subscription_view"
    NEEDS_MANAGE = "needs_subscription_manage"
    NEEDS_SUPERVISOR = "needs_supervisor"
    NEEDS_MANAGER = "needs_manager"
    # Everybody could read the answer.
    PUBLIC_CHANNEL = "public_channel"
    # About staff:
    ONESELF = "oneself"
    RANK_TOO_HIGH = "rank_too_high"
    PERMISSION_NOT_HELD = "permission_not_held"
    NO_SUCH_MEMBER = "no_such_member"
    # About a refund:
    AMOUNT_UNCLEAR = "amount_unclear"
    NO_PAID_INVOICE = "no_paid_invoice"
    INVOICE_TOO_OLD = "invoice_too_old"
    NOTHING_LEFT = "nothing_left"
    MORE_THAN_LEFT = "more_than_left"
    OWN_MONEY = "own_money"
    OWN_REFUND = "own_refund"
    NOT_YOUR_REFUND = "not_your_refund"
    DAILY_CAP = "daily_cap"
    ANOTHER_IS_OPEN = "another_is_open"
    # What can be refunded is no longer what the proposal says.
    OUT_OF_DATE = "out_of_date"
    # Who proposed it may no longer refund.
    AGENT_MAY_NOT = "agent_may_not"
    ASK_AGAIN_FIRST = "ask_again_first"
    TOO_LATE_TO_ASK = "too_late_to_ask"
    EXPIRED = "expired"
    ALREADY_DECIDED = "already_decided"
    GONE = "gone"
