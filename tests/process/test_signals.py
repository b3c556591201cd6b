"""SIGTERM and SIGINT end it with code 0 within 10 s, whatever is going on."""

from __future__ import annotations

import asyncio
import signal
import socket
import time

import pytest

from tests.process.answers import DELIVERED, QUEUED, notify_answer
from tests.process.stage import Stage

BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@BOTH
async def test_idle(stage: Stage, number: signal.Signals) -> None:
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        assert await moddy.stop(number) == 0
        assert moddy.messages[-2:] == ["stopping", "stopped"]
        # Discord was told goodbye, so the session is over.
        await stage.discord.wait_until(lambda: stage.discord.gateway.sessions == [])


@pytest.mark.slow
async def test_with_a_request_in_hand(stage: Stage) -> None:
    alice, bob = stage.add_member("alice"), stage.add_member("bob")
    hanging = stage.discord.faults.add("POST", stage.messages_path(alice), delay=60)
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        call = asyncio.create_task(moddy.notify(alice.id))
        await stage.discord.wait_until(lambda: hanging.hits == 1)
        # One hanging message holds up nobody else, and nothing else of the same user.
        assert notify_answer(await moddy.notify(bob.id)) == DELIVERED
        assert (await moddy.update_roles(alice.id)).status_code == 200
        assert await moddy.stop() == 0
        # The caller is not left with a broken connection.
        assert notify_answer(await call) == QUEUED
    stage.discord.faults.clear()
    async with stage.moddy() as moddy:
        await stage.discord.wait_until(lambda: stage.message_count(alice) == 1, 30)
        await moddy.wait_healthy()


async def test_with_an_attempt_that_is_nearly_done(stage: Stage) -> None:
    alice = stage.add_member("alice")
    slow = stage.discord.faults.add("POST", stage.messages_path(alice), delay=1.0)
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        call = asyncio.create_task(moddy.notify(alice.id))
        await stage.discord.wait_until(lambda: slow.hits == 1)
        assert await moddy.stop() == 0
        assert (await call).status_code in (200, 202)
        line = await moddy.wait_line("delivery attempted")
        assert (line["state"], line["recorded"]) == ("delivered", True)
    assert stage.message_count(alice) == 1


@BOTH
async def test_while_discord_hangs_at_login(stage: Stage, number: signal.Signals) -> None:
    hanging = stage.discord.faults.add("GET", "/users/@me", delay=60)
    async with stage.moddy() as moddy:
        await stage.discord.wait_until(lambda: hanging.hits == 1, 40)
        assert await moddy.stop(number) == 0


async def test_between_two_logins(stage: Stage) -> None:
    stage.discord.faults.add("GET", "/users/@me", status=503, times=None)
    async with stage.moddy() as moddy:
        await moddy.wait_line("discord unreachable")
        assert await moddy.stop() == 0


async def test_while_the_gateway_refuses(stage: Stage) -> None:
    stage.discord.gateway.accept = False
    async with stage.moddy("Failed to connect for shard_id") as moddy:
        await moddy.wait_line("Failed to connect for shard_id")
        assert await moddy.stop() == 0


async def test_right_after_the_first_line(stage: Stage) -> None:
    async with stage.moddy() as moddy:
        await moddy.wait_line("starting")
        assert await moddy.stop() == 0


async def test_again_and_again_until_it_is_gone(stage: Stage) -> None:
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        ended = asyncio.create_task(moddy.wait_exit())
        while not ended.done():
            moddy.send_signal(signal.SIGTERM)
            moddy.send_signal(signal.SIGINT)
            await asyncio.wait({ended}, timeout=0.01)
        assert await ended == 0


@pytest.mark.slow
async def test_everything_hangs(stage: Stage) -> None:
    alice = stage.add_member("alice")
    hanging = stage.discord.faults.add("POST", stage.messages_path(alice), delay=60)
    head = (
        "POST /internal/notify HTTP/1.1\r\nHost: moddy\r\n"
        f"Authorization: Bearer {stage.backend.secret}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n"
    ).encode()
    address = ("127.0.0.1", int(stage.settings["INTERNAL_PORT"]))
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        body = {"discord_id": str(alice.id), "action": "subscription_created"}
        call = asyncio.create_task(moddy.http.post("/internal/notify", json=body, timeout=20))
        await stage.discord.wait_until(lambda: hanging.hits == 1)
        with (
            socket.create_connection(address),
            socket.create_connection(address) as half_head,
            socket.create_connection(address) as half_body,
        ):
            half_head.sendall(head)
            half_body.sendall(head + b'\r\n{"discord_id"')
            await moddy.health()
            moddy.send_signal(signal.SIGTERM)
            # The stand-in runs in this loop: Discord does not even say goodbye.
            time.sleep(9.5)  # noqa: ASYNC251
            assert await moddy.wait_exit(0.5) == 0
        assert notify_answer(await call) == QUEUED
