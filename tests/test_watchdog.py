"""The watch on the loop: one line while it hangs, which says where, and one when it goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from moddy.metrics import Metrics
from moddy.watchdog import watching_loop
from tests.test_metrics import value

FROZEN_AFTER = 0.3
Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    with capture_logs() as captured:
        yield captured


def told(lines: Lines) -> list[tuple[str, str]]:
    return [(line["log_level"], line["event"]) for line in lines]


def hang(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Keep the loop from turning."""
    planted = "planted@example.com"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not until():
        time.sleep(0.01)
    assert planted


async def turn(seconds: float = 0.15) -> None:
    """Let the loop turn, and the watch look."""
    await asyncio.sleep(seconds)


async def test_a_freeze_is_told_while_it_lasts_and_counted_when_it_ends(lines: Lines) -> None:
    metrics = Metrics()
    freezes = "moddy_loop_freezes_total"
    assert value(metrics, freezes) == 0
    with watching_loop(
        note_freeze=metrics.loop_freezes.add, frozen_after=FROZEN_AFTER, look_every=0.02
    ):
        await turn()
        hang(10, until=lambda: bool(lines))
        [line] = lines
        hang(0.1)
        # Once for each freeze, however long it is.
        assert lines == [line]
        await turn()
    assert told(lines) == [("error", "loop frozen"), ("warning", "loop goes on")]
    assert FROZEN_AFTER <= line["seconds"] <= lines[1]["seconds"] < 10
    places = line["at"].split(" < ")
    assert places[0].partition(":")[0] == "test_watchdog.py"
    assert any(place.endswith(" hang") for place in places[:3])
    assert set(line) == {"event", "log_level", "seconds", "at"}
    assert "planted" not in str(lines)
    assert "/" not in line["at"]
    assert value(metrics, freezes) == 1


async def test_each_freeze_is_told(lines: Lines) -> None:
    noted: list[None] = []
    with watching_loop(
        note_freeze=lambda: noted.append(None), frozen_after=FROZEN_AFTER, look_every=0.02
    ):
        for number in (1, 2):
            await turn()
            hang(10, until=lambda: len(told(lines)) % 2 == 1)
            await turn()
            assert len(noted) == number
    assert told(lines) == [("error", "loop frozen"), ("warning", "loop goes on")] * 2


async def test_a_loop_that_turns_slowly_is_not_frozen(lines: Lines) -> None:
    with watching_loop(note_freeze=pytest.fail, frozen_after=5.0, look_every=0.02):
        for _ in range(5):
            hang(0.1)
            await turn(0.02)
    assert lines == []


async def test_it_ends_with_its_body() -> None:
    before = threading.active_count()
    with watching_loop(note_freeze=pytest.fail):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
