"""Metadata is read value by value; what is wrong counts as absent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moddy.models import SubscriptionStatus
from moddy.notices import NotifyMetadata, read_time

MOMENT = datetime(2025, 1, 1, 12, tzinfo=UTC)
TIMES: list[tuple[object, datetime | None]] = [
    ("2025-01-01T12:00:00Z", MOMENT),
    ("2025-01-01T12:00:00+00:00", MOMENT),
    ("2025-01-01T13:00:00+01:00", MOMENT),
    ("2025-01-01T12:00:00", MOMENT),
    (" 2025-01-01 12:00:00 ", MOMENT),
    ("2025-01-01", datetime(2025, 1, 1, tzinfo=UTC)),
    (1735732800, MOMENT),
    (1735732800.0, MOMENT),
    (0, datetime(1970, 1, 1, tzinfo=UTC)),
    ("", None),
    ("soon", None),
    ("2025-13-01", None),
    ("0001-01-01T00:00:00+05:00", None),
    ("9999-12-31T23:59:59-05:00", None),
    (1735732800000, None),
    (10**400, None),
    (float("nan"), None),
    (float("inf"), None),
    (True, None),
    (None, None),
    ([], None),
    ({}, None),
]
CASES: list[tuple[str, str, object, object]] = [
    ("subscription_type", "subscription_type", "monthly", "monthly"),
    ("subscription_type", "subscription_type", "month", "monthly"),
    ("subscription_type", "subscription_type", " YEAR ", "yearly"),
    ("subscription_type", "subscription_type", "weekly", None),
    ("subscription_type", "subscription_type", 1, None),
    ("amount", "amount_minor", 999, 999),
    ("amount", "amount_minor", 0, 0),
    ("amount", "amount_minor", -5, -5),
    ("amount", "amount_minor", 9.99, None),
    ("amount", "amount_minor", "999", None),
    ("amount", "amount_minor", True, None),
    ("prorated_amount", "prorated_amount_minor", -100, -100),
    ("prorated_amount", "prorated_amount_minor", [], None),
    ("currency", "currency", "eur", "EUR"),
    ("currency", "currency", "uSd", "USD"),
    ("currency", "currency", "euro", None),
    ("currency", "currency", "€", None),
    ("currency", "currency", "ÉÀÙ", None),
    ("currency", "currency", "e r", None),
    ("currency", "currency", 978, None),
    ("message", "message", " hello ", "hello"),
    ("message", "message", "  ", None),
    ("message", "message", 5, None),
    ("cancel_at_period_end", "cancel_at_period_end", True, True),
    ("cancel_at_period_end", "cancel_at_period_end", "true", False),
    ("cancel_at_period_end", "cancel_at_period_end", 1, False),
    ("cancel_at_period_end", "cancel_at_period_end", None, False),
    ("changes", "changes", ["a", " b ", "", 3, None], ("a", "b")),
    ("changes", "changes", "a", ()),
    ("changes", "changes", {"a": 1}, ()),
    ("old_plan", "old_plan", "moddy_mini", "moddy_mini"),
    ("new_plan", "new_plan", ["x"], None),
    ("status", "status", " Past_Due ", SubscriptionStatus.PAST_DUE),
    ("status", "status", "active", SubscriptionStatus.ACTIVE),
    ("status", "status", "paused", SubscriptionStatus.UNKNOWN),
    ("status", "status", "", None),
    ("status", "status", ["active"], None),
    ("event_id", "event_id", "evt_1", "evt_1"),
    ("event_id", "event_id", "", None),
    ("event_id", "event_id", 1, None),
]
TIME_KEYS = ("canceled_at", "current_period_end", "upgrade_date", "event_created")


@pytest.mark.parametrize(("value", "moment"), TIMES, ids=repr)
def test_read_time(value: object, moment: datetime | None) -> None:
    found = read_time(value)
    assert found == moment
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(("key", "name", "value", "expected"), CASES)
def test_each_value_by_itself(key: str, name: str, value: object, expected: object) -> None:
    """A wrong value leaves the others alone."""
    raw: dict[str, Any] = {"message": "m", "amount": 1, "currency": "eur", key: value}
    found = NotifyMetadata.read(raw)
    assert getattr(found, name) == expected
    for other, known in (("message", "m"), ("amount_minor", 1), ("currency", "EUR")):
        assert other == name or getattr(found, other) == known


@pytest.mark.parametrize("key", TIME_KEYS)
def test_times_in_both_forms(key: str) -> None:
    for value in (1735732800, "2025-01-01T12:00:00Z"):
        assert getattr(NotifyMetadata.read({key: value}), key) == MOMENT


@pytest.mark.parametrize("raw", [None, {}])
def test_nothing(raw: dict[str, Any] | None) -> None:
    assert NotifyMetadata.read(raw) == NotifyMetadata()


def test_personal_data_and_stripe_ids_are_not_read() -> None:
    keys = ("email", "phone", "customer_id", "subscription_id")
    assert NotifyMetadata.read(dict.fromkeys(keys, "planted")) == NotifyMetadata()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from([key for key, *_ in CASES] + list(TIME_KEYS)) | st.text(max_size=5)


@given(st.dictionaries(keys, json_values))
def test_nothing_that_json_can_hold_fails_and_it_can_be_stored(raw: dict[str, Any]) -> None:
    found = NotifyMetadata.read(raw)
    assert msgspec.json.decode(msgspec.json.encode(found), type=NotifyMetadata) == found
