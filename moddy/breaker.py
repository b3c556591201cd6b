"""A circuit breaker: while the other side is down, nobody waits for it, and nobody hammers it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from moddy.errors import ModdyError

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 10.0


class BreakerOpen(ModdyError):
    """Nothing was called; `retry_after` is in seconds, when it may be tried."""

    code = "breaker_open"
    retryable = True

    def __init__(self, retry_after: float) -> None:
        super().__init__("not called: the other side did not answer lately")
        self.retry_after = retry_after


class BreakerState(Enum):
    """`half_open`: one call may find out whether the other side is back."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after `failures` calls in a row failed with one of the errors that `counts`.

    After `seconds` one call is let through as a probe: its success closes the breaker, its
    failure keeps it open for as long again. A cancelled call says nothing about the other side
    and counts for neither; any other error is an answer, so the other side is there.
    """

    def __init__(
        self,
        *,
        counts: Callable[[Exception], bool],
        failures: int = FAILURES_TO_OPEN,
        seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._counts = counts
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """What the next call would meet."""
        if self._opened_at is None:
            return BreakerState.CLOSED
        if self._probing or self._remaining() > 0:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN

    @contextmanager
    def call(self) -> Iterator[None]:
        """Wrap one call.

        Raises:
            BreakerOpen: nothing was called.
        """
        state = self.state
        if state is BreakerState.OPEN:
            raise BreakerOpen(max(self._remaining(), 1.0))
        probe = state is BreakerState.HALF_OPEN
        self._probing = self._probing or probe
        try:
            yield
        except Exception as error:
            if self._counts(error):
                self._fail()
            else:
                self._succeed()
            raise
        else:
            self._succeed()
        finally:
            if probe:
                self._probing = False

    def _fail(self) -> None:
        self._failures += 1
        if self._opened_at is not None or self._failures >= self._limit:
            self._opened_at = self._clock()

    def _succeed(self) -> None:
        self._failures = 0
        self._opened_at = None

    def _remaining(self) -> float:
        opened_at = self._opened_at
        return 0.0 if opened_at is None else opened_at + self._seconds - self._clock()
