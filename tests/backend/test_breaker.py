"""The breaker before the backend: who is let through while it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from yarl import URL

from moddy.backend import BackendClient, Case, is_outage, open_backend_client
from moddy.breaker import Breaker, BreakerState
from moddy.errors import (
    BackendPaused,
    BackendRefused,
    BackendUnauthorized,
    BackendUnavailable,
    RefundOutcomeUnknown,
)
from moddy.models import EventType, Snowflake
from tests.backend.stand_in import QUICK, SECRET, StandIn, raw_server, read_request
from tests.backend.test_endpoints import EVENT_TAKEN, HEALTH, REFUNDED

USER = Snowflake("123456789012345678")
FAILURES = 3
OPEN_S = 10.0


class Now:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def now() -> Now:
    return Now()


def state(client: BackendClient) -> BreakerState:
    """Read it anew: mypy would believe that nothing changes it."""
    return client.breaker_state


def make_breaker(now: Now) -> Breaker:
    return Breaker(counts=is_outage, failures=FAILURES, seconds=OPEN_S, clock=now)


@pytest.fixture
async def client(stand_in: StandIn, now: Now) -> AsyncIterator[BackendClient]:
    async with open_backend_client(
        base_url=stand_in.base_url, secret=SECRET, retries=QUICK, breaker=make_breaker(now)
    ) as opened:
        yield opened


async def fail(client: BackendClient, times: int = FAILURES) -> None:
    for _ in range(times):
        with pytest.raises(BackendUnavailable):
            await client.health_check()


@pytest.fixture
async def away(client: BackendClient, stand_in: StandIn) -> StandIn:
    """The backend fails, and the breaker has opened over it."""
    stand_in.answer({}, status=503)
    await fail(client)
    assert state(client) is BreakerState.OPEN
    stand_in.received.clear()
    return stand_in


async def test_reads_and_events_fail_at_once_while_it_is_open(
    client: BackendClient, away: StandIn, now: Now
) -> None:
    now.seconds += 4
    for call in (
        client.health_check,
        lambda: client.get_user_info(USER),
        lambda: client.get_subscription_info(USER),
        lambda: client.get_subscription_invoices(USER),
        lambda: client.notify_event(EventType.MEMBER_LEFT, USER, {}),
    ):
        with pytest.raises(BackendPaused, match="not called") as caught:
            await call()
        assert caught.value.retry_after == pytest.approx(OPEN_S - 4)
        assert caught.value.retryable
    assert away.received == []


async def test_refund_is_not_sent_while_it_is_open(client: BackendClient, away: StandIn) -> None:
    """So it was certainly not done, and its outcome is not unknown."""
    with pytest.raises(BackendPaused):
        await client.refund_payment(USER, None, "why")
    assert away.received == []


async def test_connection_test_is_never_held_back(client: BackendClient, away: StandIn) -> None:
    assert (await client.test_connection()).case is Case.UNAVAILABLE
    away.answers.clear()
    away.answer(HEALTH)
    assert (await client.test_connection()).ok
    assert len(away.received) == 2
    assert state(client) is BreakerState.OPEN


async def test_half_open_sends_one_request_and_a_failure_keeps_it_open(
    client: BackendClient, away: StandIn, now: Now
) -> None:
    now.seconds += OPEN_S
    assert state(client) is BreakerState.HALF_OPEN
    results = await asyncio.gather(
        *(client.get_user_info(USER) for _ in range(20)), return_exceptions=True
    )
    assert len(away.received) == 1  # without the tries that a call else has
    kinds = [type(result) for result in results]
    assert (kinds.count(BackendUnavailable), kinds.count(BackendPaused)) == (1, 19)
    assert state(client) is BreakerState.OPEN


@pytest.mark.parametrize("status", [200, 403, 422, 429])
async def test_any_answer_of_the_backend_closes_it(
    client: BackendClient, away: StandIn, now: Now, status: int
) -> None:
    now.seconds += OPEN_S
    away.answers.clear()
    away.answer(EVENT_TAKEN, status=status)
    with suppress(BackendUnauthorized, BackendRefused, BackendUnavailable):
        await client.notify_event(EventType.MEMBER_LEFT, USER, {})
    assert away.received
    assert state(client) is BreakerState.CLOSED


async def test_refund_may_be_the_probe(client: BackendClient, away: StandIn, now: Now) -> None:
    now.seconds += OPEN_S
    with pytest.raises(RefundOutcomeUnknown):
        await client.refund_payment(USER, None, "why")
    assert state(client) is BreakerState.OPEN
    now.seconds += OPEN_S
    away.answers.clear()
    away.answer(REFUNDED)
    assert (await client.refund_payment(USER, None, "why")).refunded
    assert state(client) is BreakerState.CLOSED
    assert len(away.received) == 2


async def test_tries_of_one_call_count_as_one_failure(
    client: BackendClient, stand_in: StandIn
) -> None:
    stand_in.answer({}, status=500)
    await fail(client, FAILURES - 1)
    assert len(stand_in.received) == QUICK.attempts * (FAILURES - 1)
    assert state(client) is BreakerState.CLOSED
    stand_in.answers.clear()
    stand_in.answer(HEALTH)
    await client.health_check()
    stand_in.answers.clear()
    stand_in.answer({}, status=500)
    await fail(client, FAILURES - 1)
    assert state(client) is BreakerState.CLOSED


async def test_cancelled_calls_are_no_failures(now: Now) -> None:
    asked = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await asyncio.sleep(60)

    async with (
        raw_server(hang) as url,
        open_backend_client(base_url=url, secret=SECRET, breaker=make_breaker(now)) as client,
    ):
        for _ in range(FAILURES + 1):
            asked.clear()
            call = asyncio.create_task(client.health_check())
            await asked.wait()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        assert state(client) is BreakerState.CLOSED


async def test_nobody_there_opens_it(unused_tcp_port: int, now: Now) -> None:
    url = URL.build(scheme="http", host="127.0.0.1", port=unused_tcp_port)
    async with open_backend_client(
        base_url=url, secret=SECRET, retries=QUICK, breaker=make_breaker(now)
    ) as client:
        await fail(client)
        assert state(client) is BreakerState.OPEN


async def test_missing_secret_does_not_open_it(stand_in: StandIn, now: Now) -> None:
    """It is for an operator to mend, who should go on reading that."""
    async with open_backend_client(
        base_url=stand_in.base_url, secret=None, breaker=make_breaker(now)
    ) as client:
        for _ in range(FAILURES + 1):
            with pytest.raises(BackendUnauthorized, match="INTERNAL_API_SECRET"):
                await client.health_check()
        assert state(client) is BreakerState.CLOSED


async def test_opening_and_closing_are_logged_once(
    client: BackendClient,
    stand_in: StandIn,
    now: Now,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stand_in.answer({}, status=503)
    await fail(client, FAILURES + 5)
    now.seconds += OPEN_S
    stand_in.answers.clear()
    stand_in.answer(HEALTH)
    await client.health_check()
    await client.health_check()
    printed = capsys.readouterr().out
    assert printed.count("calls to it pause") == 1
    assert printed.count("backend answers again") == 1
