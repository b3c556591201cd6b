"""The database cannot be written for a while: nothing is acknowledged that is not stored."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import httpx
import pytest

from tests.process.answers import DELIVERED, NO_STORE, notify_answer
from tests.process.moddy_process import ModdyProcess
from tests.process.outages import locked
from tests.process.stage import Stage
from tests.standins.discord import User

LOCKED_SECONDS = 7.0
UNLIMITED = resource.RLIM_INFINITY


def check_refused(answer: httpx.Response) -> None:
    """It is the contract's refusal, not an acknowledgement."""
    assert notify_answer(answer) == NO_STORE
    assert int(answer.headers["Retry-After"]) > 0


async def check_recovery(stage: Stage, moddy: ModdyProcess, users: list[User]) -> None:
    """The same requests are accepted now, and nothing of the refused ones was kept."""
    for user in users:
        assert notify_answer(await moddy.notify(user.id, key=str(user.id))) == DELIVERED
    assert [stage.message_count(user) for user in users] == [1] * len(users)
    assert await moddy.health() == "healthy"


@pytest.mark.slow
async def test_locked_for_seconds(stage: Stage, database_url: str) -> None:
    users = [stage.add_member(f"user-{number}") for number in range(8)]
    async with stage.moddy(DATABASE_URL=database_url) as moddy:
        await moddy.wait_healthy()
        async with locked(database_url):
            lock_ends = asyncio.create_task(asyncio.sleep(LOCKED_SECONDS))
            answers = await asyncio.gather(
                *(moddy.notify(user.id, key=str(user.id)) for user in users)
            )
            await lock_ends
        for answer in answers:
            check_refused(answer)
        await check_recovery(stage, moddy, users)


async def test_a_full_disk(stage: Stage, tmp_path: Path) -> None:
    """A limit on the size of files stands for it: to SQLite both are a write that fails."""
    users = [stage.add_member(f"user-{number}") for number in range(8)]
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        # The system says "file too large" where a full disk has "no space left on device".
        size = (tmp_path / "moddy.db-wal").stat().st_size
        resource.prlimit(moddy.pid, resource.RLIMIT_FSIZE, (size, UNLIMITED))
        for user in users:
            check_refused(await moddy.notify(user.id, key=str(user.id)))
        assert [stage.message_count(user) for user in users] == [0] * len(users)
        resource.prlimit(moddy.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        await check_recovery(stage, moddy, users)
