"""The PREMIUM attribute: the decision table, its invariants, the audit trail and the sweep."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moddy.models import NotifyAction, Snowflake, SubscriptionStatus
from moddy.notices import NotifyMetadata
from moddy.services.premium import PremiumStatus, status_at
from moddy.services.premium_terms import Terms, decide, effective_plan
from moddy.store.users import User
from tests.fakes import START

NOW = START
AHEAD = NOW + timedelta(days=30)
LATER = NOW + timedelta(days=60)
BEHIND = NOW - timedelta(days=1)
ADA = Snowflake("100000000000000001")
PREMIUM_PLANS = frozenset({"moddy_max"})
GRACE = timedelta(days=7)

CREATED = NotifyAction.SUBSCRIPTION_CREATED
UPDATED = NotifyAction.SUBSCRIPTION_UPDATED
CANCELLED = NotifyAction.SUBSCRIPTION_CANCELLED
UPGRADED = NotifyAction.PLAN_UPGRADED
DOWNGRADED = NotifyAction.PLAN_DOWNGRADED

OFF = Terms(premium=False)
ON = Terms(premium=True)
ON_UNTIL_AHEAD = Terms(premium=True, until=AHEAD)
ON_UNTIL_LATER = Terms(premium=True, until=LATER)
# Nothing in METADATA tells of a debt; tests/services/test_grace.py has those.
STATES = {"off": OFF, "on": ON, "on until": ON_UNTIL_LATER}
UNCHANGED = "unchanged"

NOTHING = NotifyMetadata()
ENDING = NotifyMetadata(cancel_at_period_end=True, current_period_end=AHEAD)
ENDED = NotifyMetadata(cancel_at_period_end=True, current_period_end=BEHIND)
ENDING_NOW = NotifyMetadata(cancel_at_period_end=True, current_period_end=NOW)
RENEWING = NotifyMetadata(cancel_at_period_end=False, current_period_end=AHEAD)
ENDING_UNKNOWN = NotifyMetadata(cancel_at_period_end=True)
METADATA = {
    "nothing": NOTHING,
    "ending": ENDING,
    "ended": ENDED,
    "ending now": ENDING_NOW,
    "renewing": RENEWING,
    "ending at an unknown time": ENDING_UNKNOWN,
}

# What each action makes of the attribute with a premium plan, another plan, and none told.
_TABLE: dict[NotifyAction, tuple[Terms | str, Terms | str, Terms | str]] = {
    CREATED: (ON, UNCHANGED, UNCHANGED),
    UPDATED: (ON, UNCHANGED, UNCHANGED),
    CANCELLED: (OFF, OFF, OFF),
    UPGRADED: (ON, UNCHANGED, UNCHANGED),
    DOWNGRADED: (ON, OFF, OFF),
}
PLANS = ("moddy_max", "moddy_mini", None)


def after(
    action: NotifyAction, plan: str | None, metadata: NotifyMetadata, current: Terms
) -> Terms:
    return decide(
        action,
        plan=plan,
        metadata=metadata,
        current=current,
        premium_plans=PREMIUM_PLANS,
        grace=GRACE,
        now=NOW,
    )


def expected(
    action: NotifyAction, plan: str | None, metadata: NotifyMetadata, current: Terms
) -> Terms:
    """What the contract's table says, written another way than `decide` is."""
    made = _TABLE[action][PLANS.index(plan)]
    ending = metadata is ENDING
    if action is CANCELLED and ending:
        # It stays on until then; what was not on stays off, unless the plan says it was.
        return ON_UNTIL_AHEAD if plan == "moddy_max" or current.premium else OFF
    if made is ON and ending:
        return ON_UNTIL_AHEAD
    return made if isinstance(made, Terms) else current


@pytest.mark.parametrize("action", NotifyAction)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("metadata", METADATA)
@pytest.mark.parametrize("current", STATES)
def test_every_case(action: NotifyAction, plan: str | None, metadata: str, current: str) -> None:
    decided = after(action, plan, METADATA[metadata], STATES[current])
    assert decided == expected(action, plan, METADATA[metadata], STATES[current])


@pytest.mark.parametrize(
    ("action", "plan", "new_plan", "effective"),
    [
        (UPGRADED, "moddy_mini", "moddy_max", "moddy_max"),
        (DOWNGRADED, "moddy_max", "moddy_mini", "moddy_mini"),
        (UPGRADED, "moddy_max", None, "moddy_max"),
        (DOWNGRADED, None, "moddy_max", "moddy_max"),
        (CREATED, "moddy_max", "moddy_mini", "moddy_max"),
        (UPDATED, None, "moddy_max", None),
        (CANCELLED, "moddy_max", None, "moddy_max"),
    ],
)
def test_effective_plan(
    action: NotifyAction, plan: str | None, new_plan: str | None, effective: str | None
) -> None:
    assert effective_plan(action, plan, NotifyMetadata(new_plan=new_plan)) == effective


