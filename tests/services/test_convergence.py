"""In whatever order events come, and however often, the newest one decides."""

from __future__ import annotations

from random import Random

import pytest

from tests.services.convergence import accept_all, count_wrong, make_arrivals
from tests.services.stage import Stage


@pytest.mark.slow
async def test_the_newest_event_decides(stage: Stage) -> None:
    arrivals = make_arrivals(Random(3), users=100, events=5_000)  # noqa: S311 (not a secret)
    await accept_all(stage.notifications, arrivals)
    assert await count_wrong(stage.premium, arrivals) == 0
