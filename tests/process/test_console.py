"""``moddy deliveries`` beside a Moddy that runs on the same database."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import msgspec
import sqlalchemy as sa

from moddy.models import NotifyAction, Snowflake
from moddy.notices import NotifyMetadata
from moddy.services.notifications import NotifyPayload
from moddy.store.database import open_database
from moddy.store.deliveries import DeliveryState
from moddy.store.tables import deliveries
from moddy.store.transactions import Connection
from tests.process.moddy_process import ModdyProcess
from tests.process.stage import Stage
from tests.store import rows


async def command(stage: Stage, *arguments: str) -> tuple[int, list[str], list[str]]:
    """Run ``moddy deliveries …`` without a token: exit code, and lines of its two outputs."""
    settings = {"DATABASE_URL": stage.settings["DATABASE_URL"]}
    process = ModdyProcess(settings, stage.directory, arguments=["deliveries", *arguments])
    async with process:
        code = await process.wait_exit(40)
        errors = process.stderr.copy()
        process.stderr.clear()
    return code, process.output, errors


async def add_dead(stage: Stage, user_id: int) -> str:
    """Store a notification that was given up three days after it was accepted."""
    payload = NotifyPayload(
        action=NotifyAction.SUBSCRIPTION_CREATED,
        plan="moddy_max",
        ends_at=None,
        metadata=NotifyMetadata(),
    )
    row = rows.delivery(
        user_id,
        user_id=Snowflake(user_id),
        # A row that is pending for a moment would be taken by the Moddy that runs.
        state=DeliveryState.DEAD,
        payload=msgspec.json.encode(payload),
        created_at=datetime.now(UTC) - timedelta(hours=73),
    )
    async with open_database(stage.settings["DATABASE_URL"]) as database:
        await rows.insert(database, row)
    await change(stage, row.id, tries=80, due_at=None, finished_at=datetime.now(UTC))
    return row.id


async def change(stage: Stage, delivery_id: str, **values: object) -> None:
    """Change a delivery behind everybody's back."""

    async def work(connection: Connection) -> None:
        query = sa.update(deliveries).where(deliveries.c.id == delivery_id)
        await connection.execute(query.values(**values))

    async with open_database(stage.settings["DATABASE_URL"]) as database:
        await database.transaction(work)


async def test_beside_a_running_moddy(stage: Stage, database_url: str) -> None:
    stage.settings["DATABASE_URL"] = database_url
    alice, bob, carol = (stage.add_member(name) for name in ("alice", "bob", "carol"))
    async with stage.moddy() as moddy:
        await moddy.wait_healthy()
        dead, held, free = [await add_dead(stage, user.id) for user in (alice, bob, carol)]
        # Not due, and held by another process that runs on this database.
        until = datetime.now(UTC) + timedelta(minutes=1)
        await change(stage, held, state="pending", due_at=until, leased_until=until)
        retried, dropped = await asyncio.gather(
            command(stage, "retry", dead[:20]), command(stage, "drop", held, free, "--yes")
        )
        code, output, [line] = retried
        trace = json.loads(line)
        assert (code, output[0]) == (0, "1 delivery retried")
        assert (trace["message"], trace["delivery_id"]) == ("delivery changed by hand", dead)
        code, output, errors = dropped
        assert (code, output) == (1, ["1 delivery dropped"])
        [refusal] = [line for line in errors if not line.startswith("{")]
        assert refusal.startswith(f"{held[:12]}: a running Moddy is at work on it")
        await stage.discord.wait_until(lambda: stage.message_count(alice) == 1, 10)

        now = datetime.now(UTC)
        await change(stage, held, due_at=now, leased_until=now)
        await stage.discord.wait_until(lambda: stage.message_count(bob) == 1, 10)
        await moddy.wait_until(
            lambda: moddy.messages.count("delivery attempted") == 2, what="both outcomes"
        )
        assert await command(stage) == (0, ["delivered 2, dropped 1", "nothing to show"], [])
    counts = [stage.message_count(user) for user in (alice, bob, carol)]
    assert counts == [1, 1, 0]


async def test_nothing_there_yet(stage: Stage, database_url: str) -> None:
    stage.settings["DATABASE_URL"] = database_url
    code, output, [line] = await command(stage, "list")
    assert (code, output) == (1, [])
    assert "run `moddy migrate`" in line
    assert not (stage.directory / "moddy.db").exists()
