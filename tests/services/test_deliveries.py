"""The worker: when it tries again, in which order, and what it survives."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from moddy.errors import DiscordRefused, DiscordUnavailable
from moddy.models import NotifyAction, Snowflake
from moddy.services import answers
from moddy.services.deliveries import BATCH
from moddy.services.schedule import GIVE_UP_AFTER, NONCE_WINDOW, RETRY_DELAYS
from moddy.store.database import Database, open_database
from moddy.store.deliveries import LEASE, Delivery, DeliveryKind, DeliveryState, Outcome
from moddy.store.migrate import migrate
from moddy.store.transactions import Connection
from tests.services.stage import ADA, BEN, SOON_S, Stage

DOWN = DiscordUnavailable("down")
UPDATED = NotifyAction.SUBSCRIPTION_UPDATED
HOURS_72 = 72 * 3600.0


async def test_retry_schedule(stage: Stage) -> None:
    """1, 5, 30, 120, 600, 1800, then 3600 s for ever, each with a fifth of jitter around it."""
    assert RETRY_DELAYS == (1, 5, 30, 120, 600, 1800, 3600)
    stage.messenger.errors[ADA] = DOWN
    async with stage.working():
        # What is there when a worker starts is due at once, so it has to have started.
        other = await stage.accept_notice(user_id=BEN)
        await stage.wait_for_state(other, DeliveryState.DELIVERED)
        accepted = await stage.accept_notice()
        await stage.answer(accepted)
        for tries, delay in enumerate([*RETRY_DELAYS, 3600, 3600], start=1):
            await stage.wait_for(accepted, "tries", tries)
            due_at = await stage.column(accepted, "due_at")
            assert due_at == stage.clock.now() + timedelta(seconds=delay)
            stage.tick(delay)
        del stage.messenger.errors[ADA]
        stage.tick(3600)
        await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert set(stage.jitter) == {(0.8, 1.2)}
    asked = {sent.nonce for sent in stage.messenger.asked if sent.user_id == ADA}
    assert asked == {stage.messenger.sent[-1].nonce}


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        (None, 1.0),
        (0.5, 1.0),
        (90.25, 90.25),
        (-5.0, 1.0),
        # Nonsense from the wire must not break the row.
        (float("inf"), None),
        (1e300, None),
        (float("nan"), None),
    ],
)
async def test_retry_after_is_honoured(
    stage: Stage, retry_after: float | None, seconds: float | None
) -> None:
    stage.messenger.errors[ADA] = DiscordUnavailable("limited", retry_after=retry_after)
    accepted = await stage.accept_notice()
    assert await stage.answer(accepted) == answers.NOTIFY_QUEUED
    assert await stage.column(accepted, "tries") == 1
    waits = (await stage.column(accepted, "due_at")) - stage.clock.now()
    if seconds is None:
        assert timedelta(seconds=1) <= waits <= GIVE_UP_AFTER
    else:
        assert waits == timedelta(seconds=seconds)


async def test_given_up_after_72_hours(stage: Stage) -> None:
    stage.messenger.errors[ADA] = DOWN
    accepted = await stage.accept_notice()
    await stage.answer(accepted)
    async with stage.working():
        stage.tick(HOURS_72 - 1)
        await stage.wait_for(accepted, "tries", 2)
        assert await stage.state(accepted) is DeliveryState.PENDING
        stage.tick(3600)
        await stage.wait_for_state(accepted, DeliveryState.DEAD)
    assert await stage.column(accepted, "finished_at") == stage.clock.now()
    assert await stage.column(accepted, "last_error") == DOWN.code


async def test_poisonous_row_does_not_hold_up_another(stage: Stage) -> None:
    poisonous = await stage.accept_notice(user_id=BEN)
    await stage.damage(poisonous, payload=b"\xff not json")
    good = await stage.accept_notice()
    async with stage.working():
        await stage.wait_for_state(good, DeliveryState.DELIVERED)
        await stage.wait_for(poisonous, "last_error", "internal_error")
        assert await stage.state(poisonous) is DeliveryState.PENDING
        stage.tick(1)
        await stage.wait_for(poisonous, "tries", 2)


@pytest.mark.parametrize("values", [{"state": "newer"}, {"kind": "newer"}, {"discord_id": "x"}])
async def test_row_that_this_version_cannot_read(stage: Stage, values: dict[str, object]) -> None:
    strange = await stage.accept_notice(user_id=BEN)
    await stage.damage(strange, **values)
    good = await stage.accept_notice()
    async with stage.working():
        await stage.wait_for_state(good, DeliveryState.DELIVERED)


async def test_unreachable_discord_costs_no_tries(stage: Stage) -> None:
    stage.reachable.clear()
    accepted = await stage.accept_notice()
    assert await stage.answer(accepted) == answers.NOTIFY_QUEUED
    async with stage.working():
        for _ in range(3):
            stage.tick(3600)
            await asyncio.sleep(0.02)
        assert await stage.column(accepted, "tries") == 0
        stage.reachable.set()
        stage.deliveries.wake()
        await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert await stage.column(accepted, "tries") == 1


async def test_no_more_than_a_batch_at_once(stage: Stage) -> None:
    """After an outage thousands may be due; Discord must not get them all in one second."""
    at_once = most = 0
    slow = asyncio.Event()

    async def attempt(delivery: Delivery) -> Outcome:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        # Every second one hangs, as it does while discord.py waits for a rate limit.
        await asyncio.wait_for(slow.wait(), SOON_S) if int(delivery.user_id) % 2 else None
        at_once -= 1
        return Outcome(state=DeliveryState.DELIVERED)

    stage.attempts[DeliveryKind.NOTIFY] = attempt
    stage.deliveries = stage.make_worker()
    rows = [await stage.accept_notice(user_id=Snowflake(n)) for n in range(1, 3 * BATCH)]
    async with stage.working():
        await asyncio.sleep(0.7)
        slow.set()
        for row in rows:
            await stage.wait_for_state(row, DeliveryState.DELIVERED)
    assert 1 < most <= BATCH


async def test_answer_within_and_the_attempt_goes_on(stage: Stage) -> None:
    stage.messenger.gate.close()
    accepted = await stage.accept_notice()
    started = time.perf_counter()
    assert await stage.answer(accepted, within=0.05) == answers.NOTIFY_QUEUED
    assert time.perf_counter() - started < 1
    stage.messenger.gate.open()
    await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert len(stage.messenger.asked) == 1


async def test_caller_gone_and_the_attempt_goes_on(stage: Stage) -> None:
    stage.messenger.gate.close()
    accepted = await stage.accept_notice()
    caller = asyncio.create_task(stage.answer(accepted))
    await stage.messenger.gate.reached.wait()
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    stage.messenger.gate.open()
    await stage.wait_for_state(accepted, DeliveryState.DELIVERED)


async def test_stop_lets_nobody_wait(stage: Stage) -> None:
    stage.messenger.gate.close()
    accepted = await stage.accept_notice()
    waiting = asyncio.create_task(stage.answer(accepted, within=60))
    await stage.messenger.gate.reached.wait()
    stage.deliveries.stop()
    async with asyncio.timeout(1):
        assert await waiting == answers.NOTIFY_QUEUED
    stage.messenger.gate.open()


async def test_end_of_the_worker_lets_what_is_in_hand_finish(stage: Stage) -> None:
    stage.messenger.gate.close()
    accepted = await stage.accept_notice()
    worker = asyncio.create_task(stage.deliveries.run())
    await stage.messenger.gate.reached.wait()
    worker.cancel()
    await asyncio.sleep(0.02)
    assert not worker.done()
    stage.messenger.gate.open()
    await asyncio.gather(worker, return_exceptions=True)
    assert await stage.state(accepted) is DeliveryState.DELIVERED


async def test_crash_between_sending_and_recording_sends_the_same_nonce_again(
    stage: Stage,
) -> None:
    accepted = await stage.accept_notice()
    assert accepted.delivery is not None
    delivery_id = accepted.delivery.id
    leased = await stage.lease(delivery_id)
    assert leased is not None
    await stage.notifications.attempt(leased)  # and then the process is gone
    if stage.database.is_sqlite:
        stage.deliveries = stage.make_worker()
    else:
        stage.clock.advance(LEASE)  # elsewhere somebody else may be at work on it until then
    async with stage.working():
        await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert [sent.nonce for sent in stage.messenger.asked] == [delivery_id, delivery_id]


LONG_AGO = NONCE_WINDOW + timedelta(seconds=1)


@pytest.mark.parametrize("sent", [True, False])
async def test_crash_long_ago_is_looked_up(stage: Stage, sent: bool) -> None:
    """Discord has forgotten the nonce by then: only looking tells whether it was sent."""
    accepted = await stage.accept_notice()
    assert accepted.delivery is not None
    leased = await stage.lease(accepted.delivery.id)
    assert leased is not None
    if sent:
        await stage.notifications.attempt(leased)
    stage.clock.advance(LONG_AGO)
    async with stage.working():
        await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert stage.messenger.looked_for == [ADA]
    assert len(stage.messenger.sent) == 1


async def test_a_like_message_of_another_delivery_is_not_taken_for_it(stage: Stage) -> None:
    first = await stage.accept_notice(UPDATED)
    await stage.answer(first)
    second = await stage.accept_notice(UPDATED)
    assert second.delivery is not None
    await stage.lease(second.delivery.id)
    stage.clock.advance(LONG_AGO)
    async with stage.working():
        await stage.wait_for_state(second, DeliveryState.DELIVERED)
    assert len(stage.messenger.sent) == 2


async def test_what_cannot_be_looked_up_is_left_to_a_person(stage: Stage) -> None:
    accepted = await stage.accept_notice()
    assert accepted.delivery is not None
    await stage.lease(accepted.delivery.id)
    stage.clock.advance(LONG_AGO)
    stage.messenger.errors[ADA] = DiscordRefused("no history")
    async with stage.working():
        await stage.wait_for_state(accepted, DeliveryState.UNCERTAIN)
        stage.tick(HOURS_72)
        await asyncio.sleep(0.05)
    assert await stage.state(accepted) is DeliveryState.UNCERTAIN
    assert stage.messenger.asked == []


async def test_a_short_outage_loses_nothing(stage: Stage) -> None:
    """Each failure may have had its effect; none of it may end in silence."""
    stage.messenger.errors[ADA] = DiscordUnavailable("502", outage=True, maybe_done=True)
    accepted = await stage.accept_notice()
    await stage.answer(accepted)
    async with stage.working():
        for tries in range(2, 8):
            stage.tick(3600)
            await stage.wait_for(accepted, "tries", tries)
        del stage.messenger.errors[ADA]
        stage.tick(3600)
        await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
    assert len(stage.messenger.sent) == 1


async def rename_table(database: Database, old: str, new: str) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))

    await database.transaction(work)


async def test_worker_survives_a_store_that_fails(sqlite_url: str) -> None:
    """SQLite says "no such table" the way it says that it cannot read the file."""
    async with open_database(sqlite_url) as database:
        await migrate(database)
        stage = Stage(database)
        accepted = await stage.accept_notice()
        await rename_table(database, "deliveries", "gone")
        async with stage.working():
            await asyncio.sleep(0.1)
            await rename_table(database, "gone", "deliveries")
            await stage.wait_for_state(accepted, DeliveryState.DELIVERED)
