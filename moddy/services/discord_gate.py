"""Whether Discord should be called now, judged by how its last answers were.

Discord bans an address for 10,000 invalid answers (401, 403, 429) in ten minutes, and stops a bot
that opens direct messages too fast. Moddy keeps far away from both, and when Discord is down it
asks now and then instead of trying every delivery in turn.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog

from moddy.breaker import Breaker, BreakerState
from moddy.errors import DiscordUnavailable
from moddy.store.deliveries import DeliveryKind

log = structlog.get_logger(__name__)

# Source: https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans
INVALID_STATUSES = frozenset({401, 403, 429})
INVALID_WINDOW = 600.0  # seconds
INVALID_LIMIT = 900
# Attempts under way may still add to them; with what they have open, it stays below this.
INVALID_MAX = 999
# Being flagged for spam, and opening direct messages too fast. Source:
# https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
DM_STOP_CODES = frozenset({20026, 40003})
# Seconds; doubled each time it happens again, and back to the first after a message got through.
DM_PAUSE = 30.0
LONGEST_DM_PAUSE = 600.0
# Seconds without any answer after which nobody waits for Discord any longer.
SLOW_AFTER = 0.5
# Seconds after which a call whose end was never told is not waited for.
FORGET_AFTER = 60.0
FAILURES_TO_OPEN = 5
OPEN_SECONDS = 5.0


class DiscordGate:
    """Watches calls to Discord and says whether more of them make sense. Times in seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._breaker = Breaker(
            counts=_is_outage, failures=FAILURES_TO_OPEN, seconds=OPEN_SECONDS, clock=clock
        )
        self._invalid: deque[float] = deque()
        self._dms_paused_until = 0.0
        self._dm_pause = DM_PAUSE
        self._asked_at: dict[int, float] = {}
        self._answered_at = 0.0
        self._in_attempt: ContextVar[bool] = ContextVar("in_attempt", default=False)

    def allows(self, kind: DeliveryKind) -> bool:
        """Tell whether an attempt of this kind should be made now."""
        if self._breaker.state is BreakerState.OPEN or self.is_slow or self._is_near_ban():
            return False
        return kind is not DeliveryKind.NOTIFY or self._clock() >= self._dms_paused_until

    @property
    def is_slow(self) -> bool:
        """Whether a call waits for its answer while no other gets one."""
        horizon = self._clock() - FORGET_AFTER
        oldest = min((at for at in self._asked_at.values() if at > horizon), default=None)
        since = None if oldest is None else max(oldest, self._answered_at)
        return since is not None and self._clock() - since > SLOW_AFTER

    @contextmanager
    def attempt(self, kind: DeliveryKind) -> Iterator[None]:
        """Wrap one attempt. Raises BreakerOpen when Discord should not be called now."""
        token = self._in_attempt.set(True)
        try:
            with self._breaker.call():
                yield
        except DiscordUnavailable as error:
            if error.discord_code in DM_STOP_CODES:
                self._pause_dms(error.discord_code)
            raise
        finally:
            self._in_attempt.reset(token)
        if kind is DeliveryKind.NOTIFY:
            self._dm_pause = DM_PAUSE

    def _pause_dms(self, code: int) -> None:
        now = self._clock()
        if now < self._dms_paused_until:
            return  # one of those that were under way already
        log.error("direct messages paused", code=code, seconds=self._dm_pause)
        self._dms_paused_until = now + self._dm_pause
        self._dm_pause = min(self._dm_pause * 2, LONGEST_DM_PAUSE)

    def asked(self, call: int) -> None:
        """Note that a call is about to be sent.

        Raises DiscordUnavailable inside an attempt when it must not be: an attempt makes several
        calls, and discord.py repeats each that is limited.
        """
        if self._in_attempt.get() and self._count_invalid() + len(self._asked_at) >= INVALID_MAX:
            # An earlier try of the same call may have had its effect.
            raise DiscordUnavailable("too many invalid answers", maybe_done=True)
        self._asked_at[call] = self._clock()

    def answered(self, call: int, status: int | None) -> None:
        """Note how a call ended; `status` is None when it got no answer."""
        self._asked_at.pop(call, None)
        if status is None:
            return
        now = self._clock()
        self._answered_at = now
        if status in INVALID_STATUSES:
            self._invalid.append(now)
            if self._is_near_ban():
                log.error("Discord is not called for a while: too many invalid answers")

    def _is_near_ban(self) -> bool:
        return self._count_invalid() >= INVALID_LIMIT

    def _count_invalid(self) -> int:
        horizon = self._clock() - INVALID_WINDOW
        while self._invalid and self._invalid[0] <= horizon:
            self._invalid.popleft()
        return len(self._invalid)


def _is_outage(error: Exception) -> bool:
    return isinstance(error, TimeoutError) or (
        isinstance(error, DiscordUnavailable) and error.outage
    )
