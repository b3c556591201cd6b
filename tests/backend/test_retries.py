"""What is tried again, how often and when; a refund never is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aioresponses import aioresponses as mocked_requests
from yarl import URL

from moddy.backend import BackendClient, RetryPolicy, open_backend_client
from moddy.backend.answers import read_retry_after
from moddy.backend.retries import Budget
from moddy.errors import (
    BackendNotFound,
    BackendRefused,
    BackendUnauthorized,
    BackendUnavailable,
    RefundOutcomeUnknown,
)
from moddy.models import EventType, Snowflake
from tests.backend.stand_in import StandIn, client_for, raw_server, read_request
from tests.backend.test_endpoints import EVENT_TAKEN, HEALTH

USER = Snowflake("123456789012345678")
NOW = datetime(2025, 1, 1, tzinfo=UTC)
FAILED: dict[str, Any] = {"detail": "Stripe error: Charge already refunded"}

Call = Callable[[BackendClient], Awaitable[Any]]
REPEATABLE: dict[str, Call] = {
    "health": lambda client: client.health_check(),
    "user": lambda client: client.get_user_info(USER),
    "event": lambda client: client.notify_event(EventType.MEMBER_JOINED, USER, {}),
    "subscription": lambda client: client.get_subscription_info(USER),
    "invoices": lambda client: client.get_subscription_invoices(USER),
}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_passing_failures_are_tried_again(
    client: BackendClient, stand_in: StandIn, status: int
) -> None:
    stand_in.answer(FAILED, FAILED, status=status)
    stand_in.answer(EVENT_TAKEN)
    answer = await client.notify_event(EventType.MEMBER_JOINED, USER, {})
    assert answer.event_received
    for name in ("Idempotency-Key", "X-Request-ID"):
        assert len({request.headers[name] for request in stand_in.received}) == 1
    assert len({request.body for request in stand_in.received}) == 1
    assert len(stand_in.received) == 3


@pytest.mark.parametrize("call", REPEATABLE.values(), ids=REPEATABLE)
async def test_three_tries_at_most(client: BackendClient, stand_in: StandIn, call: Call) -> None:
    stand_in.answer(FAILED, status=503)
    with pytest.raises(BackendUnavailable) as caught:
        await call(client)
    assert len(stand_in.received) == 3
    assert caught.value.reason == FAILED["detail"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BackendRefused), (401, BackendUnauthorized), (404, BackendNotFound)],
)
async def test_refusals_are_not_tried_again(
    client: BackendClient, stand_in: StandIn, status: int, kind: type[Exception]
) -> None:
    stand_in.answer(FAILED, status=status)
    with pytest.raises(kind):
        await client.get_user_info(USER)
    assert len(stand_in.received) == 1


async def test_retry_after_is_waited_for(client: BackendClient, stand_in: StandIn) -> None:
    stand_in.answer(FAILED, status=429, headers={"Retry-After": "1"})
    stand_in.answer(HEALTH)
    started = time.monotonic()
    await client.health_check()
    assert 1.0 <= time.monotonic() - started < 3.0


@pytest.mark.parametrize("seconds", [6, 3600])
async def test_a_retry_after_beyond_the_budget_ends_at_once(
    client: BackendClient, stand_in: StandIn, seconds: int
) -> None:
    stand_in.answer(FAILED, status=503, headers={"Retry-After": str(seconds)})
    started = time.monotonic()
    with pytest.raises(BackendUnavailable) as caught:
        await client.health_check()
    assert time.monotonic() - started < 2.0
    assert caught.value.retry_after == seconds
    assert len(stand_in.received) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 307])
async def test_a_refund_that_failed_is_unknown_and_sent_once(
    client: BackendClient, stand_in: StandIn, status: int
) -> None:
    stand_in.answer(FAILED, status=status, headers={"Retry-After": "0"})
    with pytest.raises(RefundOutcomeUnknown) as caught:
        await client.refund_payment(USER, 500, "why")
    (request,) = stand_in.received
    error = caught.value
    assert error.idempotency_key == request.headers["Idempotency-Key"]
    assert (error.status, error.reason) == (status, FAILED["detail"])
    assert not error.retryable


async def test_a_refund_whose_answer_cannot_be_read_is_unknown(
    client: BackendClient, stand_in: StandIn
) -> None:
    stand_in.respond(text="<html>ok</html>")
    with pytest.raises(RefundOutcomeUnknown) as caught:
        await client.refund_payment(USER, 500, "why", idempotency_key="k")
    assert (caught.value.status, caught.value.idempotency_key) == (200, "k")
    assert len(stand_in.received) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BackendRefused),
        (403, BackendUnauthorized),
        (404, BackendNotFound),
        (422, BackendRefused),
        (429, BackendUnavailable),
    ],
)
async def test_a_refused_refund_was_not_done(
    client: BackendClient, stand_in: StandIn, status: int, kind: type[Exception]
) -> None:
    stand_in.answer(FAILED, status=status)
    with pytest.raises(kind):
        await client.refund_payment(USER, 500, "why")
    assert len(stand_in.received) == 1


class StaleServer:
    """Keeps a connection after its first answer, then reads the next request and closes."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await read_request(reader))
        body = b'{"status": "healthy", "service": "s", "version": "v"}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        self.requests.append(await read_request(reader))

    def posts(self) -> int:
        return sum(request.startswith(b"POST") for request in self.requests)


