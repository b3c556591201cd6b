"""Error storms: of warnings and errors that repeat, the first are logged and the others counted.

A store that is away makes every request say so: thousands of lines a second that hide the one
that differs, and that a host charges for or drops.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any

import structlog

Event = MutableMapping[str, Any]

# So many of the same in so many seconds are written; then one line with the number of the others.
FIRST = 20
INTERVAL = 10.0
# More different ones than this in an interval are all written.
MAX_KINDS = 1000
_COUNTED = frozenset({"warning", "error", "critical"})


class LogStorms:
    """A processor for structlog, to stand behind those that add level and logger.

    Lines are the same when logger, level, text and the exception's type are; one that differs is
    always written. `write` gets the line that tells of those left out: its ``repeated`` is their
    number. `monotonic` measures seconds.
    """

    def __init__(
        self,
        write: Callable[[Event], None],
        *,
        first: int = FIRST,
        interval: float = INTERVAL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._first = first
        self._interval = interval
        self._monotonic = monotonic
        self._counts: dict[tuple[str, ...], int] = {}
        self._ends_at = 0.0
        # Which interval it is.
        self._number = 0
        # Lines come from threads as well.
        self._lock = threading.Lock()

    def __call__(self, _logger: object, method: str, event: Event) -> Event:
        """Let a line pass. Raises structlog.DropEvent when it is only to be counted."""
        if not self._counts and method not in _COUNTED:
            return event
        if self._counts and self._monotonic() >= self._ends_at:
            self.flush()
        if method not in _COUNTED:
            return event
        key = _key(event)
        with self._lock:
            if not self._counts:
                self._begin()
            elif key not in self._counts and len(self._counts) >= MAX_KINDS:
                return event
            count = self._counts[key] = self._counts.get(key, 0) + 1
        if count > self._first:
            raise structlog.DropEvent
        return event

    def flush(self) -> None:
        """Write how many lines were left out so far, and begin anew."""
        with self._lock:
            counts, self._counts = self._counts, {}
            self._number += 1
        for (logger, level, text, error_type), count in counts.items():
            if count > self._first:
                event: Event = {"logger": logger, "level": level, "event": text}
                if error_type:
                    event["error_type"] = error_type
                self._write({**event, "repeated": count - self._first})

    def _begin(self) -> None:
        self._ends_at = self._monotonic() + self._interval
        # Without a loop on this thread the next line ends it, or the process's end.
        with suppress(RuntimeError):
            asyncio.get_running_loop().call_later(self._interval, self._end, self._number)

    def _end(self, number: int) -> None:
        """End the interval, unless a line has ended it and another has begun."""
        if number == self._number:
            self.flush()


def _key(event: Event) -> tuple[str, ...]:
    error = event.get("exc_info")
    error = error[1] if isinstance(error, tuple) else error
    if error is True:
        error = sys.exception()
    error_type = type(error).__qualname__ if isinstance(error, BaseException) else ""
    # asyncio's lines go on with the repr() of something that differs each time.
    text = str(event.get("event")).partition("\n")[0]
    return str(event.get("logger")), str(event.get("level")), text, error_type