@pytest.mark.parametrize(
    ("premium", "until", "grace_until", "ends_at"),
    [
        (True, None, None, None),
        (True, AHEAD, None, AHEAD),
        (True, None, AHEAD, AHEAD),
        (True, LATER, AHEAD, AHEAD),
        (True, AHEAD, LATER, AHEAD),
        (True, NOW + timedelta(microseconds=1), None, NOW + timedelta(microseconds=1)),
    ],
)
def test_status_while_on(
    premium: bool, until: datetime | None, grace_until: datetime | None, ends_at: datetime | None
) -> None:
    user = User(discord_id=ADA, premium=premium, premium_until=until, grace_until=grace_until)
    assert status_at(user, NOW) == PremiumStatus(premium=True, until=ends_at)


@pytest.mark.parametrize(
    ("premium", "until", "grace_until"),
    [
        (False, None, None),
        (False, None, AHEAD),
        (True, NOW, None),
        (True, BEHIND, None),
        (True, None, NOW),
        (True, AHEAD, BEHIND),
        (True, BEHIND, AHEAD),
    ],
)
def test_status_while_off(
    premium: bool, until: datetime | None, grace_until: datetime | None
) -> None:
    user = User(discord_id=ADA, premium=premium, premium_until=until, grace_until=grace_until)
    assert status_at(user, NOW) == PremiumStatus(premium=False)


actions = st.sampled_from(list(NotifyAction))
moments = st.datetimes(
    min_value=datetime(2024, 1, 1),  # noqa: DTZ001 (as hypothesis wants it)
    max_value=datetime(2026, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
any_metadata = st.builds(
    NotifyMetadata,
    status=st.none() | st.sampled_from(SubscriptionStatus),
    cancel_at_period_end=st.booleans(),
    current_period_end=st.none() | moments,
)
any_state = st.builds(
    Terms, premium=st.booleans(), until=st.none() | moments, grace_until=st.none() | moments
)


@given(actions, st.sampled_from(PLANS), any_metadata, any_state)
def test_off_has_no_end_and_an_end_lies_ahead(
    action: NotifyAction, plan: str | None, metadata: NotifyMetadata, stored: Terms
) -> None:
    decided = after(action, plan, metadata, stored.at(NOW))
    assert decided.premium or decided.until is None
    assert decided.ends_at is None or decided.ends_at > NOW
    again = after(action, plan, metadata, decided)
    assert again == decided  # a repeat, without any key, changes nothing more


Event = tuple[int, NotifyAction, str | None, NotifyMetadata]


def final_state(events: list[Event], start: Terms = OFF) -> Terms:
    """Apply events as they arrive, leaving out what is older than the newest accepted."""
    current, newest = start, -1
    for created, action, plan, metadata in events:
        if created < newest:
            continue
        newest = created
        current = after(action, plan, metadata, current)
    return current


def decides_alone(event: Event) -> bool:
    """Whether the event says by itself what the attribute is, whatever it was before."""
    _, action, plan, metadata = event
    return len({after(action, plan, metadata, current) for current in STATES.values()}) == 1


some_events = st.lists(
    st.tuples(actions, st.sampled_from(PLANS), st.sampled_from(list(METADATA.values()))),
    min_size=1,
    max_size=5,
)


@given(some_events, st.data())
def test_any_order_and_repetition_ends_as_the_newest_event_says(
    kinds: list[tuple[NotifyAction, str | None, NotifyMetadata]], data: st.DataObject
) -> None:
    """Holds whenever the newest event names the state by itself, and no two are of one moment."""
    events: list[Event] = [(n, *kind) for n, kind in enumerate(kinds)]
    arriving = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)))))
    if decides_alone(events[-1]):
        assert final_state(arriving) == final_state(events[-1:])


def test_which_events_decide_alone() -> None:
    """The others leave the attribute as it was; after them an older one is not made up for.

    This is what the contract asks for (an older event is ignored, an update without a known plan
    changes nothing); it is written down here because a lost or late `subscription_created` then
    stays lost.
    """
    dependent = {
        (action, plan, name)
        for (action, plan, (name, metadata)) in itertools.product(
            NotifyAction, PLANS, METADATA.items()
        )
        if not decides_alone((0, action, plan, metadata))
    }
    silent = itertools.product((CREATED, UPDATED, UPGRADED), PLANS[1:], METADATA)
    assert dependent == {*silent, (CANCELLED, "moddy_mini", "ending"), (CANCELLED, None, "ending")}
