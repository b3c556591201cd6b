"""What support staff look up, and their own pages."""

from __future__ import annotations

from discord import ui

from moddy.errors import BackendNotFound, BackendRefused, BackendTimeout
from moddy.models import SubscriptionStatus, UserInfoResponse
from moddy.services.support import Retried, SubscriptionFile
from moddy.staff import AuditEntry, AuditOutcome, StaffAction, StaffMember, StaffRole
from moddy.store.console import Obstacle, Row
from moddy.store.staff_audit import Page
from moddy.store.users import User
from moddy.views.staff.account import account_view, email_view
from moddy.views.staff.audit import audit_entry_view, audit_view
from moddy.views.staff.deliveries import deliveries_view, retried_view
from moddy.views.staff.help import Topic, help_view, unknown_command_view, usage_view
from moddy.views.staff.invoices import staff_invoices_view
from moddy.views.staff.members import member_added_view, member_removed_view, members_view
from moddy.views.staff.problems import staff_problem_view
from moddy.views.staff.removals import removals_allowed_view
from moddy.views.staff.subscription import staff_subscription_view
from tests.pictures.cast import NOW, Cast, Layout, days
from tests.pictures.customers import ERROR_ID, invoices_of, subscription_of

EMAIL = "ada.lovelace@mail.example"
DELIVERIES = (
    ("notify", "kept", 1, "dm_closed"),
    ("roles", "delivered", 1, None),
    ("notify", "dead", 12, "discord_unavailable"),
    ("event", "pending", 3, "backend_unavailable"),
    ("refund", "uncertain", 1, None),
    ("roles", "waiting", 1, "not_a_member"),
    ("staff_log", "delivered", 2, None),
    ("notify", "replaced", 0, None),
)


def subscription(cast: Cast) -> ui.LayoutView:
    """Return a customer's subscription with all that is known of it."""
    user = User(
        discord_id=cast.customer,
        plan="moddy_max",
        premium=True,
        premium_until=days(18),
        grace_until=days(2),
        last_event_created=days(-1),
    )
    found = subscription_of(SubscriptionStatus.PAST_DUE, ending=True)
    file = SubscriptionFile(response=found, user=user)
    return staff_subscription_view(file, customer_id=cast.customer, locale=cast.locale)


def invoices(count: int, *, page: int = 1) -> Layout:
    """Return the layout of a page of so many invoices."""

    def layout(cast: Cast) -> ui.LayoutView:
        return staff_invoices_view(
            invoices_of(count),
            customer_id=cast.customer,
            locale=cast.locale,
            now=NOW,
            limit=50,
            page=page,
        )

    return layout


def account(*, found: bool) -> Layout:
    """Return the layout of an account, its e-mail masked."""

    def layout(cast: Cast) -> ui.LayoutView:
        response = UserInfoResponse(
            success=True,
            message="",
            user_found=found,
            discord_id=cast.customer if found else None,
            email=EMAIL if found else None,
            created_at=days(-400) if found else None,
            updated_at=days(-12) if found else None,
        )
        return account_view(response, customer_id=cast.customer, locale=cast.locale)

    return layout


def email(cast: Cast) -> ui.LayoutView:
    """Return an e-mail that was revealed."""
    return email_view(EMAIL, customer_id=cast.customer, locale=cast.locale)


def rows_of(cast: Cast) -> list[Row]:
    """Return deliveries of most kinds and states."""
    return [
        Row(
            id=f"{number:x}a7c3e19b24d0"[:13].ljust(24, "0"),
            kind=kind,
            user_id=cast.customer,
            state=state,
            tries=tries,
            last_error=error,
            request_id=None,
            created_at=days(-number / 3),
            due_at=None,
            leased_until=None,
            sending_since=None,
            retried_at=None,
            finished_at=None,
        )
        for number, (kind, state, tries, error) in enumerate(DELIVERIES)
    ]


def deliveries(*, page: int = 1, some: bool = True) -> Layout:
    """Return the layout of a page of deliveries."""

    def layout(cast: Cast) -> ui.LayoutView:
        rows = rows_of(cast) if some else []
        return deliveries_view(rows, customer_id=cast.customer, locale=cast.locale, page=page)

    return layout


def retried(obstacle: Obstacle | None) -> Layout:
    """Return the layout of what became of a retry."""

    def layout(cast: Cast) -> ui.LayoutView:
        return retried_view(Retried(row=rows_of(cast)[2], obstacle=obstacle), locale=cast.locale)

    return layout


def staff_of(cast: Cast) -> list[StaffMember]:
    """Return a team of each role, and enough of them for two pages."""
    team = [
        (cast.supervisor, StaffRole.MANAGER, True, True),
        (cast.agent, StaffRole.SUPERVISOR, True, True),
        *(
            (person, StaffRole.SUPPORT, number != 1, number == 0)
            for number, person in enumerate(cast.team)
        ),
    ]
    return [
        StaffMember(
            discord_id=person,
            role=role,
            may_view=may_view,
            may_manage=may_manage,
            added_by=cast.supervisor,
            added_at=days(-30),
        )
        for person, role, may_view, may_manage in team
    ]


