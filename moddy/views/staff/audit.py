"""The staff's trail: who did what about whom, and how it ended."""

from __future__ import annotations

from discord import ui

from moddy.models import Snowflake
from moddy.staff import AuditEntry, AuditOutcome, StaffAction
from moddy.store.staff_audit import Page
from moddy.views import facts
from moddy.views.custom_ids import custom_id
from moddy.views.facts import fact
from moddy.views.language import Language, language_for
from moddy.views.layout import Colour, card, row_of
from moddy.views.staff.paging import page_buttons, place
from moddy.views.staff.people import moment, person
from moddy.views.staff.removals import allow_button
from moddy.views.texts import name_line

# The name of a press.
TURN_AUDIT = "staff_audit_page"

# In UTF-16 units: ten entries of a page stay below Discord's 4000 characters.
_DETAIL_IN_PAGE = 100
_DETAIL_ALONE = 1000
_REFUND_ID = 48
_DEFAULT_LOCALE = "en-US"

_COLOURS = {
    AuditOutcome.ALLOWED: Colour.NEUTRAL,
    AuditOutcome.REFUSED: Colour.WARNING,
    AuditOutcome.REFUNDED: Colour.GOOD,
    AuditOutcome.FAILED: Colour.PROBLEM,
    AuditOutcome.UNKNOWN: Colour.WARNING,
}
_MARKS = {
    AuditOutcome.ALLOWED: "✅",
    AuditOutcome.REFUSED: "⛔",
    AuditOutcome.REFUNDED: "💸",
    AuditOutcome.FAILED: "❌",
    AuditOutcome.UNKNOWN: "❔",
}


def audit_entry_view(entry: AuditEntry, *, locale: str | None) -> ui.LayoutView:
    """Return one entry as a message for the staff's channel. Whoever sends it lets nobody ping."""
    language = language_for(locale or _DEFAULT_LOCALE)
    is_held = entry.action is StaffAction.HOLD_REMOVALS
    return card(
        _COLOURS[entry.outcome],
        f"{_MARKS[entry.outcome]} {_action(entry.action, language)}",
        facts.lines(
            fact(language.gettext("Who:"), person(entry.actor_id)),
            fact(
                language.gettext("About:"), person(entry.subject_id) if entry.subject_id else None
            ),
            fact(language.gettext("Outcome:"), _outcome(entry.outcome, language)),
            fact(language.gettext("Detail:"), _detail(entry, _DETAIL_ALONE)),
            fact(language.gettext("Refund:"), _refund_id(entry)),
            fact(language.gettext("When:"), moment(entry.at)),
        ),
        language.gettext(
            "So many at once is more often a mistake than a fact. Look at a few of them first: "
            "the members with the premium role, and their subscriptions."
        )
        if is_held
        else None,
        rows=row_of(allow_button(language)) if is_held else (),
    )


def audit_view(page: Page, *, locale: str, person_id: Snowflake | None = None) -> ui.LayoutView:
    """Return a page of the trail, or of what one person did or was the subject of."""
    language = language_for(locale)
    of_whom = [person_id] if person_id else []
    return card(
        Colour.NEUTRAL,
        language.gettext("What staff did"),
        fact(language.gettext("By or about:"), person(person_id) if person_id else None),
        *(_block(entry, language) for entry in page.entries),
        None if page.entries else language.gettext("Nothing yet."),
        footer=place(language, page=page.number, pages=page.count),
        rows=row_of(
            *page_buttons(
                language,
                lambda target: custom_id(TURN_AUDIT, str(target), *of_whom),
                page=page.number,
                pages=page.count,
            )
        ),
    )


def _block(entry: AuditEntry, language: Language) -> str:
    what = f"{_MARKS[entry.outcome]} **{_action(entry.action, language)}**"
    about = f" → <@{entry.subject_id}>" if entry.subject_id else ""
    small = (
        moment(entry.at),
        _outcome(entry.outcome, language),
        _detail(entry, _DETAIL_IN_PAGE),
        _refund_id(entry),
    )
    return f"{what} · <@{entry.actor_id}>{about}\n-# {' · '.join(filter(None, small))}"


def _detail(entry: AuditEntry, limit: int) -> str | None:
    return name_line(entry.detail, limit) if entry.detail else None


def _refund_id(entry: AuditEntry) -> str | None:
    return name_line(entry.refund_id, _REFUND_ID) if entry.refund_id else None


def _outcome(outcome: AuditOutcome, language: Language) -> str:
    return {
        AuditOutcome.ALLOWED: language.gettext("allowed"),
        AuditOutcome.REFUSED: language.gettext("refused"),
        AuditOutcome.REFUNDED: language.gettext("refunded"),
        AuditOutcome.FAILED: language.gettext("not done"),
        AuditOutcome.UNKNOWN: language.gettext("outcome unknown"),
    }[outcome]


def _action(action: StaffAction, language: Language) -> str:
    return {
        StaffAction.VIEW_SUBSCRIPTION: language.gettext("Looked at a subscription"),
        StaffAction.VIEW_INVOICES: language.gettext("Looked at invoices"),
        StaffAction.VIEW_ACCOUNT: language.gettext("Looked at an account"),
        StaffAction.REVEAL_EMAIL: language.gettext("Revealed an e-mail"),
        StaffAction.VIEW_DELIVERIES: language.gettext("Looked at deliveries"),
        StaffAction.RETRY_DELIVERY: language.gettext("Had a delivery tried again"),
        StaffAction.PROPOSE_REFUND: language.gettext("Proposed a refund"),
        StaffAction.CONFIRM_REFUND: language.gettext("Confirmed a refund"),
        StaffAction.CANCEL_REFUND: language.gettext("Took a refund back"),
        StaffAction.APPROVE_REFUND: language.gettext("Approved a refund"),
        StaffAction.REJECT_REFUND: language.gettext("Rejected a refund"),
        StaffAction.ASK_REFUND_AGAIN: language.gettext("Asked again for a refund"),
        StaffAction.SETTLE_REFUND: language.gettext("Settled a refund by hand"),
        StaffAction.VIEW_REFUND: language.gettext("Looked at a refund"),
        StaffAction.LIST_STAFF: language.gettext("Listed the staff"),
        StaffAction.ADD_STAFF: language.gettext("Added to the staff"),
        StaffAction.REMOVE_STAFF: language.gettext("Removed from the staff"),
        StaffAction.READ_AUDIT: language.gettext("Read what staff did"),
        StaffAction.READ_HELP: language.gettext("Asked for help"),
        StaffAction.REFUND_RESULT: language.gettext("Result of a refund"),
        StaffAction.HOLD_REMOVALS: language.gettext("Held removals of premium"),
        StaffAction.ALLOW_REMOVALS: language.gettext("Allowed removals of premium"),
    }[action]
