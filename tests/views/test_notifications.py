from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moddy.models import NotifyAction, Snowflake
from moddy.notices import Notice, NotifyMetadata
from moddy.views.notifications import MAX_CHANGES, fallback_text, notification_view
from tests.views.reading import (
    accent,
    assert_within_limits,
    hostile_texts,
    plain_text,
    unescaped,
)

RENEWAL = datetime(2025, 3, 1, tzinfo=UTC)
TIMESTAMP = f"<t:{int(RENEWAL.timestamp())}:D>"
FULL: dict[str, Any] = {
    "subscription_id": "sub_1NxSecret",
    "customer_id": "cus_Secret",
    "email": "anna@mail.example",
    "phone": "+33 6 12 34 56 78",
    "subscription_type": "monthly",
    "amount": 9900,
    "currency": "eur",
    "message": "Your seats went from 3 to 5.",
    "canceled_at": 1735689600,
    "current_period_end": RENEWAL.isoformat(),
    "changes": ["Seats: 5", "Storage: 10 GB"],
    "old_plan": "moddy_lite",
    "new_plan": "moddy_max",
    "upgrade_date": "2025-02-01T00:00:00Z",
    "prorated_amount": 450,
}


def notice(action: NotifyAction, locale: str = "en-US", /, **changes: Any) -> Notice:
    """Return a notice with all the metadata there is, changed or emptied where a test says."""
    plan = changes.pop("plan", "moddy_max")
    ends_at = changes.pop("ends_at", None)
    metadata = NotifyMetadata.read(FULL | changes)
    return Notice(action=action, locale=locale, plan=plan, ends_at=ends_at, metadata=metadata)


def shown(one: Notice) -> str:
    view = notification_view(one)
    assert_within_limits(view)
    return plain_text(view)


CREATED = {
    "en-US": """\
## Welcome, and thank you!
Your subscription has started. Everything in your plan is active now.
**Plan:** Moddy Max
**Billing:** every month
**Price:** €99.00
**Next renewal:** <t:1740787200:D>
-# `/subscription` shows your subscription at any time.""",
    "fr": """\
## Bienvenue, et merci !
Votre abonnement a commencé. Tout ce que comprend votre formule est actif dès maintenant.
**Formule :** Moddy Max
**Facturation :** chaque mois
**Prix :** 99,00 €
**Prochain renouvellement :** <t:1740787200:D>
-# `/abonnement` vous montre votre abonnement à tout moment.""",
}
UPDATED = {
    "en-US": """\
## Your subscription was updated
> Your seats went from 3 to 5.
**What changed:**
- Seats: 5
- Storage: 10 GB
**Plan:** Moddy Max
**Billing:** every month
**Price:** €99.00
**Next renewal:** <t:1740787200:D>
-# `/subscription` shows how it stands now.""",
    "fr": """\
## Votre abonnement a été mis à jour
> Your seats went from 3 to 5.
**Ce qui a changé :**
- Seats: 5
- Storage: 10 GB
**Formule :** Moddy Max
**Facturation :** chaque mois
**Prix :** 99,00 €
**Prochain renouvellement :** <t:1740787200:D>
-# `/abonnement` montre où vous en êtes.""",
}
CANCELLED = {
    "en-US": """\
## Your subscription is cancelled
It has ended, and the perks of your plan are no longer active.
**Plan:** Moddy Max
**Cancelled on:** <t:1735689600:D>
-# It will not renew. You are welcome back at any time.""",
    "fr": """\
## Votre abonnement est résilié
Il a pris fin, et les avantages de votre formule ne sont plus actifs.
**Formule :** Moddy Max
**Résilié le :** <t:1735689600:D>
-# Il ne sera pas renouvelé. Vous pouvez revenir à tout moment.""",
}
UPGRADED = {
    "en-US": """\
## Your plan was upgraded
**Moddy Lite → Moddy Max**
**What changed:**
- Seats: 5
- Storage: 10 GB
**Since:** <t:1738368000:D>
**Prorated amount:** €4.50
**Billing:** every month
**Price:** €99.00
**Next renewal:** <t:1740787200:D>
-# Your new plan applies. `/subscription` shows how it stands now.""",
    "fr": """\
## Votre formule passe au niveau supérieur
**Moddy Lite → Moddy Max**
**Ce qui a changé :**
- Seats: 5
- Storage: 10 GB
**Depuis le :** <t:1738368000:D>
**Montant au prorata :** 4,50 €
**Facturation :** chaque mois
**Prix :** 99,00 €
**Prochain renouvellement :** <t:1740787200:D>
-# Votre nouvelle formule s’applique. `/abonnement` montre où vous en êtes.""",  # noqa: RUF001
}
DOWNGRADED = {
    "en-US": UPGRADED["en-US"].replace("Your plan was upgraded", "Your plan was changed"),
    "fr": UPGRADED["fr"].replace(
        "Votre formule passe au niveau supérieur", "Votre formule a changé"
    ),
}
WHOLE = {
    NotifyAction.SUBSCRIPTION_CREATED: CREATED,
    NotifyAction.SUBSCRIPTION_UPDATED: UPDATED,
    NotifyAction.SUBSCRIPTION_CANCELLED: CANCELLED,
    NotifyAction.PLAN_UPGRADED: UPGRADED,
    NotifyAction.PLAN_DOWNGRADED: DOWNGRADED,
}
# Facts and lists: a bold label, a list item, a quote, a date, an amount.
FACT = re.compile(r"^\*\*|^- |^> |<t:|€|None", re.MULTILINE)
actions = pytest.mark.parametrize("action", list(NotifyAction))
both_languages = pytest.mark.parametrize("locale", ["en-US", "fr"])