def members(count: int) -> Layout:
    """Return the layout of the first page of so many members."""

    def layout(cast: Cast) -> ui.LayoutView:
        return members_view(staff_of(cast)[:count], locale=cast.locale)

    return layout


def member_added(cast: Cast) -> ui.LayoutView:
    """Return that somebody is on the staff."""
    return member_added_view(staff_of(cast)[1], locale=cast.locale)


def member_removed(cast: Cast) -> ui.LayoutView:
    """Return that somebody is no longer on the staff."""
    return member_removed_view(cast.agent, locale=cast.locale)


def entries_of(cast: Cast) -> list[AuditEntry]:
    """Return a trail with every outcome."""
    action, outcome = StaffAction, AuditOutcome
    trail: list[tuple[StaffAction, AuditOutcome, str | None]] = [
        (action.REFUND_RESULT, outcome.REFUNDED, "20.00 EUR"),
        (action.CONFIRM_REFUND, outcome.ALLOWED, "20.00 EUR"),
        (action.PROPOSE_REFUND, outcome.ALLOWED, "20.00 EUR of in_1QkT2vLkdIwHu7ix"),
        (action.PROPOSE_REFUND, outcome.REFUSED, "20.00 EUR: daily_cap"),
        (action.REFUND_RESULT, outcome.FAILED, "Stripe error: Charge already refunded"),
        (action.REFUND_RESULT, outcome.UNKNOWN, None),
        (action.REVEAL_EMAIL, outcome.ALLOWED, None),
        (action.ADD_STAFF, outcome.REFUSED, "Support view manage: rank_too_high"),
        (action.READ_HELP, outcome.REFUSED, "could not read sup.refund: not_staff"),
        (action.VIEW_SUBSCRIPTION, outcome.ALLOWED, None),
    ]
    return [
        AuditEntry(
            actor_id=cast.agent,
            action=what,
            outcome=ended,
            at=days(-number / 50),
            subject_id=cast.customer if what is not action.READ_HELP else None,
            detail=detail,
            refund_id="3f" * 12 if "refund" in what.value else None,
        )
        for number, (what, ended, detail) in enumerate(trail)
    ]


def audit(*, of_one: bool = False) -> Layout:
    """Return the layout of a page of the trail, or of one person's."""

    def layout(cast: Cast) -> ui.LayoutView:
        page = Page(entries=tuple(entries_of(cast)), number=2, count=7)
        person_id = cast.customer if of_one else None
        return audit_view(page, locale=cast.locale, person_id=person_id)

    return layout


def no_audit(cast: Cast) -> ui.LayoutView:
    """Return an empty trail."""
    return audit_view(Page(entries=(), number=1, count=1), locale=cast.locale)


def audit_entry(number: int) -> Layout:
    """Return the layout of one entry, as the staff's channel has it."""

    def layout(cast: Cast) -> ui.LayoutView:
        return audit_entry_view(entries_of(cast)[number], locale=cast.locale)

    return layout


def staff_problem(error: Exception) -> Layout:
    """Return the layout of a problem as staff are told of it."""

    def layout(cast: Cast) -> ui.LayoutView:
        return staff_problem_view(error, locale=cast.locale, error_id=ERROR_ID)

    return layout


def help_page(cast: Cast) -> ui.LayoutView:
    """Return all commands."""
    return help_view(locale=cast.locale)


def usage(topic: Topic) -> Layout:
    """Return the layout of how a command is written."""

    def layout(cast: Cast) -> ui.LayoutView:
        return usage_view(topic, locale=cast.locale)

    return layout


def unknown_command(cast: Cast) -> ui.LayoutView:
    """Return that there is no such command."""
    return unknown_command_view(locale=cast.locale)


def removals_allowed(count: int) -> Layout:
    """Return the layout of a person's word on so many removals."""

    def layout(cast: Cast) -> ui.LayoutView:
        return removals_allowed_view(count, locale=cast.locale)

    return layout


LAYOUTS: dict[str, Layout] = {
    "staff subscription": subscription,
    "staff invoices": invoices(5),
    "staff invoices first page": invoices(14),
    "staff invoices none": invoices(0),
    "account masked": account(found=True),
    "account unknown": account(found=False),
    "account revealed": email,
    "deliveries": deliveries(),
    "deliveries last page": deliveries(page=2),
    "deliveries none": deliveries(some=False),
    "delivery retried": retried(None),
    "delivery not retried": retried(Obstacle.OUTDATED),
    "members": members(4),
    "members first page": members(16),
    "members none": members(0),
    "member added": member_added,
    "member removed": member_removed,
    "audit": audit(),
    "audit of one": audit(of_one=True),
    "audit none": no_audit,
    **{f"audit entry {number}": audit_entry(number) for number in (0, 3, 4)},
    "staff problem refused": staff_problem(BackendRefused("Charge disputed", status=500)),
    "staff problem unknown user": staff_problem(BackendNotFound("not found", status=404)),
    "staff problem timeout": staff_problem(BackendTimeout("slow")),
    "removals allowed": removals_allowed(7),
    "removals none": removals_allowed(0),
    "help": help_page,
    **{f"usage {topic.value}": usage(topic) for topic in Topic},
    "unknown command": unknown_command,
}
