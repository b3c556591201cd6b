"""What is remembered, also by several processes at once."""

from __future__ import annotations

import asyncio

from moddy.store import memory
from moddy.store.database import Database, open_database


async def test_a_fact_is_replaced(database: Database) -> None:
    async def look() -> str | None:
        return await database.read(lambda c: memory.recall(c, "fact"))

    assert await look() is None
    for value in ("one", "two"):
        await database.transaction(lambda c, value=value: memory.remember(c, "fact", value))  # type: ignore[misc]
        assert await look() == value


async def test_several_processes_remember_at_once(migrated_url: str) -> None:
    """None of them fails, and one of them was the last."""
    for number in range(5):
        async with open_database(migrated_url) as one, open_database(migrated_url) as other:
            await asyncio.gather(
                *(
                    database.transaction(
                        lambda c, value=value, key=f"fact-{number}": memory.remember(c, key, value)  # type: ignore[misc]
                    )
                    for database, value in ((one, "one"), (other, "other"))
                )
            )
            found = await one.read(lambda c, key=f"fact-{number}": memory.recall(c, key))  # type: ignore[misc]
            assert found in {"one", "other"}
