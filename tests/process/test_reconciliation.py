"""Roles that drifted while Moddy was down come right soon after it is back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from tests.process.moddy_process import ModdyProcess
from tests.process.stage import Stage
from tests.standins.discord import User


async def buy(moddy: ModdyProcess, user: User) -> None:
    """Let a customer have premium and its role, until a moment that is far away."""
    assert (await moddy.notify(user.id)).status_code == 200
    assert (await moddy.update_roles(user.id)).json()["roles_updated"] is True
    end = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    metadata = {"cancel_at_period_end": True, "current_period_end": end}
    await moddy.notify(user.id, action="subscription_cancelled", metadata=metadata)


async def test_drift_while_moddy_was_down(stage: Stage, database_url: str) -> None:
    stage.settings["DATABASE_URL"] = database_url
    alice, bob, carol = (stage.add_member(name) for name in ("alice", "bob", "carol"))
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        await asyncio.gather(buy(moddy, alice), buy(moddy, bob))
        await moddy.kill()
    members = stage.guild.members
    members[alice.id].roles.clear()
    stage.discord.remove_member(stage.guild, bob)
    stage.discord.add_member(stage.guild, bob)
    members[carol.id].roles.add(stage.premium_role.id)
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        await stage.discord.wait_until(
            lambda: stage.has_premium_role(alice) and stage.has_premium_role(bob), 60
        )
        # Somebody who comes back while Moddy sees it need not wait for a sweep.
        stage.discord.remove_member(stage.guild, alice)
        stage.discord.add_member(stage.guild, alice)
        await stage.discord.wait_until(lambda: stage.has_premium_role(alice), 10)
        assert stage.has_premium_role(carol)
    assert stage.discord.calls("DELETE", f"/roles/{stage.premium_role.id}") == []
