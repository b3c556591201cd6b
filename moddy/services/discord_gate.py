"""Whether Discord should be called now, judged by how its last answers were.

Discord bans an address for 10,000 invalid answers (401, 403, 429) in ten minutes, and stops a bot
that opens direct messages too fast. Moddy keeps far away from both, and when Discord is down it
asks now and then instead of trying every delivery in turn.
"""

from __future__ import annotations

import asyncio
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
DIRECT_MESSAGES = (DeliveryKind.NOTIFY, DeliveryKind.REFUND)
# Seconds without any answer after which no more attempts are started; more when answers lately
# took longer than usual, be it for Discord or for this machine.
SLOW_AFTER = 0.4
USUAL_TIMES = 3.0
USUAL_SHARE = 0.2  # of the newest answer
# When so many attempts are under way by then, it is not the tail that any single call may have:
# nobody waits for Discord any longer. With fewer it takes so many seconds.
SEVERAL = 5
HANGING_AFTER = 2.0
# Twice so many seconds it is watched then: this loop may not have got around to the answers.
WATCH = 0.05
# Seconds after which a call whose end was never told is not waited for, nor one that ended in vain
# thought of.
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
        self._usual = 0.0
        self._attempts = 0
        # When a call last ended that had waited long, and in vain; None once one was answered.
        self._given_up_at: float | None = None
        self._in_attempt: ContextVar[bool] = ContextVar("in_attempt", default=False)

    def allows(self, kind: DeliveryKind) -> bool:
        """Tell whether an attempt of this kind should be made now."""
        if self._breaker.state is BreakerState.OPEN or self.is_slow or self._is_near_ban():
            return False
        return kind not in DIRECT_MESSAGES or self._clock() >= self._dms_paused_until

    @property
    def state(self) -> BreakerState:
        """Whether attempts are made."""
        held = self.is_slow or self._is_near_ban()
        return BreakerState.OPEN if held else self._breaker.state

    @property
    def dm_state(self) -> BreakerState:
        """Whether Discord lets direct messages be opened."""
        paused = self._clock() < self._dms_paused_until
        return BreakerState.OPEN if paused else BreakerState.CLOSED

    @property
    def is_slow(self) -> bool:
        """Whether a call waits for its answer while no other gets one."""
        return self._silence() > self._slow_after()

    @property
    def is_hanging(self) -> bool:
        """Whether waiting for an attempt makes no sense: others wait in vain, or did."""
        given_up_at = self._given_up_at
        if given_up_at is not None and self._clock() - given_up_at < FORGET_AFTER:
            return True
        return self._silence() > self._patience()

    async def until_hanging(self) -> None:
        """Return once `is_hanging`, while this loop had the time to hear of answers."""
        while not self.is_hanging or await _is_loop_busy() or not self.is_hanging:
            # More attempts make for less patience.
            rest = min(self._patience() - self._silence(), SLOW_AFTER)
            await asyncio.sleep(max(rest, WATCH))

    def _patience(self) -> float:
        return self._slow_after() if self._attempts >= SEVERAL else HANGING_AFTER

    def _slow_after(self) -> float:
        return min(max(USUAL_TIMES * self._usual, SLOW_AFTER), HANGING_AFTER)

    def _silence(self) -> float:
        """Return how long calls have waited without any of them being answered."""
        now = self._clock()
        horizon = now - FORGET_AFTER
        oldest = min((at for at in self._asked_at.values() if at > horizon), default=now)
        return now - max(oldest, self._answered_at)

    @contextmanager
    def attempt(self, kind: DeliveryKind) -> Iterator[None]:
        """Wrap one attempt. Raises BreakerOpen when Discord should not be called now."""
        token = self._in_attempt.set(True)
        self._attempts += 1
        try:
            with self._breaker.call():
                yield
        except DiscordUnavailable as error:
            if error.discord_code in DM_STOP_CODES:
                self._pause_dms(error.discord_code)
            raise
        finally:
            self._attempts -= 1
            self._in_attempt.reset(token)
        if kind in DIRECT_MESSAGES:
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
        now = self._clock()
        asked_at = self._asked_at.pop(call, now)
        if status is None:
            if now - asked_at > SLOW_AFTER:
                self._given_up_at = now
            return
        self._given_up_at = None
        self._answered_at = now
        lasted = min(now - asked_at, HANGING_AFTER)
        self._usual += USUAL_SHARE * (lasted - self._usual)
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


async def _is_loop_busy() -> bool:
    """Tell whether the loop comes late to what is due; takes a moment."""
    loop = asyncio.get_running_loop()
    for _ in range(2):
        due_at = loop.time() + WATCH
        await asyncio.sleep(WATCH)
        if loop.time() > due_at + WATCH:
            return True
    return False
