"""Kills and restarts: what was accepted is done, and done once."""

from __future__ import annotations

import asyncio

from tests.process.answers import DELIVERED, QUEUED, notify_answer
from tests.process.moddy_process import free_port
from tests.process.stage import Stage


async def test_killed_between_attempts(stage: Stage, database_url: str) -> None:
    stage.settings["DATABASE_URL"] = database_url
    alice, bob, carol = (stage.add_member(name) for name in ("alice", "bob", "carol"))
    absent = stage.discord.add_user("absent")
    stage.discord.faults.add("POST", stage.messages_path(alice), status=503, times=None)
    stage.discord.faults.add("PUT", f"*/members/{bob.id}/roles/*", status=503, times=None)
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        not_here = await moddy.update_roles(absent.id)
        assert not_here.json()["message"] == "User not found in Discord server"
        assert notify_answer(await moddy.notify(alice.id, key="kept")) == QUEUED
        assert (await moddy.update_roles(bob.id)).status_code == 202
        roles = await moddy.update_roles(carol.id, key="done")
        message = await moddy.notify(carol.id, key="done")
        await moddy.kill()  # right after this answer
    assert notify_answer(message) == DELIVERED
    stage.discord.faults.clear()
    stage.discord.add_member(stage.guild, absent)
    async with stage.moddy() as moddy:
        # What waited is done within seconds, for who joined meanwhile too.
        await stage.discord.wait_until(
            lambda: (
                stage.message_count(alice) == 1
                and stage.has_premium_role(bob)
                and stage.has_premium_role(absent)
            ),
            30,
        )
        await moddy.wait_healthy()
        # What was answered is not done again, and answered as before.
        for answer, again in (
            (message, await moddy.notify(carol.id, key="done")),
            (roles, await moddy.update_roles(carol.id, key="done")),
        ):
            assert (again.status_code, again.content) == (answer.status_code, answer.content)
            assert again.headers["Idempotent-Replayed"] == "true"
        assert notify_answer(await moddy.notify(alice.id, key="kept")) in (DELIVERED, QUEUED)
        premium = await moddy.http.get(f"/internal/users/{alice.id}/premium")
        assert premium.json()["premium"] is True
    assert (stage.message_count(alice), stage.message_count(carol)) == (1, 1)
    assert len(stage.discord.calls("POST", stage.messages_path(carol))) == 1


async def test_killed_during_an_attempt(stage: Stage) -> None:
    alice, bob = stage.add_member("alice"), stage.add_member("bob")
    before = stage.discord.faults.add("POST", stage.messages_path(alice), delay=60)
    # Discord has the message, and Moddy dies before it hears of that.
    after = stage.discord.faults.add(
        "POST", stage.messages_path(bob), status=503, delay=0.5, apply=True, times=None
    )
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        calls = [asyncio.create_task(moddy.notify(user.id)) for user in (alice, bob)]
        await stage.discord.wait_until(
            lambda: before.hits == 1 and after.hits == 1 and stage.message_count(bob) == 1
        )
        await moddy.kill()
        await asyncio.gather(*calls, return_exceptions=True)
    stage.discord.faults.clear()
    async with stage.moddy() as moddy:
        await stage.discord.wait_until(
            lambda: (
                stage.message_count(alice) == 1
                and len(stage.discord.calls("POST", stage.messages_path(bob))) >= 2
            ),
            30,
        )
        await moddy.wait_healthy()
    assert (stage.message_count(alice), stage.message_count(bob)) == (1, 1)


async def test_two_at_once_as_in_a_rolling_deploy(stage: Stage, postgresql_url: str) -> None:
    stage.settings["DATABASE_URL"] = postgresql_url
    users = [stage.add_member(f"user-{number}") for number in range(6)]
    stage.discord.faults.add("POST", "/channels/*", status=503, times=6)
    async with stage.moddy() as one, stage.moddy(INTERNAL_PORT=str(free_port())) as other:
        await asyncio.gather(one.wait_healthy(), other.wait_healthy())
        assert stage.discord.command_syncs <= 2
        await asyncio.gather(
            *(moddy.notify(user.id, key=str(user.id)) for user in users for moddy in (one, other))
        )
        await stage.discord.wait_until(
            lambda: all(stage.message_count(user) == 1 for user in users), 10
        )
    assert [stage.message_count(user) for user in users] == [1] * len(users)
