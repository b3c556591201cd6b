"""When a failed call is tried again: a bounded number of times within one time budget."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from msgspec import Struct

from moddy.errors import BackendUnavailable

LAST_MOMENT = 0.05


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """How often and how long to wait; times in seconds.

    The wait before try n+1 is ``wait_initial * 2**(n-1)`` plus up to `wait_jitter`, at most
    `wait_max`; a ``Retry-After`` replaces it, with jitter on top.
    """

    attempts: int = 3
    wait_initial: float = 0.2
    wait_max: float = 1.0
    wait_jitter: float = 0.3


class Budget:
    """The time one call may take over all its tries, in seconds."""

    def __init__(
        self,
        seconds: float,
        policy: RetryPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self._jitter = jitter
        self._policy = policy

    def remaining(self) -> float:
        """Return the seconds that are left, never below `LAST_MOMENT`.

        aiohttp reads a timeout of 0 or less as none at all.
        """
        return max(LAST_MOMENT, self._left())

    def backoff(self, error: Exception) -> bool | float:
        """Decide, as stamina's backoff hook, whether and when to try again.

        False: give up at once. True: stamina's exponential backoff. A number: seconds to wait.
        A wait that would use up the budget is not begun.
        """
        if not isinstance(error, BackendUnavailable):
            return False
        if error.retry_after is None:
            return self._left() > self._policy.wait_max
        wait = error.retry_after + self._jitter(0.0, self._policy.wait_jitter)
        return wait if wait < self._left() else False

    def _left(self) -> float:
        return self._end - self._clock()
