"""The database goes away while Moddy runs, and comes back."""

from __future__ import annotations

from tests.process.answers import DELIVERED, NO_STORE, notify_answer
from tests.process.outages import closed
from tests.process.stage import Stage


async def test_the_database_restarts(stage: Stage, postgresql_url: str) -> None:
    alice, bob = stage.add_member("alice"), stage.add_member("bob")
    async with stage.moddy(DATABASE_URL=postgresql_url) as moddy:
        await moddy.wait_healthy()
        assert notify_answer(await moddy.notify(alice.id)) == DELIVERED
        async with closed(postgresql_url):
            await moddy.wait_health("unhealthy", seconds=15)
            assert notify_answer(await moddy.notify(bob.id)) == NO_STORE
            await moddy.wait_line("store unavailable")
        await moddy.wait_healthy()
        assert notify_answer(await moddy.notify(bob.id)) == DELIVERED
    assert (stage.message_count(alice), stage.message_count(bob)) == (1, 1)


async def test_started_while_the_database_is_away(stage: Stage, postgresql_url: str) -> None:
    async with closed(postgresql_url), stage.moddy(DATABASE_URL=postgresql_url) as moddy:
        assert await moddy.wait_exit(40) == 1
        line = moddy.stderr.pop()
        assert line.startswith("DATABASE_URL: ")
