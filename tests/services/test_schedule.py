"""When a delivery is tried again: the decision by itself."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from moddy.models import Snowflake
from moddy.services.schedule import (
    GIVE_UP_AFTER,
    JITTER,
    LONGEST_RETRY_AFTER,
    NONCE_WINDOW,
    RETRY_DELAYS,
    after_failure,
    is_fate_unknown,
)
from moddy.store.deliveries import LEASE, Delivery, DeliveryKind, DeliveryState
from tests.fakes import START

MINUTE = timedelta(minutes=1)
ages = st.timedeltas(timedelta(0), GIVE_UP_AFTER + timedelta(hours=2))
jitters = st.floats(*JITTER)


def delivery(
    kind: DeliveryKind, tries: int, age: timedelta, open_for: timedelta | None
) -> Delivery:
    """A delivery that is being attempted at `START`, under a lease taken just then."""
    return Delivery(
        id="1",
        kind=kind,
        user_id=Snowflake("1"),
        state=DeliveryState.PENDING,
        payload=b"",
        created_at=START - age,
        tries=tries,
        leased_until=START + LEASE,
        sending_since=START - (open_for or timedelta(0)),
        is_left_open=bool(open_for),
    )


@given(
    st.sampled_from(DeliveryKind),
    st.integers(0, 100),
    ages,
    st.none() | st.timedeltas(timedelta(0), 5 * MINUTE),
    st.booleans(),
    st.none() | st.floats(),
    jitters,
)
def test_dead_or_due_and_never_too_early_or_too_late(  # noqa: PLR0917 (hypothesis's)
    kind: DeliveryKind,
    tries: int,
    age: timedelta,
    open_for: timedelta | None,
    maybe_done: bool,
    retry_after: float | None,
    jitter: float,
) -> None:
    tried = delivery(kind, tries, age, open_for)
    outcome = after_failure(
        tried,
        now=START,
        error="error",
        maybe_done=maybe_done,
        retry_after=retry_after,
        uniform=lambda _low, _high: jitter,
    )
    assert outcome.error == "error"
    assert outcome.answer is None
    if age >= GIVE_UP_AFTER:
        assert outcome.state is DeliveryState.DEAD
        return
    assert outcome.state is DeliveryState.PENDING
    assert outcome.maybe_done == (maybe_done or tried.is_left_open)
    assert outcome.due_at is not None
    waits = (outcome.due_at - START).total_seconds()
    longest = max(RETRY_DELAYS[-1] * JITTER[1], LONGEST_RETRY_AFTER)
    assert RETRY_DELAYS[min(tries, 6)] * JITTER[0] - 1e-6 <= waits <= longest
    if retry_after is not None and 0 < retry_after <= LONGEST_RETRY_AFTER:
        assert waits >= retry_after - 1e-6


@given(st.timedeltas(timedelta(0), 5 * MINUTE))
def test_fate_is_unknown_once_the_nonce_does_not_help(open_for: timedelta) -> None:
    unknown = is_fate_unknown(delivery(DeliveryKind.NOTIFY, 0, timedelta(0), open_for), START)
    assert unknown == (open_for > NONCE_WINDOW)
