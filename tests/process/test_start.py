"""Starting: what answers before Discord does, what is told to Discord, and what is logged."""

from __future__ import annotations

import json
import resource
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.process.answers import DELIVERED, QUEUED, notify_answer, roles_answer
from tests.process.moddy_process import ROOT, free_port
from tests.process.stage import Stage

# Says at the end what was imported, and whether garbage was being collected.
TELLTALE = """
import atexit, gc, json, pathlib, sys

def tell():
    found = {"modules": sorted(sys.modules), "gc": gc.isenabled(), "frozen": gc.get_freeze_count()}
    pathlib.Path("telltale.json").write_text(json.dumps(found))

atexit.register(tell)
"""
# What other commands need, other databases, other settings, or a start on an empty store.
NOT_NEEDED = frozenset(
    {
        "alembic",
        "asyncpg",
        "mako",
        "moddy.console",
        "moddy.doctor",
        "moddy.sandbox",
        "moddy.store.copying",
        "segno",
        "sentry_sdk",
        "simcord",
    }
)


async def test_start_in_numbers(stage: Stage) -> None:
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        seconds = time.monotonic() - moddy.started_at
        pages = int(Path(f"/proc/{moddy.pid}/statm").read_text().split()[1])
        mebibytes = pages * resource.getpagesize() / 2**20
        print(f"healthy after {seconds:.1f} s, {mebibytes:.0f} MiB resident")  # noqa: T201
        assert seconds < 15
        assert mebibytes < 200


async def test_a_usual_start_imports_what_it_needs(stage: Stage) -> None:
    (stage.directory / "sitecustomize.py").write_text(TELLTALE)
    stage.settings["PYTHONPATH"] = f"{stage.directory}:{ROOT}"
    told = []
    for _ in range(2):
        async with stage.moddy() as moddy:
            await moddy.wait_healthy()
        told.append(json.loads((stage.directory / "telltale.json").read_text()))
    on_empty_store, usual = (sorted(NOT_NEEDED.intersection(one["modules"])) for one in told)
    assert (on_empty_store, usual) == (["alembic", "mako"], [])
    # It is not collected during the imports, but it is afterwards.
    assert all(one["gc"] and one["frozen"] > 0 for one in told)


async def test_it_answers_while_discord_hangs(stage: Stage) -> None:
    alice = stage.add_member("alice")
    # The first call of a login; the others are answered.
    stage.discord.faults.add("GET", "/users/@me", delay=3.0)
    async with stage.moddy() as moddy:
        await moddy.wait_answering()
        assert await moddy.health() == "unhealthy"
        message = await moddy.notify(alice.id, key="early")
        assert notify_answer(message) == QUEUED
        roles = await moddy.update_roles(alice.id, key="early")
        assert roles_answer(roles, stage.guild.id) == (202, True, "Role update queued", False)
        premium = await moddy.http.get(f"/internal/users/{alice.id}/premium")
        assert premium.json()["premium"] is True
        again = await moddy.notify(alice.id, key="early")
        assert notify_answer(again) == QUEUED
        assert "Idempotent-Replayed" not in again.headers
        assert stage.discord.gateway.identifies == 0
        await moddy.wait_healthy()
        await stage.discord.wait_until(
            lambda: stage.message_count(alice) == 1 and stage.has_premium_role(alice), 10
        )


async def test_discord_is_out_of_reach_at_first(stage: Stage) -> None:
    alice = stage.add_member("alice")
    address = stage.settings["DISCORD_API_BASE_URL"]
    stage.discord.faults.add("GET", "/users/@me", drop=True, times=3)
    async with stage.moddy() as moddy:
        line = await moddy.wait_line("discord unreachable")
        assert line["error"] == "ServerDisconnectedError"
        assert address not in str(moddy.lines)
        assert notify_answer(await moddy.notify(alice.id)) == QUEUED
        await moddy.wait_healthy()
        await stage.discord.wait_until(lambda: stage.message_count(alice) == 1, 10)


@pytest.mark.slow
async def test_rest_works_before_the_gateway_does(stage: Stage) -> None:
    alice = stage.add_member("alice")
    stage.discord.gateway.accept = False
    # discord.py logs that the gateway refused, and tries again 5 s later.
    async with stage.moddy("Failed to connect for shard_id") as moddy:
        await moddy.wait_line("Failed to connect for shard_id")
        assert await moddy.health() == "unhealthy"
        assert notify_answer(await moddy.notify(alice.id)) == DELIVERED
        assert (await moddy.update_roles(alice.id)).status_code == 200
        absent = stage.discord.add_user("absent")
        row = (200, False, "User not found in Discord server", False)
        assert roles_answer(await moddy.update_roles(absent.id), stage.guild.id) == row
        stage.discord.gateway.accept = True
        await moddy.wait_health("healthy", seconds=20)


@pytest.mark.slow
async def test_commands_are_synced_when_they_changed(stage: Stage) -> None:
    discord, alice = stage.discord, stage.add_member("alice")
    discord.faults.add("PUT", "*/commands", status=400, code=50035)
    async with stage.moddy() as moddy:
        line = await moddy.wait_line("commands not synced")
        assert (line["error"], line["status"]) == ("CommandSyncFailure", 400)
        await moddy.wait_healthy()
        # No message waits for the commands.
        assert notify_answer(await moddy.notify(alice.id)) == DELIVERED
    async with stage.moddy() as moddy:
        line = await moddy.wait_line("commands synced")
        await moddy.wait_healthy()
        assert line["commands"] == len(discord.commands) > 0
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        assert discord.command_syncs == 1
    with closing(sqlite3.connect(stage.directory / "moddy.db")) as store:
        key = "synced_commands"
        changed = store.execute("UPDATE memory SET value = 'older' WHERE key = ?", (key,))
        assert changed.rowcount == 1
        store.commit()
    async with stage.moddy() as moddy:
        await moddy.wait_line("commands synced")
        assert discord.command_syncs == 2


async def test_the_backend_is_tested_and_explained(stage: Stage) -> None:
    async with stage.moddy() as moddy:
        line = await moddy.wait_line("Backend connection: ok")
        assert line["level"] == "info"
        await moddy.wait_line(f"  secret: {len(stage.backend.secret)} characters")
        assert f"  URL: {stage.backend.url}" in moddy.messages
    call = stage.backend.calls[0]
    assert (call.method, call.path) == ("GET", "/internal/health")
    assert call.headers["User-Agent"].startswith("Moddy-Bot/")


@pytest.mark.parametrize("trouble", ["connection_refused", "unauthorized", "secret_not_set"])
async def test_troubles_with_the_backend_have_likely_causes(stage: Stage, trouble: str) -> None:
    troubles: dict[str, dict[str, str | None]] = {
        "connection_refused": {"BACKEND_INTERNAL_URL": f"http://127.0.0.1:{free_port()}"},
        "unauthorized": {"INTERNAL_API_SECRET": "not-the-shared-one"},
        "secret_not_set": {"INTERNAL_API_SECRET": None},
    }
    async with stage.moddy(**troubles[trouble]) as moddy:
        line = await moddy.wait_line(f"Backend connection: {trouble}")
        assert line["level"] == "warning"
        await moddy.wait_line("  likely cause: ")
        assert "not-the-shared-one" not in str(moddy.lines)
        if trouble == "secret_not_set":
            answer = await moddy.http.get("/internal/health")
            body = {"error": "Internal API secret not configured"}
            assert (answer.status_code, answer.json()) == (503, body)
