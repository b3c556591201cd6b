"""Losing the gateway and getting it back; what Discord refuses for good."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from moddy.bot import HEARTBEAT_PATIENCE
from tests.process.answers import DELIVERED, notify_answer
from tests.process.stage import Stage

# What discord.py writes at level error about connections that it loses and gets back.
RECONNECTING = ("Attempting a reconnect", "Failed to connect for shard_id")


@pytest.mark.slow
async def test_a_lost_gateway_shows_and_comes_back(stage: Stage) -> None:
    alice = stage.add_member("alice")
    gateway = stage.discord.gateway
    async with stage.moddy(*RECONNECTING) as moddy:
        await moddy.wait_healthy()
        await gateway.reconnect()
        await stage.discord.wait_until(lambda: gateway.resumes == 1, 10)
        await moddy.wait_healthy()
        gateway.accept = False
        await gateway.drop()
        await moddy.wait_health("unhealthy", seconds=15)
        # Messages do not need the gateway.
        assert notify_answer(await moddy.notify(alice.id)) == DELIVERED
        absent = stage.discord.add_user("absent")
        assert (await moddy.update_roles(absent.id)).status_code == 200
        stage.discord.add_member(stage.guild, absent)
        gateway.accept = True
        await moddy.wait_healthy()
        # They joined unseen.
        await stage.discord.wait_until(lambda: stage.has_premium_role(absent), 10)


async def test_a_gateway_that_vanishes_is_looked_for(stage: Stage) -> None:
    """The system itself asks after the other end, long before the next heartbeat is due."""
    port = int(stage.discord.gateway_url.rpartition(":")[2].partition("/")[0])
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        await moddy.wait_until(
            lambda: keepalive_seconds(moddy.pid, port) != [], what="an idle connection"
        )
        assert max(keepalive_seconds(moddy.pid, port)) <= 5


def keepalive_seconds(pid: int, port: int) -> list[float]:
    """Return when the keepalive timers of the connections to a port run out, from Linux's table.

    Source: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
    """
    found = []
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, _, remote, state, _, timer, *_ = line.split()
        kind, _, ticks = timer.partition(":")
        if remote.endswith(f":{port:04X}") and state == "01" and kind == "02":
            found.append(int(ticks, 16) / os.sysconf("SC_CLK_TCK"))
    return found


@pytest.mark.slow
async def test_an_invalid_session_is_begun_anew(stage: Stage) -> None:
    gateway = stage.discord.gateway
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        await gateway.invalid_session(resumable=False)
        await stage.discord.wait_until(lambda: gateway.identifies == 2, 20)
        await moddy.wait_healthy()


@pytest.mark.slow
async def test_a_malformed_event_costs_a_reconnect(stage: Stage) -> None:
    alice = stage.add_member("alice")
    gateway = stage.discord.gateway
    async with stage.moddy("discord connection failed") as moddy:
        await moddy.wait_healthy()
        for round_number in (1, 2):
            await gateway.send_raw("GUILD_MEMBER_ADD", {"guild_id": "not a number"})
            while gateway.identifies <= round_number:
                # Every answer is one of the contract's, whatever the moment.
                assert (await moddy.notify(alice.id)).status_code in (200, 202)
            await moddy.wait_healthy()
        await stage.discord.wait_until(lambda: notified(stage) == stage.message_count(alice), 20)
        lines = [line for line in moddy.lines if line["message"] == "discord connection failed"]
        assert len(lines) == 2
        assert lines[0]["error_type"] == "ValueError"
        assert stage.discord.command_syncs == 1


def notified(stage: Stage) -> int:
    """Return how many different direct messages were sent, repeats of one left out."""
    calls = stage.discord.calls("POST", "/messages")
    return len({call.body["nonce"] for call in calls})


@pytest.mark.parametrize(
    ("close_code", "named"), [(4014, "Server Members Intent"), (4004, "DISCORD_TOKEN")]
)
async def test_discord_refuses_for_good(stage: Stage, close_code: int, named: str) -> None:
    stage.discord.gateway.refuse = close_code
    async with stage.moddy() as moddy:
        assert await moddy.wait_exit(40) == 3
        [line] = moddy.stderr
        assert named in line
        assert stage.discord.token not in line
        assert stage.discord.gateway.identifies == 0
        moddy.stderr.clear()


async def test_a_wrong_token(stage: Stage) -> None:
    async with stage.moddy(DISCORD_TOKEN="planted-wrong-token") as moddy:
        assert await moddy.wait_exit(40) == 3
        [line] = moddy.stderr
        assert "DISCORD_TOKEN" in line
        assert "planted-wrong-token" not in line + str(moddy.lines)
        moddy.stderr.clear()


async def test_a_token_that_is_revoked_later(stage: Stage) -> None:
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        await stage.discord.gateway.drop(4004)
        assert await moddy.wait_exit(20) == 3
        assert "DISCORD_TOKEN" in moddy.stderr.pop()


async def test_a_gateway_that_does_not_answer_shows(stage: Stage) -> None:
    """It is connected and says nothing any more; discord.py notices that after 60 s and more."""
    gateway = stage.discord.gateway
    # Discord's own interval, with which it is within a minute.
    assert gateway.heartbeat_interval + HEARTBEAT_PATIENCE < 55
    gateway.heartbeat_interval = 1.0
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        await stage.discord.wait_until(lambda: gateway.heartbeats >= 2)
        gateway.silent = True
        assert await moddy.wait_health("unhealthy", seconds=15) > 8
        gateway.silent = False
        await moddy.wait_health("healthy", seconds=5)
        assert gateway.identifies == 1


@pytest.mark.parametrize("path", ["/users/@me", "/gateway/bot"])
@pytest.mark.parametrize("cloudflare", [False, True], ids=["discord", "proxy"])
async def test_a_rate_limit_at_login_is_waited_for(
    stage: Stage, path: str, cloudflare: bool
) -> None:
    """One is longer than discord.py is let wait; for the other it never waits."""
    seconds = 6.0 if cloudflare else 33.0
    fault = stage.discord.faults.add(
        "GET", path, status=429, retry_after=seconds, cloudflare=cloudflare, times=None
    )
    async with stage.moddy() as moddy:
        line = await moddy.wait_line("discord unreachable")
        assert line["wait"] == seconds
        assert await moddy.health() == "unhealthy"
        await asyncio.sleep(4)
        assert fault.hits == 1
        stage.discord.faults.clear()
        if cloudflare:
            # And then it logs in.
            await moddy.wait_healthy()
            assert fault.hits == 1