async def test_a_refund_on_a_stale_connection_is_never_sent_again() -> None:
    server = StaleServer()
    async with raw_server(server) as url, client_for(url) as client:
        await client.health_check()  # leaves a kept connection, which the refund meets
        with pytest.raises(RefundOutcomeUnknown):
            await client.refund_payment(USER, 500, "why")
        await asyncio.sleep(0.05)
    assert server.posts() == 1
    assert len(server.requests) == 2  # the refund came over the kept connection


async def test_a_get_on_a_stale_connection_works_all_the_same() -> None:
    server = StaleServer()
    async with raw_server(server) as url, client_for(url) as client:
        await client.health_check()
        assert (await client.health_check()).version == "v"
    assert len(server.requests) == 3


async def test_a_read_on_a_stale_connection_keeps_its_key() -> None:
    server = StaleServer()
    async with raw_server(server) as url, client_for(url) as client:
        await client.health_check()
        with pytest.raises(Exception, match="contract"):  # the server answers health to all
            await client.get_user_info(USER)
    posts = [request for request in server.requests if request.startswith(b"POST")]
    keys = {
        line
        for post in posts
        for line in post.split(b"\r\n")
        if line.lower().startswith(b"idempotency-key")
    }
    assert (len(posts), len(keys)) == (2, 1)


async def test_all_tries_share_the_budget(mocked_http: mocked_requests) -> None:
    limits: list[float] = []

    async def slow(_: URL, **kwargs: Any) -> None:
        limits.append(kwargs["timeout"].total)
        await asyncio.sleep(0.1)

    mocked_http.get("http://b.invalid/internal/health", status=503, callback=slow, repeat=True)
    async with client_for(URL("http://b.invalid"), seconds=5.0) as client:
        with pytest.raises(BackendUnavailable):
            await client.health_check()
    assert len(limits) == 3
    assert limits[0] <= 5.0
    assert limits[1] <= limits[0] - 0.1
    assert limits[2] <= limits[1] - 0.1


async def test_a_spent_budget_ends_the_tries() -> None:
    tries = 0

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal tries
        tries += 1
        await reader.read(-1)

    async with raw_server(silent) as url, client_for(url, seconds=0.2) as client:
        with pytest.raises(BackendUnavailable, match="in time"):
            await client.health_check()
    assert tries == 1


async def test_a_backend_that_comes_up_between_tries(unused_tcp_port: int) -> None:
    waits = RetryPolicy(wait_initial=0.3, wait_max=0.3, wait_jitter=0.0)
    url = URL(f"http://127.0.0.1:{unused_tcp_port}")
    async with open_backend_client(base_url=url, secret="s", retries=waits) as client:
        call = asyncio.create_task(client.health_check())
        await asyncio.sleep(0.1)
        async with raw_server(StaleServer(), port=unused_tcp_port):
            assert (await call).version == "v"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 400, None),
        ("nan", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        ("Wed, 01 Jan 2025 00:00:07 -0000", 7.0),
        ("Wed, 01 Jan 2025 01:00:07 +0100", 7.0),
        ("Wed, 99 Jan 2025 00:00:07 GMT", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text, now=lambda: NOW) == seconds


class TestBudget:
    """The decision alone, with a clock and a jitter of the test's own."""

    def budget(self, elapsed: list[float]) -> Budget:
        return Budget(
            10.0,
            RetryPolicy(wait_max=1.0, wait_jitter=0.3),
            clock=lambda: elapsed[0],
            jitter=lambda low, high: high,
        )

    def test_without_retry_after(self) -> None:
        elapsed = [0.0]
        budget = self.budget(elapsed)
        assert budget.backoff(BackendUnavailable("x")) is True
        elapsed[0] = 8.9
        assert budget.backoff(BackendUnavailable("x")) is True
        elapsed[0] = 9.0
        assert budget.backoff(BackendUnavailable("x")) is False

    def test_with_retry_after(self) -> None:
        elapsed = [0.0]
        budget = self.budget(elapsed)
        assert budget.backoff(BackendUnavailable("x", retry_after=2.0)) == 2.3
        assert budget.backoff(BackendUnavailable("x", retry_after=9.7)) is False
        elapsed[0] = 8.0
        assert budget.backoff(BackendUnavailable("x", retry_after=2.0)) is False

    def test_other_errors(self) -> None:
        budget = self.budget([0.0])
        assert budget.backoff(BackendNotFound("x")) is False
        assert budget.backoff(ValueError()) is False

    def test_what_remains_is_never_nothing(self) -> None:
        elapsed = [0.0]
        budget = self.budget(elapsed)
        elapsed[0] = 11.0
        assert 0 < budget.remaining() < 0.1