@actions
@both_languages
def test_a_notice_with_all_its_facts(action: NotifyAction, locale: str) -> None:
    text = shown(notice(action, locale))
    assert text.replace("\N{NO-BREAK SPACE}", " ") == WHOLE[action][locale]


@actions
@both_languages
def test_a_notice_without_facts_has_no_lines_for_them(action: NotifyAction, locale: str) -> None:
    text = shown(Notice(action=action, locale=locale))
    whole = WHOLE[action][locale].splitlines()
    assert not FACT.search(text)
    assert text.replace("\N{NO-BREAK SPACE}", " ").splitlines()[0] == whole[0]
    assert text.replace("\N{NO-BREAK SPACE}", " ").splitlines()[-1] == whole[-1]


@actions
def test_values_of_a_wrong_type_leave_their_lines_out(action: NotifyAction) -> None:
    wrong: dict[str, Any] = {key: {"a": [1]} for key in FULL}
    metadata = NotifyMetadata.read(wrong)
    assert not FACT.search(shown(Notice(action=action, locale="fr", metadata=metadata)))


def test_each_action_has_its_colour() -> None:
    colours = {action: accent(notification_view(notice(action))) for action in NotifyAction}
    assert len(set(colours.values())) >= 4
    ending = notice(NotifyAction.SUBSCRIPTION_CANCELLED, ends_at=RENEWAL)
    assert accent(notification_view(ending)) != colours[NotifyAction.SUBSCRIPTION_CANCELLED]


@pytest.mark.parametrize(
    ("locale", "ends_on", "meanwhile"),
    [("en-US", "ends on", "stays active"), ("fr", "se termine le", "tout reste actif")],
)
def test_a_cancellation_that_lies_ahead(locale: str, ends_on: str, meanwhile: str) -> None:
    text = shown(notice(NotifyAction.SUBSCRIPTION_CANCELLED, locale, ends_at=RENEWAL))
    assert f"{ends_on} {TIMESTAMP}" in text
    assert meanwhile in text


@pytest.mark.parametrize(
    "action", [NotifyAction.SUBSCRIPTION_CREATED, NotifyAction.SUBSCRIPTION_UPDATED]
)
def test_what_is_cancelled_at_its_end_does_not_renew(action: NotifyAction) -> None:
    for one in (notice(action, cancel_at_period_end=True), notice(action, ends_at=RENEWAL)):
        text = shown(one)
        assert f"**Ends on:** {TIMESTAMP}" in text
        assert "renewal" not in text


@pytest.mark.parametrize(
    ("old", "new", "plan", "expected"),
    [
        ("moddy_lite", "moddy_max", None, "**Moddy Lite → Moddy Max**"),
        ("moddy_lite", None, "moddy_max", "**Moddy Lite → Moddy Max**"),
        ("moddy_lite", None, "moddy_lite", "**Previous plan:** Moddy Lite"),
        ("moddy_lite", None, None, "**Previous plan:** Moddy Lite"),
        (None, "moddy_max", None, "**New plan:** Moddy Max"),
        (None, None, "moddy_max", "**New plan:** Moddy Max"),
        ("sub_1Nx", "moddy_max", None, "**New plan:** Moddy Max"),
        ("a*b", "<@1>", None, "**a\\*b → \\<\\@1\\>**"),
    ],
)
@pytest.mark.parametrize("action", [NotifyAction.PLAN_UPGRADED, NotifyAction.PLAN_DOWNGRADED])
def test_old_and_new_plan(
    action: NotifyAction, old: str | None, new: str | None, plan: str | None, expected: str
) -> None:
    assert expected in shown(notice(action, old_plan=old, new_plan=new, plan=plan)).splitlines()


def test_what_a_downgrade_gives_back_is_a_credit() -> None:
    text = shown(notice(NotifyAction.PLAN_DOWNGRADED, prorated_amount=-450))
    assert "**Credit:** €4.50" in text


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("moddy_max", "Moddy Max"),
        ("moddy-max-2", "Moddy Max 2"),
        ("premium", "Premium"),
        ("Moddy Max", "Moddy Max"),
        ("VIP", "VIP"),
        ("x" * 200, "X" + "x" * 78 + "…"),
    ],
)
def test_the_plan_has_a_display_name(plan: str, expected: str) -> None:
    text = shown(notice(NotifyAction.SUBSCRIPTION_CREATED, plan=plan))
    assert f"**Plan:** {expected}" in text.splitlines()


