"""Waiting for something to become true in the stand-in."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class Changes:
    """Wakes whoever waits each time anything happened: a request, a frame, a new session."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Say that something happened."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def until(
        self,
        condition: Callable[[], bool],
        *,
        timeout: float = 5.0,  # noqa: ASYNC109 - the tests' word for it
        what: str = "the condition",
    ) -> None:
        """Wait until the condition holds; AssertionError when it does not in time."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await self._next_change()
        except TimeoutError:
            raise AssertionError(f"{what} did not come true within {timeout} s") from None

    async def _next_change(self) -> None:
        # A condition may also look at things outside, which tell nothing when they change.
        with suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                await self._event.wait()
