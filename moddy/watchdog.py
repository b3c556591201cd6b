"""A watch on the event loop from outside: whether it turns, and where it hangs when it does not.

While it hangs Moddy answers nobody, so that only a thread can tell what is wrong.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

# Seconds without a turn after which the loop counts as frozen. Commands are lost after 3 s, and
# the backend gives a request up after 10 s.
FROZEN_AFTER = 5.0
LOOK_EVERY = 1.0  # seconds
FRAMES = 12


@contextmanager
def watching_loop(
    *,
    note_freeze: Callable[[], None],
    frozen_after: float = FROZEN_AFTER,
    look_every: float = LOOK_EVERY,
) -> Iterator[None]:
    """Watch the running loop while the body runs, which has to be in the loop's thread.

    One line of level error tells of each freeze of `frozen_after` seconds while it lasts, and one
    of its end; then `note_freeze` is called, on the loop.
    """
    watch = _Watch(asyncio.get_running_loop(), note_freeze, frozen_after, look_every)
    watch.start()
    try:
        yield
    finally:
        watch.stop()


class _Watch:
    """Asks the loop for a sign of life, and again once it has been given."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        note_freeze: Callable[[], None],
        frozen_after: float,
        look_every: float,
    ) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._note_freeze = note_freeze
        self._frozen_after = frozen_after
        self._look_every = look_every
        self._stop = threading.Event()
        # A daemon: a log that takes no lines any more must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._has_answered = True
        self._has_told = False
        self._asked_at = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(self._look_every)

    def _run(self) -> None:
        while not self._stop.wait(self._look_every):
            if self._has_answered:
                self._ask()
            elif not self._has_told and self._waited() >= self._frozen_after:
                self._has_told = True
                log.error("loop frozen", seconds=self._waited(), at=self._places())

    def _ask(self) -> None:
        self._has_answered = self._has_told = False
        self._asked_at = time.monotonic()
        self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        waited = self._waited()
        # Also when the whole process stood still, and this thread with it.
        if waited >= self._frozen_after:
            self._note_freeze()
            log.warning("loop goes on", seconds=waited)
        self._has_answered = True

    def _waited(self) -> float:
        return round(time.monotonic() - self._asked_at, 1)

    def _places(self) -> str:
        """Return the innermost frames of the loop's thread, innermost first: no values, no code."""
        # CPython's own way to another thread's stack; the standard library's faulthandler has it.
        frame = sys._current_frames().get(self._loop_thread)
        frames = islice(traceback.walk_stack(frame), FRAMES) if frame is not None else ()
        return " < ".join(
            f"{Path(one.f_code.co_filename).name}:{line} {one.f_code.co_name}"
            for one, line in frames
        )
