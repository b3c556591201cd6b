"""The staff themselves: who they are, what they did, what they may not, and their help."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.errors import (
    BackendNotFound,
    BackendRefused,
    BackendTimeout,
    StoreUnavailable,
    TooSoon,
)
from moddy.models import Snowflake
from moddy.staff import AuditEntry, AuditOutcome, Refusal, StaffAction, StaffMember, StaffRole
from moddy.store.staff_audit import MAX_DETAIL, Page
from moddy.views.staff.audit import audit_entry_view, audit_view
from moddy.views.staff.help import Topic, help_view, unknown_command_view, usage_view
from moddy.views.staff.members import member_added_view, member_removed_view, members_view
from moddy.views.staff.problems import staff_problem_view
from moddy.views.staff.refusals import refusal_view
from tests.views.reading import assert_within_limits, hostile_texts, labels, plain_text

NOW = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)
LONGEST = Snowflake("18446744073709551615")
LOCALES = pytest.mark.parametrize("locale", ["en-US", "fr"])
HARMLESS = settings(deadline=None, max_examples=60)


def entry(
    action: StaffAction = StaffAction.PROPOSE_REFUND,
    outcome: AuditOutcome = AuditOutcome.REFUSED,
    detail: str | None = "20.00 EUR: daily_cap",
) -> AuditEntry:
    return AuditEntry(
        actor_id=LONGEST,
        action=action,
        outcome=outcome,
        at=NOW,
        subject_id=Snowflake("1"),
        detail=detail,
        refund_id="ab" * 12,
    )


def member(number: int = 1, role: StaffRole = StaffRole.SUPPORT) -> StaffMember:
    return StaffMember(
        discord_id=Snowflake(str(int(LONGEST) - number)),
        role=role,
        may_view=True,
        may_manage=True,
        added_by=LONGEST,
        added_at=NOW,
    )


@LOCALES
def test_each_refusal_has_a_sentence_of_its_own(locale: str) -> None:
    told = set()
    for refusal in Refusal:
        view = refusal_view(refusal, locale=locale)
        assert_within_limits(view)
        told.add(plain_text(view))
    assert len(told) == len(Refusal)


def test_an_unclear_amount_names_the_two_ways() -> None:
    text = plain_text(refusal_view(Refusal.AMOUNT_UNCLEAR, locale="en-US"))
    assert "two ways" in text
    assert "`20` or `20.00`" in text
    assert "`full`" in text
    text = plain_text(refusal_view(Refusal.AMOUNT_UNCLEAR, locale="fr"))
    assert "deux façons" in text
    assert "`full`" in text


def test_entry_for_the_staff_channel() -> None:
    assert (
        plain_text(audit_entry_view(entry(), locale=None))
        == f"""\
## ⛔ Proposed a refund
**Who:** <@{LONGEST}> ({LONGEST})
**About:** <@1> (1)
**Outcome:** refused
**Detail:** 20\\.00 EUR: daily\\_cap
**Refund:** {"ab" * 12}
**When:** <t:1735732800:f>"""
    )
    assert "A proposé un remboursement" in plain_text(audit_entry_view(entry(), locale="fr"))


@LOCALES
def test_each_action_and_outcome_has_words_of_its_own(locale: str) -> None:
    actions = {plain_text(audit_entry_view(entry(one), locale=locale)) for one in StaffAction}
    assert len(actions) == len(StaffAction)
    outcomes = {
        plain_text(audit_entry_view(entry(outcome=one), locale=locale)) for one in AuditOutcome
    }
    assert len(outcomes) == len(AuditOutcome)


@HARMLESS
@given(
    st.lists(hostile_texts().map(lambda text: text[:MAX_DETAIL]), max_size=10),
    st.sampled_from(StaffAction),
    st.sampled_from(AuditOutcome),
    st.sampled_from(["en-US", "fr"]),
)
def test_any_trail_fits(
    details: list[str], action: StaffAction, outcome: AuditOutcome, locale: str
) -> None:
    entries = tuple(entry(action, outcome, detail) for detail in details)
    page = Page(entries=entries, number=10**6, count=10**6 + 1)
    assert_within_limits(audit_view(page, locale=locale, person_id=LONGEST))
    assert_within_limits(audit_view(page, locale=locale))
    for one in entries:
        assert_within_limits(audit_entry_view(one, locale=locale))


@LOCALES
def test_the_longest_page_of_the_trail_fits(locale: str) -> None:
    for action in StaffAction:
        entries = (entry(action, AuditOutcome.UNKNOWN, "😀*" * 250),) * 10
        page = Page(entries=entries, number=10**6, count=10**6 + 1)
        assert_within_limits(audit_view(page, locale=locale, person_id=LONGEST))


def test_empty_trail() -> None:
    view = audit_view(Page(entries=(), number=1, count=1), locale="en-US")
    assert "Nothing yet." in plain_text(view)
    assert labels(view) == []


def test_staff_by_rank_page_by_page() -> None:
    members = [member(number) for number in range(30)]
    members += [member(30, StaffRole.MANAGER), member(31, StaffRole.SUPERVISOR)]
    first = members_view(members, locale="en-US")
    assert_within_limits(first)
    lines = plain_text(first).splitlines()
    assert "**Manager**" in lines[1]
    assert "**Supervisor\\_Sup**" in lines[2]
    assert lines[-1] == "-# Page 1 of 3 · 32 members"
    last = members_view(members, locale="fr", page=9)
    assert_within_limits(last)
    assert "Page 3" in plain_text(last)


@LOCALES
def test_other_pages_fit(locale: str) -> None:
    views = [
        members_view([], locale=locale),
        member_added_view(member(role=StaffRole.SUPERVISOR), locale=locale),
        member_removed_view(LONGEST, locale=locale),
        help_view(locale=locale),
        unknown_command_view(locale=locale),
        *(usage_view(topic, locale=locale) for topic in Topic),
    ]
    for view in views:
        assert_within_limits(view)
    assert len(set(map(plain_text, views))) == len(views)
    assert all(topic.value in plain_text(help_view(locale=locale)) for topic in Topic)


def test_trouble_with_and_without_the_backends_words() -> None:
    refused = BackendRefused("Stripe error: Charge ch_1 already refunded", status=500)
    text = plain_text(staff_problem_view(refused, locale="en-US", error_id="3f9a"))
    assert (
        text
        == """\
## That did not work
**The website says:** Stripe error: Charge ch\\_1 already refunded
-# Error 3f9a"""
    )
    text = plain_text(staff_problem_view(BackendNotFound("x"), locale="fr", error_id="3f9a"))
    assert "Le site ne connaît pas cet utilisateur." in text
    assert "Erreur 3f9a" in text
    for error in (BackendTimeout("x"), StoreUnavailable(), ZeroDivisionError()):
        shown = plain_text(staff_problem_view(error, locale="en-US", error_id="3f9a"))
        assert "Error 3f9a" in shown
    soon = staff_problem_view(TooSoon(retry_after=3), locale="en-US", retry_after=3)
    assert "in 3 seconds" in plain_text(soon)


@HARMLESS
@given(hostile_texts(), hostile_texts())
def test_any_trouble_fits(reason: str, error_id: str) -> None:
    error = BackendRefused(reason, status=500)
    assert_within_limits(staff_problem_view(error, locale="fr", error_id=error_id))