@pytest.mark.parametrize(
    "plan", ["", "  ", "sub_1Nx", "price_1MoBy5LkdIwHu7ix", "\u200b", "a@b.example"]
)
def test_a_plan_nobody_can_read_has_no_line(plan: str) -> None:
    assert "Plan:" not in shown(notice(NotifyAction.SUBSCRIPTION_CREATED, plan=plan))


@pytest.mark.parametrize(
    "changes", [{"amount": 10**15}, {"amount": -(10**30)}, {"currency": None}, {"amount": None}]
)
def test_no_price_that_cannot_be_one(changes: dict[str, Any]) -> None:
    assert "Price" not in shown(notice(NotifyAction.SUBSCRIPTION_CREATED, **changes))


@pytest.mark.parametrize(
    ("locale", "extra", "expected"),
    [
        ("en-US", 1, "- and 1 more change"),
        ("en-US", 2, "- and 2 more changes"),
        ("fr", 1, "- et 1 autre changement"),
        ("fr", 990, "- et 990 autres changements"),
    ],
)
def test_a_long_list_of_changes_is_cut(locale: str, extra: int, expected: str) -> None:
    changes = [f"Change {number}" for number in range(MAX_CHANGES + extra)] + ["\u200b"]
    text = shown(notice(NotifyAction.SUBSCRIPTION_UPDATED, locale, changes=changes))
    assert expected in text.splitlines()
    assert f"- Change {MAX_CHANGES - 1}" in text
    assert f"- Change {MAX_CHANGES}" not in text


@actions
def test_no_personal_data_and_no_billing_id(action: NotifyAction) -> None:
    leak = "mail anna@mail.example or call +33 6 12 34 56 78 about sub_1Nx cus_Ab in_1Q"
    text = shown(
        notice(action, plan=leak, message=leak, changes=[leak] * 3, old_plan=leak, new_plan=leak)
    )
    assert not re.search(r"anna|example|12 34|1Nx|Ab\b|1Q|Secret", text)


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    """Return any notice that the backend's metadata can make, and far beyond."""
    texts = st.one_of(st.none(), hostile_texts())
    metadata = draw(
        st.fixed_dictionaries(
            {
                "subscription_type": st.sampled_from(["monthly", "year", None, 3]),
                "amount": st.integers(),
                "currency": st.one_of(st.sampled_from(["eur", "jpy", "kwd", "zzz"]), st.text()),
                "message": texts,
                "canceled_at": st.integers() | st.floats(),
                "cancel_at_period_end": st.booleans(),
                "current_period_end": st.integers(-(10**11), 10**11) | texts,
                "changes": st.lists(texts, max_size=30),
                "old_plan": texts,
                "new_plan": texts,
                "upgrade_date": st.datetimes().map(datetime.isoformat) | texts,
                "prorated_amount": st.integers(),
            }
        )
    )
    return Notice(
        action=draw(st.sampled_from(NotifyAction)),
        locale=draw(st.sampled_from(["fr", "en-GB", ""])),
        plan=draw(texts),
        ends_at=draw(st.none() | st.datetimes() | st.datetimes(timezones=st.just(UTC))),
        metadata=NotifyMetadata.read(metadata),
    )


OUR_TIMESTAMP = re.compile(r"<t:-?\d+:D>")
MENTION_OR_LINK = re.compile(r"[<>@#\[\]|~]|https?:|```|_")


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(notices())
def test_any_notice_keeps_discords_limits_and_our_layout(one: Notice) -> None:
    view = notification_view(one)
    assert_within_limits(view)
    for line in plain_text(view).splitlines():
        rest = OUR_TIMESTAMP.sub("", unescaped(line))
        rest = re.sub(r"^(?:## |-# |> )", "", rest)
        assert not MENTION_OR_LINK.search(rest), line
    assert not re.search(r"@(everyone|here)", plain_text(view), re.IGNORECASE)


def test_the_largest_texts_fit() -> None:
    large = "*" * 3_000
    one = notice(
        NotifyAction.SUBSCRIPTION_UPDATED,
        "fr",
        plan=large,
        message=large,
        changes=[large] * 50,
        amount=10**15 - 1,
        currency="xof",
    )
    assert len(shown(one)) > 2500  # cut, not dropped


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en-US", "<@42> you have news about your subscription, use /subscription"),
        ("fr", "<@42> vous avez des nouvelles de votre abonnement, utilisez /abonnement"),
    ],
)
def test_the_fallback_tells_no_detail(locale: str, expected: str) -> None:
    assert fallback_text(Snowflake("42"), locale) == expected
