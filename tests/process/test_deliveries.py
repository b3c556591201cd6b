"""Discord fails in each way it can: every message arrives, once."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.process.answers import DELIVERED, QUEUED, notify_answer
from tests.process.stage import Stage

# How Discord treats the first call that sends the message, and the answer that leads to: 200
# when discord.py itself gets it through within 8 s, else 202.
TROUBLES: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "fails before": ({"status": 500}, DELIVERED),
    "fails after": ({"status": 502, "apply": True}, DELIVERED),
    "drops before": ({"drop": True}, QUEUED),
    "drops after": ({"drop": True, "apply": True}, QUEUED),
    "overloaded": ({"status": 503}, QUEUED),
    "overloaded after": ({"status": 503, "apply": True}, QUEUED),
    "limited": ({"status": 429, "retry_after": 1.2}, DELIVERED),
    "limited long": ({"status": 429, "retry_after": 31.0}, QUEUED),
    "banned": ({"status": 429, "cloudflare": True}, QUEUED),
    "token refused once": ({"status": 401}, QUEUED),
    "slow": ({"delay": 9.5}, QUEUED),
}


@pytest.mark.slow
async def test_each_message_arrives_once(stage: Stage) -> None:
    users = {name: stage.add_member(name.replace(" ", "-")) for name in TROUBLES}
    for name, (fault, _) in TROUBLES.items():
        stage.discord.faults.add("POST", stage.messages_path(users[name]), **fault)
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        answers: list[httpx.Response] = await asyncio.gather(
            *(moddy.notify(user.id, key=str(user.id)) for user in users.values())
        )
        got = {name: notify_answer(answer) for name, answer in zip(users, answers, strict=True)}
        assert got == {name: answer for name, (_, answer) in TROUBLES.items()}
        # Discord itself says how long to wait for this one.
        await stage.discord.wait_until(
            lambda: all(
                stage.message_count(user) == 1
                for name, user in users.items()
                if name != "limited long"
            ),
            10,
        )
        assert await moddy.health() == "healthy"
    counts = {name: stage.message_count(user) for name, user in users.items()}
    assert counts == {name: int(name != "limited long") for name in users}


async def test_the_newer_role_update_wins(stage: Stage) -> None:
    alice = stage.add_member("alice")
    slow = stage.discord.faults.add("PUT", "*/roles/*", delay=1.0)
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        older = asyncio.create_task(moddy.update_roles(alice.id))
        await stage.discord.wait_until(lambda: slow.hits == 1)
        newer = await moddy.update_roles(alice.id, plan="free")
        assert newer.json()["roles_updated"] is True
        assert (await older).json()["roles_updated"] is True
        changes = [call.method for call in stage.discord.requests if "/roles/" in call.path]
        assert changes == ["PUT", "DELETE"]
        assert not stage.has_premium_role(alice)

        # A newer one replaces one that waits for its next try.
        stage.discord.faults.add("PUT", "*/roles/*", status=503)
        assert (await moddy.update_roles(alice.id)).status_code == 202
        assert (await moddy.update_roles(alice.id, plan="free")).status_code == 200
        line = await moddy.wait_line("delivery attempted")
        assert line["discord_id"] == str(alice.id)
        seen = len(stage.discord.requests)
        await asyncio.sleep(2)  # the replaced one would have been tried again by now
        assert stage.discord.requests[seen:] == []
        assert not stage.has_premium_role(alice)
