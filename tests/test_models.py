"""The wire types: ids, Stripe's words, times, and what is written."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moddy.models import (
    MAX_SNOWFLAKE,
    EventNotifyRequest,
    EventType,
    InternalNotifyUserRequest,
    InternalUpdateRolesRequest,
    Invoice,
    InvoicesResponse,
    InvoiceStatus,
    NotifyAction,
    PremiumResponse,
    Snowflake,
    Subscription,
    SubscriptionStatus,
    UserInfoResponse,
    decoder,
    encode,
    from_json,
)

SUBSCRIPTION = {
    "subscription_id": "sub_1",
    "customer_id": "cus_1",
    "status": "active",
    "subscription_type": "monthly",
    "current_period_start": "2025-01-01T00:00:00Z",
    "current_period_end": "2025-02-01T00:00:00",
    "cancel_at_period_end": False,
    "amount": 999,
    "currency": "eur",
}


@given(st.integers(1, MAX_SNOWFLAKE))
def test_snowflake_round_trip(number: int) -> None:
    found = Snowflake.parse(str(number))
    assert int(found) == number
    decoded = from_json({"discord_id": str(number), "plan": "x"}, InternalUpdateRolesRequest)
    assert decoded.discord_id == found
    assert json.loads(encode(decoded))["discord_id"] == str(number)


@given(st.integers(1, MAX_SNOWFLAKE), st.integers(0, 5))
def test_one_id_has_one_spelling(number: int, zeros: int) -> None:
    text = "0" * zeros + str(number)
    if len(text) <= 20:
        assert Snowflake.parse(text) == str(number)
    else:
        with pytest.raises(ValueError, match="Discord id"):
            Snowflake.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "0", "000", "-1", "+1", " 1", "1 ", "1_0", "1.0", "1e3", "٣", "x", str(2**64), "1\n"],
)
def test_not_a_snowflake(text: str) -> None:
    with pytest.raises(ValueError, match="Discord id"):
        Snowflake.parse(text)
    with pytest.raises(msgspec.ValidationError):
        from_json({"discord_id": text, "plan": "x"}, InternalUpdateRolesRequest)


@pytest.mark.parametrize("value", [1, 1.0, True, None, [], {}, ["1"]])
def test_snowflake_of_another_type(value: object) -> None:
    with pytest.raises(TypeError):
        Snowflake.parse(value)
    with pytest.raises(msgspec.ValidationError, match=r"\$.discord_id"):
        from_json({"discord_id": value, "plan": "x"}, InternalUpdateRolesRequest)


def test_ids_in_lists() -> None:
    body = {"discord_id": "1", "plan": "x", "add_roles": ["7", "08"], "remove_roles": []}
    decoded = from_json(body, InternalUpdateRolesRequest)
    assert (decoded.add_roles, decoded.remove_roles) == (["7", "8"], [])
    with pytest.raises(msgspec.ValidationError, match=r"\$.add_roles\[1\]"):
        from_json({**body, "add_roles": ["7", 8]}, InternalUpdateRolesRequest)


def test_notify_request() -> None:
    raw = b'{"discord_id":"1","action":"plan_upgraded","metadata":{"x":[1]},"unknown":1}'
    decoded = decoder(InternalNotifyUserRequest).decode(raw)
    assert decoded == InternalNotifyUserRequest(
        discord_id=Snowflake("1"), action=NotifyAction.PLAN_UPGRADED, metadata={"x": [1]}
    )
    for name, value in (("action", "x"), ("action", None), ("plan", 1), ("metadata", [])):
        with pytest.raises(msgspec.ValidationError):
            from_json({**json.loads(raw), name: value}, InternalNotifyUserRequest)
    for missing in ("discord_id", "action"):
        body = {key: value for key, value in json.loads(raw).items() if key != missing}
        with pytest.raises(msgspec.ValidationError, match=missing):
            from_json(body, InternalNotifyUserRequest)


@pytest.mark.parametrize("status", [one for one in SubscriptionStatus if one.value != "unknown"])
def test_known_statuses(status: SubscriptionStatus) -> None:
    assert from_json({**SUBSCRIPTION, "status": status.value}, Subscription).status is status


@given(st.text())
def test_words_of_tomorrow_are_unknown(word: str) -> None:
    known = {one.value for one in (*SubscriptionStatus, *InvoiceStatus)}
    if word in known:
        return
    decoded = from_json({**SUBSCRIPTION, "status": word}, Subscription)
    assert decoded.status is SubscriptionStatus.UNKNOWN
    invoice = {"invoice_id": "i", "amount": 1, "currency": "eur", "created": "2025-01-01"}
    with pytest.raises(msgspec.ValidationError):
        from_json({**invoice, "status": word}, Invoice)  # not a time
    invoice["created"] = "2025-01-01T00:00:00Z"
    assert from_json({**invoice, "status": word}, Invoice).status is InvoiceStatus.UNKNOWN


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-01T00:00:00Z", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-01-01T00:00:00", datetime(2025, 1, 1, tzinfo=UTC)),
        (
            "2025-01-01T00:00:00+02:00",
            datetime(2025, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_times_are_aware(text: str, moment: datetime) -> None:
    decoded = from_json(
        {"success": True, "message": "", "user_found": True, "created_at": text}, UserInfoResponse
    )
    assert decoded.created_at == moment
    assert decoded.created_at is not None
    assert decoded.created_at.tzinfo is not None
    assert decoded.updated_at is None


def test_unknown_fields_are_ignored_and_missing_ones_are_not() -> None:
    assert from_json({**SUBSCRIPTION, "new": 1}, Subscription).amount == 999
    for name in SUBSCRIPTION:
        body = {key: value for key, value in SUBSCRIPTION.items() if key != name}
        with pytest.raises(msgspec.ValidationError, match=name):
            from_json(body, Subscription)


def test_invoices_default_to_none() -> None:
    first = from_json({"success": True, "message": ""}, InvoicesResponse)
    first.invoices.append(None)  # type: ignore[arg-type]
    assert from_json({"success": True, "message": ""}, InvoicesResponse).invoices == []


def test_what_is_written() -> None:
    until = datetime(2025, 1, 1, tzinfo=UTC)
    answer = PremiumResponse(discord_id="1", premium=True, premium_until=until)
    assert encode(answer) == (
        b'{"discord_id":"1","premium":true,"premium_until":"2025-01-01T00:00:00Z"}'
    )
    request = EventNotifyRequest(
        event_type=EventType.MEMBER_JOINED,
        discord_id=Snowflake("1"),
        metadata={"guild_id": Snowflake("2"), "name": "é"},
    )
    assert json.loads(encode(request)) == {
        "event_type": "member_joined",
        "discord_id": "1",
        "metadata": {"guild_id": "2", "name": "é"},
    }


def test_values_of_the_contract() -> None:
    assert {one.value for one in NotifyAction} == {
        *("subscription_created", "subscription_updated", "subscription_cancelled"),
        *("plan_upgraded", "plan_downgraded"),
    }
    assert {one.value for one in EventType} == {
        *("member_joined", "member_left", "role_updated", "command_used", "message_sent")
    }
