"""The circuit breaker."""

from __future__ import annotations

import asyncio

import pytest

from moddy.breaker import Breaker, BreakerOpen, BreakerState
from moddy.errors import BackendRefused, BackendUnavailable


class Now:
    """A clock that stands still."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def state(breaker: Breaker) -> BreakerState:
    """Read it anew: mypy would believe that nothing changes it."""
    return breaker.state


def unavailable(error: Exception) -> bool:
    return isinstance(error, BackendUnavailable)


def fail(breaker: Breaker) -> None:
    with pytest.raises(BackendUnavailable, match="down"), breaker.call():
        raise BackendUnavailable("down")


def opened(now: Now) -> Breaker:
    breaker = Breaker(counts=unavailable, failures=3, seconds=10, clock=now)
    for _ in range(3):
        fail(breaker)
    return breaker


def test_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(counts=unavailable, failures=3, clock=Now())
    fail(breaker)
    fail(breaker)
    with breaker.call():
        pass
    fail(breaker)
    fail(breaker)
    assert state(breaker) is BreakerState.CLOSED
    fail(breaker)
    assert state(breaker) is BreakerState.OPEN


def test_an_open_breaker_calls_nothing_and_says_when_to_come_back() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 4
    with pytest.raises(BreakerOpen) as caught, breaker.call():
        pytest.fail("called")
    assert caught.value.retry_after == pytest.approx(6)


def test_half_open_lets_one_probe_through_and_its_success_closes() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 10
    assert state(breaker) is BreakerState.HALF_OPEN
    with breaker.call(), pytest.raises(BreakerOpen), breaker.call():
        pytest.fail("a second call went through")
    assert state(breaker) is BreakerState.CLOSED


def test_a_failed_probe_keeps_it_open_for_as_long_again() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 10
    fail(breaker)
    now.seconds += 9
    assert state(breaker) is BreakerState.OPEN
    now.seconds += 1
    assert state(breaker) is BreakerState.HALF_OPEN


def test_a_refusal_shows_that_the_backend_is_there() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 10
    with pytest.raises(BackendRefused), breaker.call():
        raise BackendRefused("no", status=422)
    assert state(breaker) is BreakerState.CLOSED


def test_a_cancelled_call_is_neither_failure_nor_success() -> None:
    now = Now()
    breaker = opened(now)
    now.seconds += 10
    with pytest.raises(asyncio.CancelledError), breaker.call():
        raise asyncio.CancelledError
    assert state(breaker) is BreakerState.HALF_OPEN  # and the next call is the probe
    closed = Breaker(counts=unavailable, failures=1, clock=now)
    with pytest.raises(asyncio.CancelledError), closed.call():
        raise asyncio.CancelledError
    assert state(closed) is BreakerState.CLOSED
