"""What the backend's refusals and broken answers become."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from moddy.backend import BackendClient
from moddy.backend.exchange import MAX_ANSWER_BYTES
from moddy.errors import (
    BackendContractBroken,
    BackendError,
    BackendNotFound,
    BackendRefused,
    BackendUnauthorized,
    BackendUnavailable,
)
from moddy.models import EventType, Snowflake
from tests.backend.stand_in import (
    EMAIL,
    StandIn,
    client_for,
)
from tests.backend.test_endpoints import EVENT_TAKEN, HEALTH, REFUNDED

USER = Snowflake("123456789012345678")


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (401, {"error": "Missing Authorization header"}, BackendUnauthorized, "Missing"),
        (403, {"error": "Invalid internal API secret"}, BackendUnauthorized, "Invalid"),
        (404, {"detail": "Not Found"}, BackendNotFound, "Not Found"),
        (400, {"detail": "No payment to refund"}, BackendRefused, "No payment"),
        (409, {"error": "", "detail": "Busy"}, BackendRefused, "Busy"),
        (402, {}, BackendRefused, "HTTP status 402"),
        (418, [], BackendRefused, "HTTP status 418"),
        (408, {"detail": "slow"}, BackendUnavailable, "slow"),
        (429, {"error": "too many"}, BackendUnavailable, "too many"),
        (500, {"detail": "Stripe error: no"}, BackendUnavailable, "Stripe error: no"),
        (502, {}, BackendUnavailable, None),
        (503, {"detail": {"not": "a text"}}, BackendUnavailable, None),
    ],
)
async def test_statuses(
    stand_in: StandIn, status: int, body: Any, kind: type[BackendError], reason: str | None
) -> None:
    stand_in.answer(body, status=status)
    async with client_for(stand_in.base_url) as client:
        with pytest.raises(kind) as caught:
            await client.get_user_info(USER)
    error = caught.value
    assert type(error) is kind
    assert error.status == status
    assert (reason or "") in (error.reason or "")
    assert (error.reason is None) == (reason is None)
    assert error.retryable == (kind is BackendUnavailable)
    assert str(status) in str(error)


async def test_fastapis_list_becomes_a_short_text(client: BackendClient, stand_in: StandIn) -> None:
    detail = [
        {
            "type": "greater_than",
            "loc": ["body", "amount"],
            "msg": "Input should be\n greater than 0",
            "input": EMAIL,
        },
        {"loc": [], "msg": "Second"},
        {"loc": ["body", 3]},
        "odd",
    ]
    stand_in.answer({"detail": detail}, {"detail": "x" * 5000}, status=422)
    with pytest.raises(BackendRefused) as caught:
        await client.refund_payment(USER, 5, "why")
    assert caught.value.reason == "body.amount: Input should be greater than 0; Second"
    with pytest.raises(BackendRefused) as caught:
        await client.refund_payment(USER, 5, "why")
    assert len(caught.value.reason) == 300


BROKEN: dict[str, dict[str, Any]] = {
    "a page": {"text": "<html>hello</html>", "content_type": "text/html"},
    "empty": {"body": b""},
    "204": {"status": 204},
    "truncated": {"body": b'{"status": "healthy"'},
    "not UTF-8": {"body": b"\xff\xfe{}"},
    "deep lists": {"body": b"[" * 100_000},
    "deep objects": {"body": b'{"x":' * 100_000},
    "wrong type": {"text": '{"status": 1, "service": "s", "version": "v"}'},
    "null": {"text": "null"},
    "a list": {"text": "[]"},
    "too large": {"body": b" " * (MAX_ANSWER_BYTES + 1)},
    "too large once unpacked": {
        "body": gzip.compress(b" " * (MAX_ANSWER_BYTES * 8)),
        "headers": {"Content-Encoding": "gzip"},
    },
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_is_not_the_contracts(
    client: BackendClient, stand_in: StandIn, answer: dict[str, Any]
) -> None:
    stand_in.respond(**answer)
    with pytest.raises(BackendContractBroken):
        await client.health_check()
    assert len(stand_in.received) == 1  # trying again would not help


async def test_the_largest_answer(client: BackendClient, stand_in: StandIn) -> None:
    text = b'{"status": "healthy", "service": "s", "version": "v"}'
    stand_in.respond(body=text + b" " * (MAX_ANSWER_BYTES - len(text)))
    assert (await client.health_check()).version == "v"


async def test_a_large_error_page_is_still_that_status(
    client: BackendClient, stand_in: StandIn
) -> None:
    stand_in.respond(status=404, body=b"x" * (MAX_ANSWER_BYTES * 2))
    with pytest.raises(BackendNotFound) as caught:
        await client.health_check()
    assert caught.value.reason is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
async def test_redirects_are_not_followed(stand_in: StandIn, status: int) -> None:
    stand_in.respond(status=status, headers={"Location": "/internal/health"})
    stand_in.answer(HEALTH)
    async with client_for(stand_in.base_url) as client:
        with pytest.raises(BackendContractBroken, match="redirect"):
            await client.health_check()
        assert len(stand_in.received) == 1


async def test_success_false_is_an_answer(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(
        {**EVENT_TAKEN, "success": False}, {**REFUNDED, "success": False, "refunded": False}
    )
    assert not (await client.notify_event(EventType.MEMBER_LEFT, USER, {})).success
    assert not (await client.refund_payment(USER, None, "why")).refunded
