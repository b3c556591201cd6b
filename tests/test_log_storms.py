"""Warnings and errors that repeat: the first are written, the others counted, none is lost."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import pytest
import structlog

from moddy.config import LogFormat, LogLevel
from moddy.log_storms import FIRST, MAX_KINDS, LogStorms
from tests.test_logs import Output, output

__all__ = ["output"]

COUNT = 1000


class Storm:
    """The processor, as structlog calls it, with time that stands still."""

    def __init__(self) -> None:
        self.now = 100.0
        self.counts: list[dict[str, Any]] = []
        self._storms = LogStorms(
            lambda event: self.counts.append(dict(event)),
            first=3,
            interval=10.0,
            monotonic=lambda: self.now,
        )
        self.flush = self._storms.flush

    def passes(self, level: str = "error", text: str = "broken", **fields: object) -> bool:
        """Tell whether a line is written."""
        event: dict[str, Any] = {"event": text, "level": level, "logger": "moddy.x", **fields}
        try:
            return self._storms(None, level, event) is event
        except structlog.DropEvent:
            return False


def test_the_first_pass_and_the_others_are_counted() -> None:
    storm = Storm()
    assert [storm.passes(number=number) for number in range(8)] == [True] * 3 + [False] * 5
    assert storm.counts == []
    storm.now += 10.0
    assert storm.passes()
    assert storm.counts == [
        {"logger": "moddy.x", "level": "error", "event": "broken", "repeated": 5}
    ]
    assert [storm.passes() for _ in range(3)] == [True, True, False]


def test_a_line_that_differs_always_passes() -> None:
    storm = Storm()
    while storm.passes():
        pass
    assert storm.passes(text="other")
    assert storm.passes(level="warning")
    assert storm.passes(logger="moddy.y")
    assert storm.passes(exc_info=ValueError("a"))
    assert storm.passes(exc_info=(KeyError, KeyError("a"), None))
    try:
        raise LookupError
    except LookupError:
        assert storm.passes(exc_info=True)
    assert not storm.passes()


def test_exceptions_of_one_type_are_the_same_whatever_they_say() -> None:
    storm = Storm()
    passed = [storm.passes(exc_info=ValueError(str(number))) for number in range(5)]
    assert passed == [True] * 3 + [False] * 2
    storm.flush()
    assert [count["error_type"] for count in storm.counts] == ["ValueError"]


def test_what_is_no_error_is_never_held_back() -> None:
    storm = Storm()
    assert all(storm.passes(level=level) for level in ("info", "debug") for _ in range(50))
    while storm.passes():
        pass
    assert all(storm.passes(level="info") for _ in range(50))
    storm.now += 10.0
    assert storm.passes(level="info")
    assert [count["repeated"] for count in storm.counts] == [1]


def test_any_number_of_different_lines_passes() -> None:
    storm = Storm()
    assert all(storm.passes(text=str(number)) for number in range(2 * MAX_KINDS))
    storm.flush()
    assert storm.counts == []


def test_nothing_is_told_twice() -> None:
    storm = Storm()
    while storm.passes():
        pass
    storm.flush()
    storm.flush()
    assert [count["repeated"] for count in storm.counts] == [1]


async def test_the_interval_ends_by_itself() -> None:
    counts = asyncio.Queue[int]()
    storms = LogStorms(lambda event: counts.put_nowait(event["repeated"]), first=1, interval=0.01)
    for _ in range(2):
        for _ in range(3):
            with suppress(structlog.DropEvent):
                storms(None, "error", {"event": "x", "level": "error", "logger": "y"})
        async with asyncio.timeout(5):
            assert await counts.get() == 2


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_storm_in_the_log_of_a_process(output: Output, form: LogFormat) -> None:
    log = output.configure(form=form)
    library = logging.getLogger("library")
    for number in range(COUNT):
        log.error("own", number=number)
        library.error("theirs")
        log.info("request", number=number)
    (handler,) = logging.getLogger().handlers
    handler.flush()  # as at the process's end
    lines = output.getvalue().splitlines()
    assert sum("own" in line for line in lines) == FIRST + 1
    assert sum("theirs" in line for line in lines) == FIRST + 1
    assert sum("request" in line for line in lines) == COUNT
    assert sum("repeated" in line and str(COUNT - FIRST) in line for line in lines) == 2


def test_count_has_what_railway_reads(output: Output) -> None:
    log = output.configure(LogLevel.WARNING)
    for _ in range(FIRST + 2):
        log.warning("again")
    (handler,) = logging.getLogger().handlers
    handler.flush()
    last = output.lines()[-1]
    assert last.pop("timestamp").endswith("Z")
    assert last == {
        "logger": "moddy.tests",
        "level": "warning",
        "message": "again",
        "repeated": 2,
    }
