"""``kill -9`` at each named point: nothing acknowledged is lost, and nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crashes.run import POINTS, Plan, run


@pytest.mark.slow
async def test_killed_at_each_point(database_url: str, tmp_path: Path) -> None:
    plan = Plan(
        database_url=database_url, directory=tmp_path, seed=7, deliveries=150, kills=12, users=30
    )
    result = await run(plan)
    assert result.verdict.faults == 0, result
    assert set(+result.kills) == set(POINTS)
