"""Discord's ids: time-based 64-bit numbers, sent as strings."""

import time
from datetime import UTC, datetime, timedelta

DISCORD_EPOCH_MS = 1_420_070_400_000


class SnowflakeSource:
    """Hands out ids that never repeat.

    A source with an ``age`` gives ids of things that existed before the test (guilds, users,
    roles), one millisecond apart, so that guilds spread over shards. A source without one gives
    ids of things that happen now (messages, interactions), because clients read the time from
    them.
    """

    def __init__(self, worker: int, age: timedelta | None = None) -> None:
        self._low_bits = worker << 12
        self._stepping = age is not None
        self._last_ms = _now_ms() - (int(age.total_seconds() * 1000) if age else 1)
        self._increment = 0

    def next(self) -> int:
        """A new id."""
        ms = self._last_ms + 1 if self._stepping else max(_now_ms(), self._last_ms)
        self._increment = self._increment + 1 if ms == self._last_ms else 0
        self._last_ms = ms
        return (ms - DISCORD_EPOCH_MS) << 22 | self._low_bits | (self._increment & 0xFFF)


def _now_ms() -> int:
    return int(time.time() * 1000)


def now_text() -> str:
    """The present moment as Discord writes it."""
    return datetime.now(UTC).isoformat()


def moment_of(snowflake: int) -> datetime:
    """When the thing with this id was made."""
    return datetime.fromtimestamp(((snowflake >> 22) + DISCORD_EPOCH_MS) / 1000, UTC)
