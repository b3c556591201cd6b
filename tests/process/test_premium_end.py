"""Premium ends by itself, and its role with it, whatever happens to Moddy in between."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from tests.process.moddy_process import ModdyProcess, free_port
from tests.process.stage import Stage
from tests.standins.discord import User


async def is_premium(moddy: ModdyProcess, user: User) -> bool:
    answer = await moddy.http.get(f"/internal/users/{user.id}/premium")
    return bool(answer.json()["premium"])


async def buy(moddy: ModdyProcess, user: User) -> None:
    """Let a customer have premium and its role."""
    assert (await moddy.notify(user.id)).status_code == 200
    assert (await moddy.update_roles(user.id)).json()["roles_updated"] is True


async def cancel(moddy: ModdyProcess, user: User, end: datetime) -> None:
    """Let a customer have premium until then."""
    metadata = {"cancel_at_period_end": True, "current_period_end": end.isoformat()}
    answer = await moddy.notify(user.id, action="subscription_cancelled", metadata=metadata)
    assert answer.status_code == 200


async def test_ends_while_moddy_is_down(stage: Stage, database_url: str) -> None:
    """Two start after that on PostgreSQL: one of them does it, once."""
    stage.settings["DATABASE_URL"] = database_url
    alice, bob, carol = (stage.add_member(name) for name in ("alice", "bob", "carol"))
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        await asyncio.gather(*(buy(moddy, user) for user in (alice, bob, carol)))
        end = datetime.now(UTC) + timedelta(seconds=3)
        await cancel(moddy, carol, end + timedelta(days=30))
        await asyncio.gather(*(cancel(moddy, user, end) for user in (alice, bob)))
        if datetime.now(UTC) < end:  # a slow machine may be later
            assert await is_premium(moddy, alice)
        await moddy.kill()
    assert stage.has_premium_role(alice)
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds())
    async with AsyncExitStack() as stack:
        count = 1 if database_url.startswith("sqlite") else 2
        moddies = [
            await stack.enter_async_context(stage.moddy(INTERNAL_PORT=str(free_port())))
            for _ in range(count)
        ]
        await stage.discord.wait_until(
            lambda: not stage.has_premium_role(alice) and not stage.has_premium_role(bob), 30
        )
        for moddy in moddies:
            await moddy.wait_healthy()
            assert [await is_premium(moddy, user) for user in (alice, bob, carol)] == [
                *(False, False, True)
            ]
    assert stage.has_premium_role(carol)
    for user in (alice, bob):
        removals = stage.discord.calls(
            "DELETE", f"/members/{user.id}/roles/{stage.premium_role.id}"
        )
        assert len(removals) == 1
