"""Every row of the notify and roles tables, over a real socket, on both databases."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from tests.process.answers import (
    CLOSED,
    DELIVERED,
    FALLBACK,
    NO_STORE,
    NO_USER,
    QUEUED,
    REFUSED,
    REUSED_KEY,
    STALE,
    notify_answer,
    roles_answer,
)
from tests.process.moddy_process import ModdyProcess, free_port
from tests.process.outages import locked
from tests.process.stage import Stage
from tests.standins.discord import User


async def check_notify(stage: Stage, moddy: ModdyProcess) -> None:
    """The rows of a request that reaches Discord, and a fallback channel."""
    alice, closed = stage.add_member("alice"), stage.add_member("closed")
    closed.dms = "closed"
    outside = stage.discord.add_user("outside", dms="closed_50278")
    channel = stage.guild.channels[int(stage.settings["MODDY_NOTIFY_CHANNEL_ID"])]

    metadata = {"amount": 9900, "currency": "eur", "email": "alice@example.org", "odd": [1]}
    first = await moddy.notify(alice.id, metadata=metadata, key="welcome")
    assert notify_answer(first) == DELIVERED
    assert "Idempotent-Replayed" not in first.headers
    [message] = stage.discord.dms[alice.id]
    assert "Moddy Max" in message.text
    assert "€99.00" in message.text
    assert "alice@example.org" not in message.text

    assert notify_answer(await moddy.notify(closed.id)) == FALLBACK
    assert channel.messages[-1].mentioned_user_ids == [closed.id]
    assert notify_answer(await moddy.notify(outside.id)) == CLOSED
    assert notify_answer(await moddy.notify(5)) == NO_USER

    stage.discord.faults.add("POST", stage.messages_path(alice), status=400, code=50035)
    assert notify_answer(await moddy.notify(alice.id)) == REFUSED

    again = await moddy.notify(alice.id, metadata=metadata, key="welcome")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await moddy.notify(alice.id, plan="other", key="welcome")
    assert (other.status_code, other.json()) == (422, REUSED_KEY)
    assert stage.message_count(alice) == 1


async def check_events(stage: Stage, moddy: ModdyProcess) -> None:
    """The rows of `event_id` and `event_created`, and PREMIUM as the actions change it."""
    bob = stage.add_member("bob")

    async def is_premium() -> tuple[bool, bool]:
        body = (await moddy.http.get(f"/internal/users/{bob.id}/premium")).json()
        assert body["discord_id"] == str(bob.id)
        return body["premium"], body["premium_until"] is not None

    assert await is_premium() == (False, False)
    event = {"event_id": "evt_1", "event_created": 1_700_000_100}
    first = await moddy.notify(bob.id, metadata=event)
    assert notify_answer(first) == DELIVERED
    assert await is_premium() == (True, False)
    again = await moddy.notify(bob.id, metadata=event)
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"

    old = {"event_id": "evt_0", "event_created": "2023-11-14T22:13:20Z"}
    late = await moddy.notify(bob.id, action="subscription_cancelled", metadata=old)
    assert notify_answer(late) == STALE
    assert await is_premium() == (True, False)

    actions: list[tuple[dict[str, Any], tuple[bool, bool]]] = [
        ({"action": "plan_downgraded", "plan": "basic"}, (False, False)),
        ({"action": "plan_upgraded", "metadata": {"new_plan": "moddy_max"}}, (True, False)),
        ({"action": "subscription_updated", "plan": None}, (True, False)),
        (
            {
                "action": "subscription_cancelled",
                "metadata": {
                    "cancel_at_period_end": True,
                    "current_period_end": int(time.time()) + 3600,
                },
            },
            (True, True),
        ),
        ({"action": "subscription_cancelled"}, (False, False)),
    ]
    for fields, expected in actions:
        assert notify_answer(await moddy.notify(bob.id, **fields)) == DELIVERED
        assert await is_premium() == expected
    assert stage.message_count(bob) == 1 + len(actions)


async def check_premium_ends(moddy: ModdyProcess, user: User, end: float) -> None:
    """Premium that ends at a moment is off within 60 s of it, without another call."""

    async def is_premium() -> bool:
        body = (await moddy.http.get(f"/internal/users/{user.id}/premium")).json()
        return bool(body["premium"])

    while await is_premium():
        assert time.time() < end + 60
        await asyncio.sleep(0.1)
    assert time.time() >= end


async def check_same_key_at_once(stage: Stage, moddy: ModdyProcess) -> None:
    """Of concurrent requests with one key, one is carried out."""
    frank = stage.add_member("frank")
    answers = await asyncio.gather(*(moddy.notify(frank.id, key="at-once") for _ in range(8)))
    got = {notify_answer(answer) for answer in answers}
    assert DELIVERED in got
    assert got <= {DELIVERED, QUEUED}
    assert stage.message_count(frank) == 1


async def check_roles(stage: Stage, moddy: ModdyProcess) -> None:
    """The rows of a role update that reaches Discord."""
    guild = stage.guild
    carol, absent = stage.add_member("carol"), stage.discord.add_user("absent")
    managed = guild.add_role("Integration", managed=True)
    high = guild.add_role("Admin", position=20)
    extra = guild.add_role("Extra")
    updated = (200, True, "Roles updated successfully", True)

    async def update(user_id: int, **fields: Any) -> tuple[Any, ...]:
        return roles_answer(await moddy.update_roles(user_id, **fields), guild.id)

    assert await update(carol.id) == updated
    assert stage.has_premium_role(carol)
    assert await update(carol.id) == updated
    assert await update(carol.id, plan="free") == updated
    assert not stage.has_premium_role(carol)
    lists = {"add_roles": [str(extra.id)], "remove_roles": [str(stage.premium_role.id)]}
    assert await update(carol.id, **lists) == updated
    assert guild.members[carol.id].roles == {extra.id}

    no_role = (200, False, "Role not found in server", False)
    assert await update(carol.id, add_roles=["5"]) == no_role
    unassignable = (500, False, "Failed to update roles: Role cannot be assigned", False)
    assert await update(carol.id, add_roles=[str(managed.id)]) == unassignable
    assert await update(carol.id, add_roles=[str(guild.id)]) == unassignable
    forbidden = (500, False, "Failed to update roles: Missing permissions", False)
    assert await update(carol.id, add_roles=[str(high.id)]) == forbidden
    guild.set_bot_permissions(0)
    assert await update(carol.id) == forbidden
    guild.set_bot_permissions(8)
    no_plan = await moddy.update_roles(carol.id, plan=None)
    assert (no_plan.status_code, no_plan.json()["field"]) == (422, "$.plan")

    not_here = (200, False, "User not found in Discord server", False)
    first = await moddy.update_roles(absent.id, key="roles")
    assert roles_answer(first, guild.id) == not_here
    again = await moddy.update_roles(absent.id, key="roles")
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    stage.discord.add_member(guild, absent)
    await stage.discord.wait_until(lambda: stage.has_premium_role(absent), 10)
    other = await moddy.update_roles(absent.id, plan="free", key="roles")
    assert (other.status_code, other.json()) == (422, REUSED_KEY)


async def check_queued(stage: Stage, moddy: ModdyProcess) -> None:
    """The 202 rows: Discord fails, Moddy goes on trying, and a repeat learns of the end."""
    dave = stage.add_member("dave")
    stage.discord.faults.add("POST", stage.messages_path(dave), status=503)
    stage.discord.faults.add("PUT", f"*/members/{dave.id}/roles/*", status=503)
    message, roles = await asyncio.gather(
        moddy.notify(dave.id, key="queued"), moddy.update_roles(dave.id, key="queued")
    )
    assert notify_answer(message) == QUEUED
    assert roles_answer(roles, stage.guild.id) == (202, True, "Role update queued", False)
    await stage.discord.wait_until(
        lambda: stage.message_count(dave) == 1 and stage.has_premium_role(dave), 5
    )

    async def replays() -> list[httpx.Response]:
        return [
            await moddy.notify(dave.id, key="queued"),
            await moddy.update_roles(dave.id, key="queued"),
        ]

    deadline = time.monotonic() + 10
    while any("Idempotent-Replayed" not in answer.headers for answer in await replays()):
        assert time.monotonic() < deadline, "no final answer was recorded"
    assert [answer.status_code for answer in await replays()] == [200, 200]
    assert stage.message_count(dave) == 1


async def check_store_unavailable(stage: Stage, moddy: ModdyProcess, url: str, erin: User) -> None:
    """The 503 rows: nothing can be stored, and nothing is sent."""
    async with locked(url):
        message, roles = await asyncio.gather(
            moddy.notify(erin.id, key="locked"), moddy.update_roles(erin.id, key="locked")
        )
    assert notify_answer(message) == NO_STORE
    assert roles_answer(roles, stage.guild.id) == (503, False, "Store unavailable", False)
    assert int(message.headers["Retry-After"]) > 0
    assert int(roles.headers["Retry-After"]) > 0
    # Nothing was accepted, so the same key is new.
    assert notify_answer(await moddy.notify(erin.id, key="locked")) == DELIVERED
    assert roles_answer(await moddy.update_roles(erin.id, key="locked"), stage.guild.id)[0] == 200
    assert stage.message_count(erin) == 2  # with the one before


async def test_every_row(stage: Stage, database_url: str) -> None:
    channel = stage.guild.add_text_channel("news")
    stage.settings |= {
        "DATABASE_URL": database_url,
        "MODDY_NOTIFY_CHANNEL_ID": str(channel.id),
    }
    erin = stage.add_member("erin")
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        end = time.time() + 2
        metadata = {"cancel_at_period_end": True, "current_period_end": end}
        await moddy.notify(erin.id, metadata=metadata)
        await check_notify(stage, moddy)
        await check_events(stage, moddy)
        await check_roles(stage, moddy)
        await check_queued(stage, moddy)
        await check_same_key_at_once(stage, moddy)
        await check_premium_ends(moddy, erin, end)
        await check_store_unavailable(stage, moddy, database_url, erin)
        assert await moddy.stop() == 0
    log = str(moddy.lines)
    for hidden in ("alice@example.org", stage.backend.secret, stage.discord.token, "Moddy Max"):
        assert hidden not in log


async def test_rows_of_missing_settings(stage: Stage) -> None:
    alice = stage.add_member("alice")
    async with stage.moddy(MODDY_GUILD_ID=None) as moddy:
        await moddy.wait_answering()
        row = (503, False, "MODDY_GUILD_ID not configured", False)
        assert roles_answer(await moddy.update_roles(alice.id), None) == row
        assert "MODDY_GUILD_ID is not set: role updates are answered 503" in moddy.messages
    async with stage.moddy(MODDY_GUILD_ID="5", MODDY_PREMIUM_ROLE_ID=None) as moddy:
        await moddy.wait_healthy()
        row = (503, False, "MODDY_PREMIUM_ROLE_ID not configured", False)
        assert roles_answer(await moddy.update_roles(alice.id), 5) == row
        row = (404, False, "Guild not found", False)
        roles = [str(stage.premium_role.id)]
        assert roles_answer(await moddy.update_roles(alice.id, add_roles=roles), 5) == row


async def test_authentication_over_either_protocol(stage: Stage) -> None:
    cases: list[tuple[dict[str, str], int, dict[str, str] | None]] = [
        ({}, 401, {"error": "Missing Authorization header"}),
        ({"Authorization": "Basic x"}, 401, {"error": "Invalid Authorization format"}),
        ({"Authorization": "Bearer wrong"}, 403, {"error": "Invalid internal API secret"}),
        ({"Authorization": "bearer older"}, 200, None),
    ]
    port = stage.settings["INTERNAL_PORT"]
    public = free_port()
    async with (
        stage.moddy(INTERNAL_API_SECRET_PREVIOUS="older", PORT=str(public)) as moddy,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        await moddy.wait_answering()
        for host in ("127.0.0.1", "[::1]"):
            address = f"http://{host}:{port}"
            for headers, status, body in cases:
                answer = await http.get(f"{address}/internal/health", headers=headers)
                assert answer.status_code == status
                assert body is None or answer.json() == body
            root = await http.get(address)
            assert root.json() == {"service": "moddy-bot-internal", "status": "running"}
            # The public port serves liveness and nothing internal, whatever the header.
            address = f"http://{host}:{public}"
            assert (await http.get(f"{address}/healthz")).status_code == 200
            for path in ("/internal/health", f"/internal/users/{stage.guild.id}/premium"):
                assert (await moddy.http.get(f"{address}{path}")).status_code == 404
